package corpus

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// dropped are the capabilities that the unprivileged mode lacks.
func dropped() map[string]uint {
	return map[string]uint{
		"CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN,
		"CAP_PERFMON": unix.CAP_PERFMON, "CAP_BPF": unix.CAP_BPF,
	}
}

// WithoutPrivileges calls f on a thread that lacks the capabilities of BPF
// (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF), but for those kept, and has
// them again afterwards.
func WithoutPrivileges(kept []string, f func()) error {
	b, err := os.ReadFile("/proc/sys/kernel/unprivileged_bpf_disabled")
	if err != nil {
		return err
	}
	if v := strings.TrimSpace(string(b)); v != "0" && !keeps(kept, "CAP_BPF") {
		return fmt.Errorf("kernel.unprivileged_bpf_disabled is %s", v)
	}
	runtime.LockOSThread()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var old, low [2]unix.CapUserData
	if err := unix.Capget(&hdr, &old[0]); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("read capabilities: %w", err)
	}
	low = old
	for name, bit := range dropped() {
		if !keeps(kept, name) {
			low[bit/32].Effective &^= 1 << (bit % 32)
		}
	}
	if err := unix.Capset(&hdr, &low[0]); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("drop capabilities: %w", err)
	}
	defer func() {
		// A thread that cannot get them back stays locked, and ends with its goroutine.
		if err := unix.Capset(&hdr, &old[0]); err == nil {
			runtime.UnlockOSThread()
		}
	}()
	f()
	return nil
}

// KernelRelease is the running kernel's, as uname -r says it.
func KernelRelease() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", errors.Join(errors.New("corpus: uname"), err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// AllowUnprivileged lets programs be loaded without privileges on this machine.
// It is for machines that are made for tests.
func AllowUnprivileged() error {
	if err := os.WriteFile("/proc/sys/kernel/unprivileged_bpf_disabled", []byte("0"), 0o644); err != nil {
		return fmt.Errorf("corpus: allow programs without privileges: %w", err)
	}
	return nil
}
