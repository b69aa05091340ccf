//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// noKprobes is the remedy for kernels built without.
const noKprobes = "a kernel with CONFIG_KPROBES (make test-vm runs such ones); raw tracepoints work without"

// attachKprobe attaches to the entry or return of a kernel function (event
// source since Linux 4.17).
func attachKprobe(p *Program, t engine.Kprobe) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Kprobe); err != nil {
		return nil, err
	}
	if t.Symbol == "" {
		return nil, fmt.Errorf("attach program %s: the kernel function has no name: %w", p.info.Name, unix.EINVAL)
	}
	if t.Return && t.Offset != 0 {
		return nil, fmt.Errorf("attach program %s to %s: a return has no offset: %w", p.info.Name, t, unix.EINVAL)
	}
	typ, bit, err := perfSource("kprobe")
	if err != nil {
		return nil, attachError(p, t, err, noKprobes)
	}
	name, err := stringPtr(t.Symbol)
	if err != nil {
		return nil, attachError(p, t, err, "")
	}
	attr := probeAttr{typ: typ, config1: name, config2: t.Offset}
	if t.Return {
		attr.config |= 1 << bit
	}
	event, err := perfEventOpen(&attr, -1, 0)
	runtime.KeepAlive(name)
	if err != nil {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENXIO) {
			return nil, fmt.Errorf("attach program %s to %s: the kernel has no such function, or it must not be probed: %w", p.info.Name, t, errors.Join(engine.ErrNotExist, err))
		}
		return nil, attachError(p, t, err, "the place must be the beginning of an instruction", capPerfmon)
	}
	l, err := perfLink(p, t, event, t.Cookie)
	if err != nil {
		return nil, attachError(p, t, err, "cookies need Linux 5.15", capPerfmon, capBPF)
	}
	return l, nil
}

// Flags of kprobe_multi and uprobe_multi links.
const multiReturn = 1

// attachKprobeMulti attaches to many kernel functions through one link (Linux
// 5.18; sessions 6.10).
func attachKprobeMulti(p *Program, t engine.KprobeMulti) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Kprobe); err != nil {
		return nil, err
	}
	n := len(t.Symbols) + len(t.Addresses)
	if n == 0 || len(t.Symbols) > 0 && len(t.Addresses) > 0 {
		return nil, fmt.Errorf("attach program %s: give symbols or addresses: %w", p.info.Name, unix.EINVAL)
	}
	if len(t.Cookies) > 0 && len(t.Cookies) != n {
		return nil, fmt.Errorf("attach program %s: %d cookies for %d functions: %w", p.info.Name, len(t.Cookies), n, unix.EINVAL)
	}
	attr := linkKprobeMulti{linkHead: linkHead{attachType: uint32(ebpf.AttachTraceKprobeMulti)}, count: uint32(n)}
	if t.Session {
		attr.attachType = uint32(ebpf.AttachTraceKprobeSession)
	}
	if t.Return {
		attr.multiFlags = multiReturn
	}
	var err error
	if len(t.Symbols) > 0 {
		if attr.symbols, err = stringsPtr(t.Symbols); err != nil {
			return nil, attachError(p, t, err, "")
		}
	}
	attr.addrs, attr.cookies = slicePtr(t.Addresses), slicePtr(t.Cookies)
	fd, err := createLink(p, &attr, &attr.linkHead)
	runtime.KeepAlive(t)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("attach program %s: the kernel lacks one of %s, or it cannot be probed this way: %w",
			p.info.Name, some(t.Symbols), errors.Join(engine.ErrNotExist, err))
	}
	if err != nil {
		switch {
		case isInvalid(err) && !kernelVersion().atLeast(5, 18):
			err = notSupported("attach kprobe_multi", "this kernel has no links to many functions", "Linux 5.18 with CONFIG_FPROBE", err)
		case isUnsupported(err):
			err = notSupported("attach kprobe_multi", "this kernel was built without", "CONFIG_FPROBE (make test-vm runs such kernels)", err)
		case isInvalid(err) && t.Session && !kernelVersion().atLeast(6, 10):
			err = notSupported("kprobe session", "this kernel has none", "Linux 6.10 brought them", err)
		}
		return nil, attachError(p, t, err, "the program must be loaded with the attach type kprobe.multi or kprobe.session", capPerfmon, capBPF)
	}
	return newLink(t, fd, true), nil
}

// some names a few of many.
func some(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
	}
	return strings.Join(names, ", ")
}
