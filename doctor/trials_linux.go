package doctor

import (
	"errors"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// stopped starts this executable in the way attr says, traced by this thread,
// so that it is stopped before its first instruction, and ends it there. It
// tells whether Linux allows such a start.
func stopped(attr *syscall.SysProcAttr) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr.Ptrace = true
	attr.Pdeathsig = syscall.SIGKILL
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"skep", "version"}, &syscall.ProcAttr{
		Env: []string{}, Files: []uintptr{}, Sys: attr,
	})
	if err != nil {
		return err
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(pid, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		case status.Exited() || status.Signaled():
			return nil
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// ptrace tries to trace a child.
func ptrace() Fact {
	f := Fact{Name: "ptrace", Value: "works for child processes"}
	if err := stopped(&syscall.SysProcAttr{}); err != nil {
		f.Value, f.Missing = "refused: "+err.Error(), true
		f.Gives = "looking into processes without eBPF in the kernel"
		f.Remedy = "docker: --cap-add SYS_PTRACE; a seccomp profile or security module that allows it"
		return f
	}
	switch readFile("/proc/sys/kernel/yama/ptrace_scope") {
	case "0", "":
		f.Value = "works for one's own processes"
	case "3":
		f.Value += ", attaching is switched off (kernel.yama.ptrace_scope = 3)"
	default:
		if os.Geteuid() == 0 {
			f.Value = "works for processes of all users"
		}
	}
	return f
}

// namespaces tries to make a network namespace, as an ordinary user inside a
// user namespace.
func namespaces() Fact {
	f := Fact{Name: "network namespaces", Value: "can be made"}
	if stopped(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}) == nil {
		return f
	}
	err := stopped(&syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
	if err == nil {
		f.Value = "can be made inside user namespaces, where programs cannot be loaded"
	} else {
		f.Value = "refused: " + err.Error()
	}
	f.Missing = true
	f.Gives = "labs in the kernel world"
	f.Remedy = "run as root or with CAP_SYS_ADMIN; labs work in the embedded world"
	return f
}
