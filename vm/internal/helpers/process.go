package helpers

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// Programs run for a task that is traced, or else in this process: that is the
// current task then.
var taskTable = table{
	abi.FnGetCurrentPidTgid: func(t *interp.Thread) uint64 {
		if t.Task != nil {
			return t.Task.PIDTGID()
		}
		return processID<<32 | processID
	},
	abi.FnGetCurrentUidGid: func(t *interp.Thread) uint64 {
		if t.Task != nil {
			return t.Task.UIDGID()
		}
		return uint64(uint32(groupID))<<32 | uint64(uint32(userID))
	},
	abi.FnGetCurrentComm:             currentComm,
	abi.FnGetCurrentCgroupId:         func(*interp.Thread) uint64 { return CgroupID() },
	abi.FnGetCurrentAncestorCgroupId: ancestorCgroup,
	abi.FnCurrentTaskUnderCgroup:     underCgroup,
	abi.FnGetCurrentTask:             func(t *interp.Thread) uint64 { return t.Env.Task() },
	abi.FnGetCurrentTaskBtf:          func(t *interp.Thread) uint64 { return t.Env.Task() },
	abi.FnTaskPtRegs:                 taskRegisters,
	abi.FnGetNsCurrentPidTgid:        namespacePid,
	abi.FnGetCgroupClassid:           func(*interp.Thread) uint64 { return 0 },
}

// CgroupID is the number of this process's cgroup.
func CgroupID() uint64 {
	path := cgroupPath()
	return path[len(path)-1]
}

var (
	processID = uint64(os.Getpid())
	userID    = os.Getuid()
	groupID   = os.Getgid()
	command   = filepath.Base(os.Args[0])
)

func currentComm(t *interp.Thread) uint64 {
	size := uint64(uint32(t.R[2]))
	if size == 0 {
		return fail(syscall.EINVAL)
	}
	buf := t.Write(t.R[1], size)
	if buf == nil {
		return 0
	}
	clear(buf)
	name := command[:min(len(command), 15)]
	if t.Task != nil {
		name = t.Task.Comm()
	}
	copy(buf[:size-1], name)
	return 0
}

// ancestorCgroup counts levels from the root down.
func ancestorCgroup(t *interp.Thread) uint64 {
	if path := cgroupPath(); int64(int32(t.R[1])) >= 0 && uint64(uint32(t.R[1])) < uint64(len(path)) {
		return path[uint32(t.R[1])]
	}
	return 0
}

func underCgroup(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	if m.Cgroups == nil {
		t.Fail("map %s is a %s, not a cgroup array", m.Name, m.Type)
		return 0
	}
	id, ok := m.Cgroups.Cgroup(uint32(t.R[2]))
	switch {
	case !ok:
		return fail(syscall.E2BIG)
	case id == 0:
		return fail(syscall.EAGAIN)
	}
	for _, c := range cgroupPath() {
		if c == id {
			return 1
		}
	}
	return 0
}

// taskRegisters: the process has no registers of a user to show. They read as
// zeroes, as those of a kernel thread.
func taskRegisters(t *interp.Thread) uint64 {
	if t.R[1] != t.Env.Task() {
		return 0
	}
	return t.Env.Registers()
}

// namespacePid answers for the namespace of processes that this one is in.
func namespacePid(t *interp.Thread) uint64 {
	size := uint64(uint32(t.R[4]))
	buf := t.Write(t.R[3], size)
	if buf == nil {
		return 0
	}
	clear(buf)
	const pidNsInfo = 8 // sizeof(struct bpf_pidns_info)
	dev, ino := pidNamespace()
	if size != pidNsInfo || t.R[1] != dev || t.R[2] != ino {
		return fail(syscall.EINVAL)
	}
	binary.NativeEndian.PutUint32(buf, uint32(processID))
	binary.NativeEndian.PutUint32(buf[4:], uint32(processID))
	return 0
}

// What probes ask about where they stand. Their context is memory: the
// registers as struct pt_regs.
var probeContextTable = table{
	abi.FnGetFuncIp:       functionAddress,
	abi.FnGetAttachCookie: func(t *interp.Thread) uint64 { return t.Cookie },
	abi.FnOverrideReturn:  overrideReturn,
}

// register is a field of the registers in the context.
func register(t *interp.Thread, name string, write bool) []byte {
	if !t.IsContext(t.R[1]) {
		t.Fail("argument 1 is not the context")
		return nil
	}
	s := abi.ContextOf(abi.ProgKprobe, 0, runtime.GOARCH)
	if s == nil {
		t.Fail("the registers of %s are not known", runtime.GOARCH)
		return nil
	}
	at := t.R[1] + uint64(s.Field(name).Offset)
	if write {
		return t.Write(at, 8)
	}
	return t.Read(at, 8)
}

var pcName, resultName = registerNames()

func registerNames() (pc, result string) {
	if runtime.GOARCH == "arm64" {
		return "pc", "regs"
	}
	return "rip", "rax"
}

// functionAddress is where the registers say that the program was entered; for
// programs that are not probes it is not known.
func functionAddress(t *interp.Thread) uint64 {
	if t.Program().Type != abi.ProgKprobe {
		return 0
	}
	if t.Task != nil {
		return t.Task.FuncIP()
	}
	if b := register(t, pcName, false); b != nil {
		return binary.NativeEndian.Uint64(b)
	}
	return 0
}

// overrideReturn leaves the result in the registers, where whoever runs the
// program finds it.
func overrideReturn(t *interp.Thread) uint64 {
	if b := register(t, resultName, true); b != nil {
		putUint64(b, t.R[2])
	}
	return 0
}
