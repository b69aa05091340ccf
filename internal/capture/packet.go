package capture

import (
	"fmt"
	"time"
)

// LinkType says what a packet begins with (LINKTYPE_ values,
// https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// Link types that [ToEthernet] knows.
const (
	LinkNull      LinkType = 0   // 4 bytes of address family, host byte order of the writer
	LinkEthernet  LinkType = 1   // EN10MB
	LinkRawBSD    LinkType = 12  // IPv4 or IPv6, as some systems write LinkRaw
	LinkRawOBSD   LinkType = 14  // likewise
	LinkRaw       LinkType = 101 // IPv4 or IPv6
	LinkLoop      LinkType = 108 // 4 bytes of address family, network byte order
	LinkLinuxSLL  LinkType = 113 // Linux "cooked" header of 16 bytes
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	LinkLinuxSLL2 LinkType = 276 // Linux "cooked" header of 20 bytes
)

// String is the name after LINKTYPE_ in lower case, or the number.
func (l LinkType) String() string {
	switch l {
	case LinkNull:
		return "null"
	case LinkEthernet:
		return "ethernet"
	case LinkRaw, LinkRawBSD, LinkRawOBSD:
		return "raw"
	case LinkLoop:
		return "loop"
	case LinkLinuxSLL:
		return "linux_sll"
	case LinkIPv4:
		return "ipv4"
	case LinkIPv6:
		return "ipv6"
	case LinkLinuxSLL2:
		return "linux_sll2"
	}
	return fmt.Sprintf("linktype %d", uint16(l))
}

// Direction of a packet as its capture tells it.
type Direction uint8

// Directions (the low bits of epb_flags in pcapng).
const (
	DirectionUnknown Direction = iota
	Inbound
	Outbound
)

func (d Direction) String() string {
	switch d {
	case Inbound:
		return "inbound"
	case Outbound:
		return "outbound"
	}
	return "unknown"
}

// Packet is one packet of a capture.
type Packet struct {
	// Data is what was captured. A Reader lends it until its next call.
	Data []byte
	// Time in nanoseconds since 1970-01-01 UTC; 0 if unknown.
	Time int64
	// Length of the packet on the wire in bytes, at least len(Data) unless the
	// capture says otherwise.
	Length int
	// Interface is an index in the Interfaces of the Reader or Writer.
	Interface int
	// LinkType of that interface. Writers ignore it.
	LinkType LinkType
	// Direction is Unknown in pcap.
	Direction Direction
	// Comment is text about the packet (pcapng only), borrowed like Data.
	Comment []byte
}

// Timestamp is the packet's time.
func (p *Packet) Timestamp() time.Time { return time.Unix(0, p.Time) }

// Interface is where packets were captured.
type Interface struct {
	// Name as the system calls it; empty in pcap.
	Name        string
	Description string
	LinkType    LinkType
	// SnapLength bounds the captured bytes of a packet; 0 is no bound.
	SnapLength uint32

	resolution resolution
}

// Format of a capture file.
type Format uint8

// Formats.
const (
	Pcap Format = iota + 1
	Pcapng
)

func (f Format) String() string {
	switch f {
	case Pcap:
		return "pcap"
	case Pcapng:
		return "pcapng"
	}
	return "unknown format"
}

// MaxPacket is the most bytes of a packet that are read or written; Ethernet
// captures stay below 256 KiB.
const MaxPacket = 16 << 20

// maxInterfaces bounds what a file can make a Reader remember.
const maxInterfaces = 1 << 16
