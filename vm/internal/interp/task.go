package interp

import "syscall"

// Task is the thread of a process that a tracing program runs for. Methods are
// called from within the run.
type Task interface {
	// PIDTGID and UIDGID are what bpf_get_current_pid_tgid and
	// bpf_get_current_uid_gid return.
	PIDTGID() uint64
	UIDGID() uint64
	// Comm is its name, at most 15 bytes.
	Comm() string
	// ReadUser reads its memory and returns how many bytes it could; ReadKernel
	// reads what stands for the kernel's.
	ReadUser(addr uint64, dst []byte) int
	ReadKernel(addr uint64, dst []byte) int
	// FuncIP is the address of the probe.
	FuncIP() uint64
	// Signal sends it a signal, when the run is over: to the thread alone, or to
	// the process.
	Signal(sig int, thread bool) syscall.Errno
}
