//go:build linux

package kernel

import (
	"fmt"
	"io"

	"github.com/cilium/ebpf"
)

// EnableStats makes the kernel count runs and run time of all programs until
// the returned closer is closed (Linux 5.8). It costs every run some 20 ns.
func EnableStats() (io.Closer, error) {
	const runTime = 0 // BPF_STATS_RUN_TIME
	c, err := ebpf.EnableStats(runTime)
	switch {
	case err == nil:
		return c, nil
	case isPermission(err):
		return nil, permission("enable statistics", err, capSysAdmin)
	case isUnsupported(err), isInvalid(err):
		return nil, notSupported("run statistics", "this kernel counts only with sysctl kernel.bpf_stats_enabled", "Linux 5.8 brought the call", err)
	}
	return nil, fmt.Errorf("enable statistics: %w", err)
}
