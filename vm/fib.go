package vm

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// Layout of struct bpf_fib_lookup: 64 bytes.
const (
	fibFamily   = 0 // u8; 2 or 10
	fibL4Proto  = 1 // u8
	fibSport    = 2 // be16
	fibDport    = 4 // be16
	fibTotLen   = 6 // u16 in, mtu_result out
	fibIfIndex  = 8
	fibTOS      = 12 // u8 for IPv4; be32 flowinfo for IPv6; rt_metric out
	fibSrc      = 16
	fibDst      = 32
	fibVLAN     = 48 // be16 h_vlan_proto, be16 TCI out; u32 tbid in
	fibMAC      = 52 // smac, dmac out; u32 mark in
	familyInet  = 2
	familyInet6 = 10
)

// fib translates between the helper's parameters and the network's question.
// Without a network there is no device to ask for.
func (m *Machine) fib(p []byte, flags uint32, _ int) int64 {
	ne := binary.NativeEndian
	q := FIBQuery{
		IfIndex: ne.Uint32(p[fibIfIndex:]), Flags: flags, Protocol: p[fibL4Proto],
		SrcPort: binary.BigEndian.Uint16(p[fibSport:]), DstPort: binary.BigEndian.Uint16(p[fibDport:]),
		TotalLen: ne.Uint16(p[fibTotLen:]),
	}
	switch p[fibFamily] {
	case familyInet:
		q.Src, q.Dst = netip.AddrFrom4([4]byte(p[fibSrc:])), netip.AddrFrom4([4]byte(p[fibDst:]))
		q.TOS = p[fibTOS]
	case familyInet6:
		q.Src, q.Dst = netip.AddrFrom16([16]byte(p[fibSrc:])), netip.AddrFrom16([16]byte(p[fibDst:]))
		q.FlowInfo = binary.BigEndian.Uint32(p[fibTOS:])
	default:
		return -int64(syscall.EAFNOSUPPORT)
	}
	if m.cfg.Network == nil {
		return -int64(syscall.ENODEV)
	}
	if flags&abi.FIBLookupTBID != 0 {
		q.Table = ne.Uint32(p[fibVLAN:])
	}
	if flags&abi.FIBLookupMark != 0 {
		q.Mark = ne.Uint32(p[fibMAC:])
	}
	ret := m.cfg.Network.FIB(&q)
	if ret == abi.FIBLkupRetSuccess || ret == abi.FIBLkupRetNoNeigh || ret == abi.FIBLkupRetFragNeeded {
		fibAnswer(p, &q, flags, ret)
	}
	return int64(ret)
}

func fibAnswer(p []byte, q *FIBQuery, flags uint32, ret int) {
	ne := binary.NativeEndian
	ne.PutUint16(p[fibTotLen:], q.MTU)
	if ret == abi.FIBLkupRetFragNeeded {
		return
	}
	ne.PutUint32(p[fibIfIndex:], q.OutIfIndex)
	ne.PutUint32(p[fibTOS:], q.Metric)
	if hop := q.NextHop; hop.Is4() {
		p[fibFamily] = familyInet
		a := hop.As4()
		copy(p[fibDst:], a[:])
	} else if hop.IsValid() {
		p[fibFamily] = familyInet6
		a := hop.As16()
		copy(p[fibDst:], a[:])
	}
	if flags&abi.FIBLookupSrc != 0 && q.Src.IsValid() {
		copy(p[fibSrc:fibSrc+16], q.Src.AsSlice())
	}
	if ret != abi.FIBLkupRetSuccess {
		return
	}
	binary.BigEndian.PutUint16(p[fibVLAN:], q.VLANProto)
	binary.BigEndian.PutUint16(p[fibVLAN+2:], q.VLANTCI)
	copy(p[fibMAC:], q.SrcMAC[:])
	copy(p[fibMAC+6:], q.DstMAC[:])
}
