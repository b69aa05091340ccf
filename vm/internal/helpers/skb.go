package helpers

import (
	"encoding/binary"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/packet"
)

var sumDiff = packet.CsumDiff

// onSKB makes a helper of a body that works on the socket buffer in argument 1.
func onSKB(f func(t *interp.Thread, s *packet.SKB) uint64) interp.Helper {
	return func(t *interp.Thread) uint64 {
		if t.SKB == nil || !t.IsContext(t.R[1]) {
			t.Fail("argument 1 is not the context")
			return 0
		}
		return f(t, t.SKB)
	}
}

// changing is onSKB for bodies that move the packet's bounds.
func changing(f func(t *interp.Thread, s *packet.SKB) syscall.Errno) interp.Helper {
	return onSKB(func(t *interp.Thread, s *packet.SKB) uint64 {
		e := f(t, s)
		t.PacketChanged()
		return result(e)
	})
}

// What reads packet and metadata.
var skbReadTable = table{
	abi.FnSkbLoadBytes:         onSKB(skbLoadBytes),
	abi.FnSkbLoadBytesRelative: onSKB(skbLoadBytesRelative),
	abi.FnGetHashRecalc:        onSKB(func(_ *interp.Thread, s *packet.SKB) uint64 { return uint64(s.FlowHash()) }),
	abi.FnGetSocketCookie:      onSKB(func(_ *interp.Thread, s *packet.SKB) uint64 { return s.SocketCookie }),
	abi.FnGetSocketUid:         onSKB(func(_ *interp.Thread, s *packet.SKB) uint64 { return uint64(s.SocketUID) }),
	abi.FnGetCgroupClassid:     onSKB(func(_ *interp.Thread, s *packet.SKB) uint64 { return uint64(s.CgroupClassID) }),
	abi.FnSkbCgroupClassid:     onSKB(func(_ *interp.Thread, s *packet.SKB) uint64 { return uint64(s.CgroupClassID) }),
	abi.FnGetRouteRealm:        onSKB(func(*interp.Thread, *packet.SKB) uint64 { return 0 }),
	abi.FnSkbCgroupId:          onSKB(func(_ *interp.Thread, s *packet.SKB) uint64 { return s.CgroupID }),
	abi.FnSkbAncestorCgroupId:  onSKB(func(*interp.Thread, *packet.SKB) uint64 { return 0 }), // no socket
	abi.FnSkbUnderCgroup:       onSKB(skbUnderCgroup),
	abi.FnSkbGetXfrmState:      onSKB(noTransform),
	abi.FnCsumLevel:            onSKB(func(t *interp.Thread, s *packet.SKB) uint64 { return uint64(s.CsumLevel(t.R[2])) }),
	// The packet's checksum is never the device's here, and only such a one can be
	// updated.
	abi.FnCsumUpdate: onSKB(func(*interp.Thread, *packet.SKB) uint64 { return fail(errNotSupp) }),
}

// What changes packet and metadata, or sends it elsewhere.
var skbWriteTable = table{
	abi.FnSkbStoreBytes: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		from := t.Read(t.R[3], uint64(uint32(t.R[4])))
		if from == nil {
			return 0
		}
		return s.StoreBytes(uint32(t.R[2]), from, t.R[5])
	}),
	abi.FnSkbPullData: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		return s.Linearize(int(uint32(t.R[2])))
	}),
	abi.FnL3CsumReplace: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		return s.L3CsumReplace(uint32(t.R[2]), t.R[3], t.R[4], t.R[5])
	}),
	abi.FnL4CsumReplace: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		return s.L4CsumReplace(uint32(t.R[2]), t.R[3], t.R[4], t.R[5])
	}),
	abi.FnSkbVlanPush: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		return s.VLANPush(packet.Network(uint16(t.R[2])), uint16(t.R[3]))
	}),
	abi.FnSkbVlanPop: changing(func(_ *interp.Thread, s *packet.SKB) syscall.Errno { return s.VLANPop() }),
	abi.FnSkbChangeProto: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		return s.ChangeProto(packet.Network(uint16(t.R[2])), t.R[3])
	}),
	abi.FnSkbChangeType: onSKB(skbChangeType),
	abi.FnSkbChangeTail: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		return s.ChangeTail(uint32(t.R[2]), t.R[3])
	}),
	abi.FnSkbChangeHead: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		return s.ChangeHead(uint32(t.R[2]), t.R[3])
	}),
	abi.FnSkbAdjustRoom: changing(func(t *interp.Thread, s *packet.SKB) syscall.Errno {
		return s.AdjustRoom(int32(t.R[2]), uint32(t.R[3]), t.R[4])
	}),
	abi.FnSetHash: onSKB(func(t *interp.Thread, s *packet.SKB) uint64 {
		s.Hash, s.HashValid = uint32(t.R[2]), true
		return 0
	}),
	abi.FnSetHashInvalid: onSKB(func(_ *interp.Thread, s *packet.SKB) uint64 { s.InvalidateHash(); return 0 }),
	abi.FnSkbEcnSetCe:    onSKB(skbSetCE),
	abi.FnSkbSetTstamp:   onSKB(skbSetTstamp),
	abi.FnCloneRedirect:  onSKB(cloneRedirect),
	abi.FnRedirect:       skbRedirect,
	abi.FnRedirectPeer:   redirectPeer,
	abi.FnRedirectNeigh:  redirectNeigh,
}

func skbLoadBytes(t *interp.Thread, s *packet.SKB) uint64 {
	to := t.Write(t.R[3], uint64(uint32(t.R[4])))
	if to == nil {
		return 0
	}
	var from []byte
	if off := uint32(t.R[2]); off <= 1<<31-1 {
		from = s.Slice(int(off), len(to))
	}
	return load(to, from)
}

func skbLoadBytesRelative(t *interp.Thread, s *packet.SKB) uint64 {
	to := t.Write(t.R[3], uint64(uint32(t.R[4])))
	if to == nil {
		return 0
	}
	var from []byte
	if off := uint32(t.R[2]); off <= 0xffff && t.R[5] <= abi.HdrStartNet {
		from = s.HeaderSlice(t.R[5] == abi.HdrStartNet, int(off), len(to))
	}
	return load(to, from)
}

func load(to, from []byte) uint64 {
	if from == nil {
		clear(to)
		return fail(syscall.EFAULT)
	}
	copy(to, from)
	return 0
}

func skbChangeType(t *interp.Thread, s *packet.SKB) uint64 {
	const otherHost = 3
	if s.PktType > otherHost || uint32(t.R[2]) > otherHost {
		return fail(syscall.EINVAL)
	}
	s.PktType = uint32(t.R[2])
	return 0
}

// skbUnderCgroup: the packet has no socket that were in a cgroup.
func skbUnderCgroup(t *interp.Thread, _ *packet.SKB) uint64 {
	m := t.Map(t.R[2])
	if m == nil {
		return 0
	}
	if m.Cgroups == nil {
		t.Fail("map %s is a %s, not a cgroup array", m.Name, m.Type)
		return 0
	}
	return fail(syscall.ENOENT)
}

// noTransform: the packet was not transformed (IPsec).
func noTransform(t *interp.Thread, _ *packet.SKB) uint64 {
	to := t.Write(t.R[3], uint64(uint32(t.R[4])))
	if to == nil {
		return 0
	}
	clear(to)
	return fail(syscall.EINVAL)
}

func skbSetCE(_ *interp.Thread, s *packet.SKB) uint64 {
	if s.SetCE() {
		return 1
	}
	return 0
}

// skbSetTstamp is bpf_skb_set_tstamp, for IP packets only.
func skbSetTstamp(t *interp.Thread, s *packet.SKB) uint64 {
	if p := s.Proto(); p != 0x0800 && p != 0x86dd {
		return fail(syscall.EOPNOTSUPP)
	}
	at, kind := t.R[2], t.R[3]
	if kind > abi.SKBClockTAI || at == 0 && kind != abi.SKBClockRealtime {
		return fail(syscall.EINVAL)
	}
	s.TStamp, s.TStampType = at, uint8(kind)
	return 0
}

// cloneRedirect sends a copy of the packet to a device.
func cloneRedirect(t *interp.Thread, s *packet.SKB) uint64 {
	ifindex, flags := uint32(t.R[2]), t.R[3]
	if flags&^uint64(abi.FlagIngress) != 0 {
		return fail(syscall.EINVAL)
	}
	if _, ok := t.Env.MTU(ifindex); !ok {
		return fail(syscall.EINVAL)
	}
	const maxClones = 1024
	if len(t.Out.Clones) >= maxClones {
		return fail(syscall.ENOBUFS)
	}
	b := t.Env.NewBuffer()
	if b == nil {
		return fail(syscall.ENOMEM)
	}
	b.CopyFrom(s.Buffer)
	t.Out.Clones = append(t.Out.Clones, interp.Clone{IfIndex: ifindex, Flags: flags, Buffer: b})
	return 0
}

func skbRedirect(t *interp.Thread) uint64 {
	if t.R[2]&^uint64(abi.FlagIngress) != 0 {
		return abi.TCActShot
	}
	t.Out.Redirect = interp.Redirect{Kind: interp.RedirectDevice, IfIndex: uint32(t.R[1]), Flags: t.R[2]}
	return abi.TCActRedirect
}

func redirectPeer(t *interp.Thread) uint64 {
	if t.R[2] != 0 {
		return abi.TCActShot
	}
	t.Out.Redirect = interp.Redirect{Kind: interp.RedirectPeer, IfIndex: uint32(t.R[1])}
	return abi.TCActRedirect
}

// redirectNeigh takes an optional next hop: struct bpf_redir_neigh, a family
// and an address.
func redirectNeigh(t *interp.Thread) uint64 {
	const size = 20
	n := uint32(t.R[3])
	if n != 0 && n < size || t.R[4] != 0 {
		return abi.TCActShot
	}
	r := interp.Redirect{Kind: interp.RedirectNeigh, IfIndex: uint32(t.R[1])}
	if n != 0 {
		p := t.Read(t.R[2], uint64(n))
		if p == nil {
			return 0
		}
		r.NextHopFamily = binary.NativeEndian.Uint32(p)
		copy(r.NextHop[:], p[4:20])
	}
	t.Out.Redirect = r
	return abi.TCActRedirect
}
