//go:build linux

package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// capability is a number of capabilities(7).
type capability uint

const (
	capNetAdmin capability = unix.CAP_NET_ADMIN
	capSysAdmin capability = unix.CAP_SYS_ADMIN
	capPerfmon  capability = unix.CAP_PERFMON
	capBPF      capability = unix.CAP_BPF
	capSyslog   capability = unix.CAP_SYSLOG
)

func (c capability) String() string {
	switch c {
	case capNetAdmin:
		return "CAP_NET_ADMIN"
	case capSysAdmin:
		return "CAP_SYS_ADMIN"
	case capPerfmon:
		return "CAP_PERFMON"
	case capBPF:
		return "CAP_BPF"
	case capSyslog:
		return "CAP_SYSLOG"
	}
	return fmt.Sprintf("capability %d", uint(c))
}

// capabilities is a set of them.
type capabilities uint64

// has says whether c is there. CAP_SYS_ADMIN stands for CAP_BPF and
// CAP_PERFMON, as in Linux 5.8 and later.
func (s capabilities) has(c capability) bool {
	if s&(1<<c) != 0 {
		return true
	}
	return (c == capBPF || c == capPerfmon) && s&(1<<capSysAdmin) != 0
}

// hasAll says whether all of list are there.
func (s capabilities) hasAll(list []capability) bool {
	for _, c := range list {
		if !s.has(c) {
			return false
		}
	}
	return true
}

// effectiveCapabilities are those of the calling thread; none if unreadable.
func effectiveCapabilities() capabilities {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return 0
	}
	return capabilities(data[1].Effective)<<32 | capabilities(data[0].Effective)
}
