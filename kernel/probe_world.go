//go:build linux

package kernel

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// probeDevices are the ends of the pair in a probe's network namespace.
const (
	probeDevice = "skep0"
	probePeer   = "skep1"
)

// inProbeNetNS calls f on a thread in a new network namespace that has a pair
// of devices. The thread ends with f, and the namespace with the thread.
func inProbeNetNS(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread must not be used again
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				if isPermission(err) {
					return permission("make a network namespace to try in", err, capSysAdmin)
				}
				return notSupported("network namespaces", "the kernel cannot make one to try in", "CONFIG_NET_NS", err)
			}
			veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: probeDevice}, PeerName: probePeer}
			if err := netlink.LinkAdd(veth); err != nil {
				return notSupported("veth devices", "the kernel cannot make a pair to try on", "CONFIG_VETH, or modprobe veth", err)
			}
			for _, name := range []string{probeDevice, probePeer} {
				l, err := netlink.LinkByName(name)
				if err == nil {
					err = netlink.LinkSetUp(l)
				}
				if err != nil {
					return fmt.Errorf("set up %s: %w", name, err)
				}
			}
			return f()
		}()
	}()
	return <-done
}
