package host

import (
	"math"
	"strconv"
	"strings"
)

// parseLimit reads a limit of a control group in bytes: "max", and numbers that
// are no limit on any machine (version 1 writes the largest multiple of a page),
// are 0.
func parseLimit(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>8 {
		return 0
	}
	return n
}

// parseMemTotal finds the memory's size, in bytes, in what Linux prints in
// /proc/meminfo; 0 if it is not there.
func parseMemTotal(s string) int64 {
	for line := range strings.Lines(s) {
		rest, ok := strings.CutPrefix(line, "MemTotal:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil || kib <= 0 || kib > math.MaxInt64>>10 {
			return 0
		}
		return kib << 10
	}
	return 0
}

// cgroupPath is a process's place in a hierarchy of control groups, from what
// Linux prints in /proc/self/cgroup: the unified one for controller "".
func cgroupPath(s, controller string) (string, bool) {
	for line := range strings.Lines(s) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			if c == controller {
				return f[2], true
			}
		}
	}
	return "", false
}

// smaller is the smaller of two limits, of which 0 is none.
func smaller(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
