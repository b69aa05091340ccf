package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// regsAt is the address that programs see of struct pt_regs, which is what
// ReadKernel knows.
const (
	regsAt   = 0xffff_8000_0000_0000
	regsSize = 21 * 8
)

// thread is a thread that is traced, and vm.Task for programs. It belongs to the
// tracer's thread.
type thread struct {
	t     *tracer
	tid   int
	space *space
	// stopped says that it stands still and may be told to go on.
	stopped bool
	// inCall: its next stop at a system call is that call's end.
	inCall bool
	nr     int
	// queued: what it stopped for is still to be looked at.
	queued bool
	// held is a signal that waits for a step to end.
	held int
	// parting is the signal to let go with.
	parting int
	// returns are the calls under way of functions whose return is wanted.
	returns []pendingReturn

	regs     unix.PtraceRegs
	haveRegs bool
	funcIP   uint64

	comm    *os.File
	commBuf [16]byte
	ids     uint64
	haveIDs bool
}

func (th *thread) PIDTGID() uint64 { return uint64(th.space.pid)<<32 | uint64(th.tid) }

func (th *thread) FuncIP() uint64 { return th.funcIP }

// Comm is read anew each time: a process may change it.
func (th *thread) Comm() string {
	if th.comm == nil {
		f, err := os.Open(fmt.Sprintf("/proc/%d/task/%d/comm", th.space.pid, th.tid))
		if err != nil {
			return ""
		}
		th.comm = f
	}
	n, _ := unix.Pread(int(th.comm.Fd()), th.commBuf[:], 0)
	b := bytes.TrimSuffix(th.commBuf[:max(n, 0)], []byte("\n"))
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (th *thread) UIDGID() uint64 {
	if !th.haveIDs {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", th.tid))
		id := func(name string) uint64 {
			_, rest, _ := bytes.Cut(b, []byte("\n"+name+":\t"))
			text, _, _ := bytes.Cut(rest, []byte("\t"))
			n, _ := strconv.ParseUint(string(text), 10, 32)
			return n
		}
		th.ids, th.haveIDs = id("Gid")<<32|id("Uid"), len(b) > 0
	}
	return th.ids
}

const pageSize = 4096

// ReadUser reads up to the first page that is not there.
func (th *thread) ReadUser(addr uint64, dst []byte) int {
	var remote [8]unix.RemoteIovec
	done := 0
	for done < len(dst) {
		n, want := 0, 0
		for at := addr + uint64(done); n < len(remote) && done+want < len(dst); n++ {
			size := min(pageSize-int(at%pageSize), len(dst)-done-want)
			remote[n] = unix.RemoteIovec{Base: uintptr(at), Len: size}
			at += uint64(size)
			want += size
		}
		local := [1]unix.Iovec{{Base: &dst[done], Len: uint64(want)}}
		got, _, e := syscall.Syscall6(unix.SYS_PROCESS_VM_READV, uintptr(th.tid), uintptr(unsafe.Pointer(&local)), 1,
			uintptr(unsafe.Pointer(&remote)), uintptr(n), 0)
		if e != 0 {
			break
		}
		done += int(got)
		if int(got) < want {
			break
		}
	}
	return done
}

// ReadKernel knows the registers.
func (th *thread) ReadKernel(addr uint64, dst []byte) int {
	off := addr - regsAt
	if off >= regsSize || uint64(len(dst)) > regsSize-off || !th.loadRegs() {
		return 0
	}
	return copy(dst, th.regBytes()[off:])
}

func (th *thread) regBytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&th.regs)), regsSize)
}

func (th *thread) loadRegs() bool {
	if !th.haveRegs {
		th.haveRegs = unix.PtraceGetRegs(th.tid, &th.regs) == nil
	}
	return th.haveRegs
}

func (th *thread) storeRegs() { unix.PtraceSetRegs(th.tid, &th.regs) }

// Signal sends at once; a thread that stands still has it delivered when it
// goes on.
func (th *thread) Signal(sig int, thread bool) syscall.Errno {
	err := unix.Kill(th.space.pid, syscall.Signal(sig))
	if thread {
		err = unix.Tgkill(th.space.pid, th.tid, syscall.Signal(sig))
	}
	e, _ := err.(syscall.Errno)
	return e
}

// run runs hooks with a context.
func (th *thread) run(list []*hook, ctx []byte) {
	for _, h := range list {
		if h.gone.Load() {
			continue
		}
		if _, err := h.prog.RunTask(th, h.cookie, ctx); err != nil {
			th.t.report(err)
		}
	}
}

func (th *thread) forget() {
	if th.comm != nil {
		th.comm.Close()
		th.comm = nil
	}
	th.haveIDs = false
}
