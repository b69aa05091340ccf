package flame

import (
	"fmt"
	"strconv"
)

// Value writes a value with its unit: nanoseconds, bytes, or a plain count.
func Value(v int64, unit string) string {
	f := float64(v)
	switch unit {
	case "nanoseconds":
		return scaled(f, 1000, "ns", "µs", "ms", "s")
	case "bytes":
		return scaled(f, 1024, "B", "KiB", "MiB", "GiB", "TiB")
	}
	return strconv.FormatInt(v, 10)
}

// scaled divides until the number is small or units end.
func scaled(f, step float64, units ...string) string {
	i := 0
	for ; i+1 < len(units) && (f >= step || f <= -step); i++ {
		f /= step
	}
	if i == 0 {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.2f %s", f, units[i])
}

// percent writes a share.
func percent(v, of int64) string {
	if of == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(v)/float64(of))
}
