//go:build linux

package kernel

import (
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// attachSockMap attaches to a sockmap or sockhash: a link (Linux 6.10), or an
// attachment without one.
func attachSockMap(p *Program, t engine.SockMap) (engine.Link, error) {
	m, err := asMap(t.Map)
	if err != nil {
		return nil, fmt.Errorf("attach program %s to a sockmap: %w", p.info.Name, err)
	}
	if err := wantType(p, t, ebpf.SkMsg, ebpf.SkSKB); err != nil {
		return nil, err
	}
	if m.info.Type != ebpf.SockMap && m.info.Type != ebpf.SockHash {
		return nil, fmt.Errorf("attach program %s to %s: it is a map of type %s: %w", p.info.Name, t, m.info.Type, unix.EINVAL)
	}
	attach := t.AttachType
	if attach == 0 {
		attach = p.info.AttachType
	}
	if attach == 0 && p.info.Type == ebpf.SkMsg {
		attach = ebpf.AttachSkMsgVerdict
	}
	if attach == 0 {
		return nil, fmt.Errorf("attach program %s to %s: the attach type is unknown: name it in the target: %w", p.info.Name, t, unix.EINVAL)
	}
	var l engine.Link
	err = m.withFD("attach to", func(mapFD int) error {
		attr := linkPlain{linkHead: linkHead{target: uint32(mapFD), attachType: uint32(attach)}}
		fd, err := createLink(p, &attr, &attr.linkHead)
		if err == nil {
			l = newLink(t, fd, false)
			return nil
		}
		if !isInvalid(err) {
			return err
		}
		l, err = attachSockMapDirect(p, t, mapFD, attach)
		return err
	})
	if err != nil {
		return nil, attachError(p, t, err, "the attach type must be one the program was loaded for", capNetAdmin)
	}
	return l, nil
}

// attachSockMapDirect is how programs are attached without links: attaching
// again replaces.
func attachSockMapDirect(p *Program, t engine.SockMap, mapFD int, attach ebpf.AttachType) (engine.Link, error) {
	at, err := unix.FcntlInt(uintptr(mapFD), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	l, err := attachDirect(p, t, at, uint32(attach), 0, false)
	if err != nil {
		unix.Close(at)
		return nil, err
	}
	return l, nil
}
