//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// netNSDir is where iproute2 keeps named network namespaces.
const netNSDir = "/run/netns"

// openNetNS opens a network namespace: a path, a name under /run/netns, or ""
// for that of the calling thread.
func openNetNS(ns string) (*os.File, error) {
	path := ns
	switch {
	case ns == "":
		path = "/proc/thread-self/ns/net"
	case !strings.Contains(ns, "/"):
		path = filepath.Join(netNSDir, ns)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", ns, err)
	}
	return f, nil
}

// inNetNS calls f inside a network namespace, on a thread that no other
// goroutine runs on meanwhile. A thread that cannot be brought back ends with
// its goroutine.
func inNetNS(ns string, f func() error) error {
	if ns == "" {
		return f()
	}
	target, err := openNetNS(ns)
	if err != nil {
		return err
	}
	defer target.Close()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := openNetNS("")
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			done <- netNSError(ns, err)
			return
		}
		err = f()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

func netNSError(ns string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return permission("enter network namespace "+ns, err, capSysAdmin)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("enter network namespace %s: the file is not a network namespace: %w", ns, err)
	}
	return fmt.Errorf("enter network namespace %s: %w", ns, err)
}

// onDevice calls f with the index and name of d, inside d's network namespace.
func onDevice(d engine.Device, f func(index int, name string) error) error {
	return inNetNS(d.NetNS, func() error {
		index, name, err := resolveDevice(d)
		if err != nil {
			return err
		}
		return f(index, name)
	})
}

// resolveDevice asks the kernel for d in the thread's network namespace.
func resolveDevice(d engine.Device) (int, string, error) {
	var ifc *net.Interface
	var err error
	switch {
	case d.Name != "":
		ifc, err = net.InterfaceByName(d.Name)
	case d.Index > 0:
		ifc, err = net.InterfaceByIndex(d.Index)
	default:
		return 0, "", fmt.Errorf("device has neither name nor index: %w", unix.EINVAL)
	}
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return 0, "", fmt.Errorf("device %s: %w (%w)", d, engine.ErrNotExist, err)
	}
	return ifc.Index, ifc.Name, nil
}
