package replay

import (
	"encoding/binary"
	"fmt"

	"github.com/skepdev/skep/engine"
)

// Link types of captures (https://www.tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkLoop     = 108
	linkRaw      = 101
	linkRawBSD   = 12
	linkRawOpen  = 14
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// ToEthernet makes an Ethernet frame of a packet captured on another kind of
// link, appended to dst: raw IP, Linux cooked captures (of the device "any") and
// loopback headers of BSD get an Ethernet header in place of their own, with
// addresses that are zero where the capture does not know them. Ethernet frames
// come back as they are, without a copy.
//
// Packets of other links are [engine.ErrNotSupported]; those too short for
// their link's header come back empty.
func ToEthernet(linkType int, dst, data []byte) ([]byte, error) {
	var header [14]byte
	skip := 0
	switch linkType {
	case linkEthernet:
		return data, nil
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		if len(data) == 0 {
			return nil, nil
		}
		putProtocol(&header, data[0]>>4)
	case linkNull, linkLoop:
		if skip = 4; len(data) <= skip {
			return nil, nil
		}
		putProtocol(&header, data[skip]>>4)
	case linkSLL:
		if skip = 16; len(data) < skip {
			return nil, nil
		}
		putCooked(&header, data[4:6], data[6:12], data[14:16])
	case linkSLL2:
		if skip = 20; len(data) < skip {
			return nil, nil
		}
		putCooked(&header, []byte{0, data[11]}, data[12:18], data[0:2])
	default:
		return nil, &engine.NotSupportedError{
			Feature: fmt.Sprintf("replaying captures of link type %d", linkType),
			Reason:  "packets must be Ethernet, raw IP, Linux cooked or loopback packets",
		}
	}
	return append(append(dst, header[:]...), data[skip:]...), nil
}

// putProtocol sets the protocol by the version field of an IP header.
func putProtocol(header *[14]byte, version byte) {
	switch version {
	case 4:
		binary.BigEndian.PutUint16(header[12:], etherIPv4)
	case 6:
		binary.BigEndian.PutUint16(header[12:], etherIPv6)
	}
}

// putCooked sets the sender and the protocol from a cooked header.
func putCooked(header *[14]byte, size, sender, protocol []byte) {
	if binary.BigEndian.Uint16(size) == 6 {
		copy(header[6:12], sender)
	}
	copy(header[12:14], protocol)
}
