//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"math"
	"runtime"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

const noUprobes = "a kernel with CONFIG_UPROBES"

// attachUprobe attaches to a place in a file (event source since Linux 4.17).
func attachUprobe(p *Program, t engine.Uprobe) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Kprobe); err != nil {
		return nil, err
	}
	at, err := resolvePlace(t.Path, t.Symbol, t.Address, t.Offset)
	if err != nil {
		return nil, attachError(p, t, err, "")
	}
	l, err := uprobeAt(p, t, uprobePlace{path: t.Path, offset: at, refCtr: t.RefCtrOffset, ret: t.Return, pid: t.PID, cookie: t.Cookie})
	if err != nil {
		return nil, attachError(p, t, err, noUprobes, capPerfmon, capBPF)
	}
	return l, nil
}

// uprobePlace is one resolved place.
type uprobePlace struct {
	path           string
	offset, refCtr uint64
	ret            bool
	pid            int
	cookie         uint64
}

// refCtrShift is where in config the semaphore's offset stands
// (kernel/events/core.c, PERF_UPROBE_REF_CTR_OFFSET_SHIFT).
const refCtrShift = 32

func uprobeAt(p *Program, t engine.Target, at uprobePlace) (engine.Link, error) {
	typ, bit, err := perfSource("uprobe")
	if err != nil {
		return nil, err
	}
	if at.refCtr > math.MaxUint32 {
		return nil, fmt.Errorf("semaphore at %#x: its offset must fit 32 bits: %w", at.refCtr, unix.EINVAL)
	}
	path, err := stringPtr(at.path)
	if err != nil {
		return nil, err
	}
	attr := probeAttr{typ: typ, config: at.refCtr << refCtrShift, config1: path, config2: at.offset}
	if at.ret {
		attr.config |= 1 << bit
	}
	pid, cpu, err := eventScope(at.pid)
	if err != nil {
		return nil, err
	}
	event, err := perfEventOpen(&attr, pid, cpu)
	runtime.KeepAlive(path)
	if errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("process %d: %w", at.pid, err)
	}
	if err != nil {
		return nil, err
	}
	return perfLink(p, t, event, at.cookie)
}

// eventScope is the process and CPU of a probe's event: probes of all processes
// hit on every CPU whichever the event is on.
func eventScope(pid int) (int, int, error) {
	switch {
	case pid < 0:
		return 0, 0, fmt.Errorf("process %d: %w", pid, unix.EINVAL)
	case pid == 0:
		return -1, 0, nil
	}
	return pid, -1, nil
}

// attachUprobeMulti attaches to many places of one file through one link (Linux
// 6.6; sessions 6.13).
func attachUprobeMulti(p *Program, t engine.UprobeMulti) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Kprobe); err != nil {
		return nil, err
	}
	places, err := resolvePlaces(t)
	if err != nil {
		return nil, attachError(p, t, err, "")
	}
	if t.PID < 0 {
		return nil, fmt.Errorf("attach program %s to %s: process %d: %w", p.info.Name, t, t.PID, unix.EINVAL)
	}
	return uprobeMultiLink(p, t, uprobeSet{
		path: t.Path, offsets: places, refCtrs: t.RefCtrOffsets, cookies: t.Cookies, ret: t.Return, session: t.Session, pid: t.PID,
	})
}

// uprobeSet is many resolved places of one file.
type uprobeSet struct {
	path                      string
	offsets, refCtrs, cookies []uint64
	ret, session              bool
	pid                       int
}

func uprobeMultiLink(p *Program, t engine.Target, s uprobeSet) (engine.Link, error) {
	path, err := stringPtr(s.path)
	if err != nil {
		return nil, attachError(p, t, err, "")
	}
	const uprobeSession = 57 // BPF_TRACE_UPROBE_SESSION
	attr := linkUprobeMulti{
		linkHead: linkHead{attachType: uint32(ebpf.AttachTraceUprobeMulti)},
		path:     path, offsets: slicePtr(s.offsets), refCtrs: slicePtr(s.refCtrs), cookies: slicePtr(s.cookies),
		count: uint32(len(s.offsets)), pid: uint32(s.pid),
	}
	if s.session {
		attr.attachType = uprobeSession
	}
	if s.ret {
		attr.multiFlags = multiReturn
	}
	fd, err := createLink(p, &attr, &attr.linkHead)
	runtime.KeepAlive(s)
	if err != nil {
		if isInvalid(err) && !kernelVersion().atLeast(6, 6) {
			err = notSupported("attach uprobe_multi", "this kernel has no links to many places", "Linux 6.6 brought them", err)
		}
		return nil, attachError(p, t, err, "the program must be loaded with the attach type uprobe.multi or uprobe.session", capPerfmon, capBPF)
	}
	return newLink(t, fd, true), nil
}

// resolvePlaces are the offsets in the file of all places.
func resolvePlaces(t engine.UprobeMulti) ([]uint64, error) {
	n := max(len(t.Symbols), len(t.Addresses))
	for what, have := range map[string]int{
		"symbols": len(t.Symbols), "addresses": len(t.Addresses), "offsets": len(t.Offsets),
		"semaphores": len(t.RefCtrOffsets), "cookies": len(t.Cookies),
	} {
		if have != 0 && have != n {
			return nil, fmt.Errorf("%d %s for %d places: %w", have, what, n, unix.EINVAL)
		}
	}
	if n == 0 {
		return nil, fmt.Errorf("no places given: %w", unix.EINVAL)
	}
	syms, err := openSymbols(t.Path)
	if err != nil {
		return nil, err
	}
	defer syms.close()
	out := make([]uint64, n)
	for i := range out {
		out[i], err = syms.place(pick(t.Symbols, i), pick(t.Addresses, i), pick(t.Offsets, i))
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pick is s[i], or nothing if s is empty.
func pick[T any](s []T, i int) (v T) {
	if i < len(s) {
		v = s[i]
	}
	return v
}
