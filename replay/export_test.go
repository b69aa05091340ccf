package replay

// SameRecords says whether two records count as the same.
func SameRecords(a, b []byte, padded bool) bool { return compareRecords(a, b, padded) == nil }
