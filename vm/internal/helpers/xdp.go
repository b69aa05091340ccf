package helpers

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/packet"
)

var xdpTable = table{
	abi.FnXdpAdjustHead: xdpAdjust((*packet.XDP).AdjustHead),
	abi.FnXdpAdjustMeta: xdpAdjust((*packet.XDP).AdjustMeta),
	abi.FnXdpAdjustTail: xdpAdjust((*packet.XDP).AdjustTail),
	abi.FnXdpGetBuffLen: withXDP(func(t *interp.Thread) uint64 { return uint64(t.XDP.Len()) }),
	abi.FnXdpLoadBytes:  withXDP(xdpLoadBytes),
	abi.FnXdpStoreBytes: withXDP(xdpStoreBytes),
	abi.FnRedirect:      xdpRedirect,
	abi.FnRedirectMap:   redirectMap,
}

// withXDP checks that argument 1 is the context of an XDP program.
func withXDP(h interp.Helper) interp.Helper {
	return func(t *interp.Thread) uint64 {
		if t.XDP == nil || !t.IsContext(t.R[1]) {
			t.Fail("argument 1 is not the context")
			return 0
		}
		return h(t)
	}
}

func xdpAdjust(f func(*packet.XDP, int32) syscall.Errno) interp.Helper {
	return withXDP(func(t *interp.Thread) uint64 {
		e := f(t.XDP, int32(t.R[2]))
		t.PacketChanged()
		return result(e)
	})
}

func xdpLoadBytes(t *interp.Thread) uint64 {
	buf := t.Write(t.R[3], uint64(uint32(t.R[4])))
	if buf == nil {
		return 0
	}
	p, e := xdpBytes(t, uint32(t.R[2]), len(buf))
	if e != 0 {
		return fail(e)
	}
	copy(buf, p)
	return 0
}

func xdpStoreBytes(t *interp.Thread) uint64 {
	buf := t.Read(t.R[3], uint64(uint32(t.R[4])))
	if buf == nil {
		return 0
	}
	p, e := xdpBytes(t, uint32(t.R[2]), len(buf))
	if e != 0 {
		return fail(e)
	}
	copy(p, buf)
	return 0
}

func xdpBytes(t *interp.Thread, off uint32, n int) ([]byte, syscall.Errno) {
	if off > 0xffff || n > 0xffff {
		return nil, syscall.EFAULT
	}
	p := t.XDP.Slice(int(off), n)
	if p == nil {
		return nil, syscall.EINVAL
	}
	return p, 0
}

func xdpRedirect(t *interp.Thread) uint64 {
	if t.R[2] != 0 {
		return abi.XDPAborted
	}
	t.Out.Redirect = interp.Redirect{Kind: interp.RedirectDevice, IfIndex: uint32(t.R[1])}
	return abi.XDPRedirect
}
