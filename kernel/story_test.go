//go:build linux

package kernel

import (
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/engine/enginetest"
)

// The kernel tells the whole behaviour story: expectations were taken from it.
func TestStory(t *testing.T) {
	enginetest.Run(t, newEngine(t), enginetest.Options{Device: storyDevice, PinDir: bpfFS, Skip: apart})
}

// apart are the stories of objects that a map's value owns, or whose list or lock
// lies in a data section: cilium/ebpf gives each map and each program types of
// its own, and Linux takes two types for one only if they come from one load.
// bpftool, which loads as libbpf does, got from Linux 6.18 what the stories say.
var apart = func() map[string]string {
	out := map[string]string{}
	for _, s := range []string{"lists", "list-ends", "trees", "tree-shape", "list-and-tree", "fields", "percpu-object"} {
		out["objects/"+s] = "the kernel engine's library loads maps and programs with types of their own"
	}
	for _, s := range []string{"pages", "reserved-pages", "arena-list"} {
		out["arena/"+s] = "the kernel engine's library does not encode casts of addresses"
	}
	return out
}()

// storyDevice is one end of a veth pair; frames arrive at it when they are
// sent from the other.
func storyDevice(t *testing.T) enginetest.Device {
	t.Helper()
	ns := netNS(t)
	var fd int
	err := inNetNS(ns, func() error {
		l, err := netlink.LinkByName("va")
		if err != nil {
			return err
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return enginetest.Device{
		Target: engine.Device{Name: "vb", NetNS: ns},
		Receive: func(frame []byte) error {
			for {
				// A frame for which a queue has no room is dropped there and
				// then, and the error says so.
				if err := unix.Send(fd, frame, 0); err != unix.ENOBUFS {
					return err
				}
				time.Sleep(time.Millisecond)
			}
		},
	}
}
