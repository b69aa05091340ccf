//go:build linux

package host

import (
	"fmt"
	"os"
)

// NumPossibleCPUs is how many CPUs the system may ever have online: the number
// of values in an entry of a per-CPU map.
func NumPossibleCPUs() (int, error) {
	b, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		return 0, fmt.Errorf("count possible CPUs: %w", err)
	}
	return parseCPUList(string(b))
}
