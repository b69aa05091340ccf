package helpers

import (
	"encoding/binary"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

var routeTable = table{
	abi.FnFibLookup: fibLookup,
	abi.FnCheckMtu:  checkMTU,
}

// fibSize is the size of struct bpf_fib_lookup.
const fibSize = 64

func fibLookup(t *interp.Thread) uint64 {
	size, flags := int32(t.R[3]), uint32(t.R[4])
	const known = abi.FIBLookupDirect | abi.FIBLookupOutput | abi.FIBLookupSkipNeigh |
		abi.FIBLookupTBID | abi.FIBLookupSrc | abi.FIBLookupMark
	if size < fibSize || flags&^uint32(known) != 0 {
		return fail(syscall.EINVAL)
	}
	p := t.Write(t.R[2], uint64(size))
	if p == nil {
		return 0
	}
	n := 0
	if t.Packet != nil {
		n = t.Packet.Len()
	}
	return uint64(t.Env.FIB(p, flags, n))
}

// checkMTU is bpf_check_mtu: does the packet, longer by the difference, fit the
// device? The MTU is about the network layer; a link-layer program's packet may
// be longer by its header.
func checkMTU(t *interp.Thread) uint64 {
	flags := t.R[5]
	if flags&^uint64(abi.MTUChkSegs) != 0 || t.Packet == nil || t.XDP != nil && flags != 0 {
		return fail(syscall.EINVAL)
	}
	out := t.Write(t.R[3], 4)
	if out == nil {
		return 0
	}
	diff := int(int32(t.R[4]))
	given := int(binary.NativeEndian.Uint32(out))
	if t.SKB != nil && flags&abi.MTUChkSegs != 0 && (diff != 0 || given != 0) {
		return fail(syscall.EINVAL)
	}
	ifindex := uint32(t.R[2])
	if ifindex == 0 {
		ifindex = ownDevice(t)
	}
	mtu, ok := t.Env.MTU(ifindex)
	if !ok {
		return fail(syscall.ENODEV)
	}
	const header = 14
	length := t.Packet.Len()
	if given != 0 {
		length = given + header
	}
	binary.NativeEndian.PutUint32(out, uint32(mtu))
	length += diff
	switch {
	case length <= mtu+header:
		return abi.MTUChkRetSuccess
	case t.SKB != nil && t.SKB.GSOSize != 0:
		if flags&abi.MTUChkSegs != 0 && int(t.SKB.GSOSize) > mtu {
			return abi.MTUChkRetSegsTooBig
		}
		return abi.MTUChkRetSuccess
	}
	return abi.MTUChkRetFragNeeded
}

func ownDevice(t *interp.Thread) uint32 {
	if t.XDP != nil {
		return t.XDP.IngressIfIndex
	}
	return t.SKB.IfIndex
}

// redirectMap is bpf_redirect_map of XDP programs.
func redirectMap(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	key, flags := uint32(t.R[2]), t.R[3]
	action := flags & 3
	var known uint64 = 3
	switch m.Type {
	case abi.MapDevMap, abi.MapDevMapHash:
		known |= abi.FlagBroadcast | abi.FlagExcludeIngress
	case abi.MapCPUMap, abi.MapXSKMap:
	default:
		t.Fail("map %s: bpf_redirect_map does not work on a %s", m.Name, m.Type)
		return 0
	}
	if flags&^known != 0 {
		return abi.XDPAborted
	}
	value, ok := redirectTarget(t, m, key)
	if !ok && flags&abi.FlagBroadcast == 0 {
		t.Out.Redirect = interp.Redirect{}
		return action
	}
	t.Out.Redirect = interp.Redirect{Kind: interp.RedirectMap, Map: m, Key: key, Value: value, Flags: flags &^ 3}
	return abi.XDPRedirect
}

// redirectTarget is the first word of the entry at key: a device's index, or a
// queue's size.
func redirectTarget(t *interp.Thread, m *interp.Map, key uint32) (uint64, bool) {
	var k [4]byte
	binary.NativeEndian.PutUint32(k[:], key)
	if cap(t.Text) < int(m.ValueSize) {
		return 0, false
	}
	v := t.Text[:m.ValueSize]
	if m.UserLookup(k[:], v, 0) != 0 || len(v) < 4 {
		return 0, false
	}
	w := binary.NativeEndian.Uint32(v)
	return uint64(w), w != 0
}

func csumDiff(t *interp.Thread) uint64 {
	from := t.Read(t.R[1], uint64(uint32(t.R[2])))
	if from == nil {
		return 0
	}
	to := t.Read(t.R[3], uint64(uint32(t.R[4])))
	if to == nil {
		return 0
	}
	return uint64(sumDiff(from, to, uint32(t.R[5])))
}
