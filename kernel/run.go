//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// runRoom is what a packet may grow by in a test run before the kernel's
// answer no longer fits: a page, which is what the kernel's own packet has.
const runRoom = 4096

// Run runs the program once or repeatedly with BPF_PROG_TEST_RUN.
func (p *Program) Run(in *engine.RunInput) (engine.RunResult, error) {
	if in == nil {
		in = &engine.RunInput{}
	}
	if in.Repeat < 0 || uint64(in.Repeat) > 1<<32-1 {
		return engine.RunResult{}, fmt.Errorf("run program %s: repeat %d: %w", p.info.Name, in.Repeat, unix.EINVAL)
	}
	var res engine.RunResult
	err := p.withFD(func(fd int) (err error) {
		res, err = p.run(fd, in)
		return err
	})
	if err != nil {
		return engine.RunResult{}, p.runError(err)
	}
	return res, nil
}

// returnsPacket: the program types whose test run gives a packet back.
func returnsPacket(t ebpf.ProgramType) bool {
	switch t {
	case ebpf.XDP, ebpf.SchedCLS, ebpf.SchedACT, ebpf.SocketFilter, ebpf.CGroupSKB,
		ebpf.LWTIn, ebpf.LWTOut, ebpf.LWTXmit, ebpf.LWTSeg6Local, ebpf.FlowDissector:
		return true
	}
	return false
}

// liveFrames is BPF_F_TEST_XDP_LIVE_FRAMES, which excludes any output.
const liveFrames = 1 << 1

func (p *Program) run(fd int, in *engine.RunInput) (engine.RunResult, error) {
	attr := testRunAttr{program: uint32(fd), flags: in.Flags, cpu: in.CPU}
	if in.Repeat > 1 { // types that run once only insist on a zero here
		attr.repeat = uint32(in.Repeat)
	}
	attr.dataIn, attr.dataSizeIn = bytesPtr(in.Data), uint32(len(in.Data))

	var out []byte
	if !in.NoDataOut && in.Flags&liveFrames == 0 && returnsPacket(p.info.Type) {
		out = in.DataOut[:cap(in.DataOut)]
		if len(out) == 0 {
			out = make([]byte, len(in.Data)+runRoom)
		}
		attr.dataOut, attr.dataSize = bytesPtr(out), uint32(len(out))
	}

	ctxIn, ctxOut := p.contexts(in)
	attr.ctxIn, attr.ctxSizeIn = bytesPtr(ctxIn), uint32(len(ctxIn))
	if p.info.Type != ebpf.Syscall { // whose argument is written back in place
		attr.ctxOut, attr.ctxSizeOut = bytesPtr(ctxOut), uint32(len(ctxOut))
	}

	_, err := bpfCall(cmdProgTestRun, &attr)
	runtime.KeepAlive(in)
	runtime.KeepAlive(out)
	runtime.KeepAlive(ctxIn)
	runtime.KeepAlive(ctxOut)
	if err != nil {
		return engine.RunResult{}, err
	}
	res := engine.RunResult{Return: attr.retval, Duration: time.Duration(attr.duration)}
	if len(out) > 0 {
		res.Data = out[:min(int(attr.dataSize), len(out))]
	}
	if in.WantContext {
		res.Context = ctxOut
		if p.info.Type != ebpf.Syscall {
			res.Context = ctxOut[:min(int(attr.ctxSizeOut), len(ctxOut))]
		}
	}
	return res, nil
}

// contexts returns copies of the context to hand in and to be filled. A
// program's own type decides what is possible; the kernel says so.
func (p *Program) contexts(in *engine.RunInput) (ctxIn, ctxOut []byte) {
	ctxIn = in.Context
	if !in.WantContext {
		return ctxIn, nil
	}
	if p.info.Type == ebpf.Syscall {
		ctxIn = append([]byte(nil), in.Context...)
		return ctxIn, ctxIn
	}
	n := len(in.Context)
	if n == 0 {
		n = contextSize(p.info.Type)
		// Asking for a context without giving one is refused for XDP.
		if p.info.Type == ebpf.XDP {
			ctxIn = xdpContext(len(in.Data))
		}
	}
	return ctxIn, make([]byte, n)
}

// Sizes of struct xdp_md and struct __sk_buff in Linux 6.18.
const (
	xdpMDSize = 24
	skBuffLen = 192
)

// xdpContext is a struct xdp_md for a packet of n bytes without metadata.
func xdpContext(n int) []byte {
	b := make([]byte, xdpMDSize)
	binary.NativeEndian.PutUint32(b[4:], uint32(n)) // data_end
	return b
}

func contextSize(t ebpf.ProgramType) int {
	if t == ebpf.XDP {
		return xdpMDSize
	}
	return skBuffLen
}

// runError words what a test run came to.
func (p *Program) runError(err error) error {
	what := "run program " + p.info.Name
	switch {
	case isUnsupported(err):
		return notSupported("test run of "+p.info.Type.String()+" programs",
			"this kernel cannot run them without attaching", "", err)
	case isPermission(err):
		return permission(what, err, capBPF, capNetAdmin)
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%s: the packet afterwards does not fit DataOut: %w", what, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s: the kernel refuses this input (a packet needs 14 bytes at least, a context its type's fields): %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
