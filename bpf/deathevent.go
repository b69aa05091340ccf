package bpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// DeathEventSize is the size of struct pod_event in bytes.
const DeathEventSize = 72

// DeathEvent is struct pod_event: one packet that matched a rule.
type DeathEvent struct {
	// Time by the engine's bpf_ktime_get_ns, in nanoseconds.
	Time uint64
	// Source and Destination; the zero address if the packet is not IP.
	Source, Destination netip.Addr
	Interface           uint32
	// Length of the frame in bytes.
	Length                      uint32
	SourcePort, DestinationPort uint16
	// ICMPID and ICMPSequence of an echo request or reply.
	ICMPID, ICMPSequence uint16
	VLAN                 uint16
	Rule                 uint16
	// Verdict is DeathPass or DeathDrop.
	Verdict  DeathVerdict
	Hook     DeathHook
	Family   uint8
	Protocol uint8
	ICMPType uint8
	ICMPCode uint8
	// Fragment says that this is a fragment other than the first.
	Fragment bool
	CPU      uint32
}

const packetFragment = 4 // PACKET_FRAGMENT

// DecodeDeathEvent decodes a ring buffer record. It does not allocate.
func DecodeDeathEvent(data []byte) (DeathEvent, error) {
	if len(data) != DeathEventSize {
		return DeathEvent{}, fmt.Errorf("decode event: %d bytes, want %d", len(data), DeathEventSize)
	}
	le := binary.LittleEndian
	e := DeathEvent{
		Time:            le.Uint64(data),
		Interface:       le.Uint32(data[40:]),
		Length:          le.Uint32(data[44:]),
		SourcePort:      le.Uint16(data[48:]),
		DestinationPort: le.Uint16(data[50:]),
		ICMPID:          le.Uint16(data[52:]),
		ICMPSequence:    le.Uint16(data[54:]),
		VLAN:            le.Uint16(data[56:]),
		Rule:            le.Uint16(data[58:]),
		Verdict:         DeathVerdict(data[60]),
		Hook:            DeathHook(data[61]),
		Family:          data[62],
		Protocol:        data[63],
		ICMPType:        data[64],
		ICMPCode:        data[65],
		Fragment:        data[66]&packetFragment != 0,
		CPU:             le.Uint32(data[68:]),
	}
	if e.Family != 0 {
		e.Source = address(data[8:24])
		e.Destination = address(data[24:40])
	}
	return e, nil
}

func address(b []byte) netip.Addr {
	return netip.AddrFrom16([16]byte(b)).Unmap()
}
