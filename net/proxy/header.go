package proxy

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// signature begins a header of version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// header is the PROXY protocol's, of version 1 or 2, for a TCP connection.
func header(version int, client, target netip.AddrPort) []byte {
	src, dst := client.Addr(), target.Addr()
	four := src.Is4() && dst.Is4()
	if version == 1 {
		family := "TCP6"
		if four {
			family = "TCP4"
		} else {
			src, dst = netip.AddrFrom16(src.As16()), netip.AddrFrom16(dst.As16())
		}
		return fmt.Appendf(nil, "PROXY %s %v %v %d %d\r\n", family, src, dst, client.Port(), target.Port())
	}
	b := append([]byte(signature), 0x21) // version 2, PROXY
	if four {
		b = append(b, 0x11, 0, 12)
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	} else {
		s, d := src.As16(), dst.As16()
		b = append(b, 0x21, 0, 36)
		b = append(append(b, s[:]...), d[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, client.Port())
	return binary.BigEndian.AppendUint16(b, target.Port())
}
