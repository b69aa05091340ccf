package helpers

import (
	"bytes"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// Programs read the memory of the world around them with these: their own, and
// that of the task they run for. Everything else is a bad address.
var probeTable = table{
	abi.FnProbeRead:          probeRead,
	abi.FnProbeReadKernel:    probeRead,
	abi.FnProbeReadUser:      probeReadUser,
	abi.FnCopyFromUser:       probeReadUser,
	abi.FnProbeReadStr:       probeReadStr,
	abi.FnProbeReadKernelStr: probeReadStr,
	abi.FnProbeReadUserStr:   probeReadUserStr,
	abi.FnCopyFromUserTask:   probeReadUser,
}

// signalTable is for programs that may run for a task.
var signalTable = table{
	abi.FnSendSignal:       func(t *interp.Thread) uint64 { return sendSignal(t, false) },
	abi.FnSendSignalThread: func(t *interp.Thread) uint64 { return sendSignal(t, true) },
}

func sendSignal(t *interp.Thread, thread bool) uint64 {
	if t.Task == nil {
		return fail(syscall.ESRCH)
	}
	return result(t.Task.Signal(int(uint32(t.R[1])), thread))
}

func probeRead(t *interp.Thread) uint64 {
	size := uint64(uint32(t.R[2]))
	dst := t.Write(t.R[1], size)
	if dst == nil {
		return 0
	}
	if src, ok := t.Probe(t.R[3], size, false); ok {
		copy(dst, src)
		return 0
	}
	if t.Task != nil && t.Task.ReadKernel(t.R[3], dst) == len(dst) {
		return 0
	}
	clear(dst)
	return fail(syscall.EFAULT)
}

func probeReadUser(t *interp.Thread) uint64 {
	if t.Task == nil {
		return probeRead(t)
	}
	dst := t.Write(t.R[1], uint64(uint32(t.R[2])))
	if dst == nil {
		return 0
	}
	if t.Task.ReadUser(t.R[3], dst) == len(dst) {
		return 0
	}
	clear(dst)
	return fail(syscall.EFAULT)
}

func probeReadStr(t *interp.Thread) uint64 {
	size := uint64(uint32(t.R[2]))
	dst := t.Write(t.R[1], size)
	if dst == nil || size == 0 {
		return 0
	}
	for i := range size {
		c, ok := t.Probe(t.R[3]+i, 1, false)
		if !ok {
			clear(dst)
			return fail(syscall.EFAULT)
		}
		dst[i] = c[0]
		if c[0] == 0 {
			return i + 1
		}
	}
	dst[size-1] = 0
	return size
}

func probeReadUserStr(t *interp.Thread) uint64 {
	if t.Task == nil {
		return probeReadStr(t)
	}
	dst := t.Write(t.R[1], uint64(uint32(t.R[2])))
	if len(dst) == 0 {
		return 0
	}
	n := t.Task.ReadUser(t.R[3], dst)
	if i := bytes.IndexByte(dst[:n], 0); i >= 0 {
		clear(dst[i:])
		return uint64(i + 1)
	}
	if n < len(dst) {
		clear(dst)
		return fail(syscall.EFAULT)
	}
	dst[n-1] = 0
	return uint64(n)
}
