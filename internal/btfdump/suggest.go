package btfdump

import "strings"

// Suggest returns the one of names that somebody who wrote word may have
// meant, or "".
func Suggest(word string, names []string) string {
	best, bestDistance := "", 1+len(word)/3
	for _, n := range names {
		if strings.EqualFold(n, word) {
			return n
		}
		if len(n) > 64 || len(word) > 64 {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(n)); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = n, d
		}
	}
	if best == "" && len(word) >= 3 {
		for _, n := range names {
			if strings.HasPrefix(strings.ToLower(n), strings.ToLower(word)) {
				return n
			}
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
