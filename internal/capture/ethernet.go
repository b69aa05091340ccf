package capture

import (
	"encoding/binary"
	"fmt"
)

// ethernetHeader is the length of an Ethernet header without tags.
const ethernetHeader = 14

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// ToEthernet presents a packet of the given link type as an Ethernet frame, as
// packet programs expect it. Ethernet packets are returned as they are;
// otherwise the frame is built in buf's capacity (allocating if that is too
// small) from an Ethernet header and the packet behind its own link header:
//
//   - raw, ipv4, ipv6: the protocol follows from the IP version; both MAC
//     addresses are zero.
//   - null, loop: the protocol follows from the address family of Linux, BSD
//     or macOS, in either byte order; both MAC addresses are zero.
//   - linux_sll, linux_sll2: the protocol and, where the device had Ethernet
//     addresses, the source are those of the cooked header; the destination is
//     all ones for broadcast, 01:00:5e:00:00:00 for multicast, and zero
//     otherwise, as the header does not hold it.
//
// The frame's length on the wire is the packet's plus len(frame)-len(data).
// Other link types, and packets too short for their header, are errors.
func ToEthernet(link LinkType, data, buf []byte) (frame []byte, err error) {
	switch link {
	case LinkEthernet:
		if len(data) < ethernetHeader {
			return nil, short(link, ethernetHeader, data)
		}
		return data, nil
	case LinkRaw, LinkRawBSD, LinkRawOBSD, LinkIPv4, LinkIPv6:
		return fromIP(link, data, buf)
	case LinkNull, LinkLoop:
		return fromFamily(link, data, buf)
	case LinkLinuxSLL:
		return fromSLL(data, buf)
	case LinkLinuxSLL2:
		return fromSLL2(data, buf)
	}
	return nil, fmt.Errorf("convert %s to ethernet: packets of this link type do not carry Ethernet or IP at a known place", link)
}

func short(link LinkType, want int, data []byte) error {
	return fmt.Errorf("convert %s to ethernet: the packet has %d bytes where its header has %d", link, len(data), want)
}

func build(buf []byte, dst, src [6]byte, proto uint16, payload []byte) []byte {
	b := append(buf[:0], dst[:]...)
	b = append(b, src[:]...)
	b = binary.BigEndian.AppendUint16(b, proto)
	return append(b, payload...)
}

func fromIP(link LinkType, data, buf []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, short(link, 1, data)
	}
	switch v := data[0] >> 4; v {
	case 4:
		return build(buf, [6]byte{}, [6]byte{}, etherIPv4, data), nil
	case 6:
		return build(buf, [6]byte{}, [6]byte{}, etherIPv6, data), nil
	default:
		return nil, fmt.Errorf("convert %s to ethernet: IP version %d is neither 4 nor 6", link, v)
	}
}

// fromFamily knows AF_INET, and AF_INET6 of Linux (10), NetBSD and OpenBSD
// (24), FreeBSD (28) and macOS (30). All are small: the byte order shows.
func fromFamily(link LinkType, data, buf []byte) ([]byte, error) {
	if len(data) < 4 {
		return nil, short(link, 4, data)
	}
	family := binary.BigEndian.Uint32(data)
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(data)
	}
	switch family {
	case 2:
		return build(buf, [6]byte{}, [6]byte{}, etherIPv4, data[4:]), nil
	case 10, 24, 28, 30:
		return build(buf, [6]byte{}, [6]byte{}, etherIPv6, data[4:]), nil
	}
	return nil, fmt.Errorf("convert %s to ethernet: address family %d is not an IP family", link, family)
}

// The fields of a cooked header.
type cooked struct {
	link    LinkType
	kind    byte   // to us, broadcast, multicast, …
	device  uint16 // ARPHRD_ of the device
	addr    []byte
	proto   uint16
	payload []byte
}

func fromSLL(data, buf []byte) ([]byte, error) {
	if len(data) < 16 {
		return nil, short(LinkLinuxSLL, 16, data)
	}
	be := binary.BigEndian
	return cooked{
		link: LinkLinuxSLL, kind: byte(be.Uint16(data)), device: be.Uint16(data[2:]),
		addr: data[6 : 6+min(be.Uint16(data[4:]), 8)], proto: be.Uint16(data[14:]), payload: data[16:],
	}.frame(buf)
}

func fromSLL2(data, buf []byte) ([]byte, error) {
	if len(data) < 20 {
		return nil, short(LinkLinuxSLL2, 20, data)
	}
	be := binary.BigEndian
	return cooked{
		link: LinkLinuxSLL2, kind: data[10], device: be.Uint16(data[8:]),
		addr: data[12 : 12+min(data[11], 8)], proto: be.Uint16(data), payload: data[20:],
	}.frame(buf)
}

const (
	arphrdEther    = 1
	arphrdLoopback = 772
	arphrdNetlink  = 824

	packetBroadcast = 1
	packetMulticast = 2

	proto8023 = 1 // Novell: 802.3 without LLC
	proto8022 = 4 // LLC
)

func (c cooked) frame(buf []byte) ([]byte, error) {
	var dst, src [6]byte
	if len(c.addr) == 6 && (c.device == arphrdEther || c.device == arphrdLoopback) {
		copy(src[:], c.addr)
	}
	switch c.kind {
	case packetBroadcast:
		dst = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	case packetMulticast:
		dst = [6]byte{0x01, 0x00, 0x5e}
	}
	proto := c.proto
	switch {
	case c.device == arphrdNetlink:
		return nil, fmt.Errorf("convert %s to ethernet: the packet is a netlink message", c.link)
	case proto == proto8023, proto == proto8022:
		// The field of an 802.3 frame holds its length.
		if len(c.payload) > 1500 {
			return nil, fmt.Errorf("convert %s to ethernet: an 802.3 frame of %d bytes is too long", c.link, len(c.payload))
		}
		proto = uint16(len(c.payload))
	case proto < 0x0600:
		return nil, fmt.Errorf("convert %s to ethernet: protocol %#x is no EtherType", c.link, proto)
	}
	return build(buf, dst, src, proto, c.payload), nil
}
