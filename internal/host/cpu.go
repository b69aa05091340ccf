package host

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxCPUs is far above what any system has (Linux: NR_CPUS ≤ 8192); a list
// that says more is damaged.
const maxCPUs = 1 << 16

// parseCPUList counts the CPUs of a list as Linux prints it in
// /sys/devices/system/cpu/possible ("0-3", "0", "0-1,4-7"): one more than the
// highest number, because per-CPU values have a place for every number below
// it.
func parseCPUList(s string) (int, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, errors.New("parse CPU list: it is empty")
	}
	n := 0
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		lo, err1 := strconv.ParseUint(first, 10, 32)
		hi, err2 := strconv.ParseUint(last, 10, 32)
		if err1 != nil || err2 != nil || lo > hi || hi >= maxCPUs {
			return 0, fmt.Errorf("parse CPU list %q: %q is no CPU number or range below %d", s, part, maxCPUs)
		}
		n = max(n, int(hi)+1)
	}
	return n, nil
}
