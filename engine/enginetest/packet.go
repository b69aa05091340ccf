package enginetest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// buildPacket makes a packet from layers joined by " / "; types, lengths and
// checksums are filled in unless given:
//
//	eth [MAC > MAC] [type=N]         vlan ID [prio=N] [type=N], advlan …
//	ip4 ADDR > ADDR [ttl=N] [id=N] [proto=N] [frag=N] [tos=N] [len=N]
//	ip6 ADDR > ADDR [hop=N] [next=N] [len=N]
//	hopopts N, dstopts N             options headers of N bytes [next=N]
//	frag6 OFFSET [id=N] [next=N]     offset in bytes
//	tcp PORT > PORT [flags=N] [seq=N] [ack=N] [win=N] [sum=N]
//	udp PORT > PORT [sum=N] [len=N]
//	icmp TYPE [id=N] [seq=N] [sum=N] icmp6 TYPE …   TYPE is echo, reply or a number
//	"text"   hex:00ff   zero:N   u32:1 … (any VALUE)
func buildPacket(text string) ([]byte, error) {
	var ls []*layer
	for part := range strings.SplitSeq(text, " / ") {
		words, err := splitWords(part)
		if err != nil {
			return nil, fmt.Errorf("packet: %w", err)
		}
		if len(words) == 0 {
			return nil, fmt.Errorf("packet: empty layer in %q", text)
		}
		ls = append(ls, newLayer(words))
	}
	encoders := packetEncoders()
	var out []byte
	var next number
	for i := len(ls) - 1; i >= 0; i-- {
		l := ls[i]
		e, ok := encoders[l.name]
		if !ok {
			v, err := parseValue(l.words)
			if err != nil {
				return nil, fmt.Errorf("packet: %w", err)
			}
			out, next = append(v.bytes, out...), number{proto: 59}
			continue
		}
		l.next, l.number = next, e.number
		for j := i - 1; j >= 0 && l.network == nil; j-- {
			if ls[j].name == "ip4" || ls[j].name == "ip6" {
				l.network = ls[j]
			}
		}
		out = e.encode(l, out)
		if l.err != nil {
			return nil, fmt.Errorf("packet: %s: %w", strings.Join(l.words, " "), l.err)
		}
		next = e.number
	}
	return out, nil
}

// number is how a layer is called by the layer before it.
type number struct {
	ether uint16
	proto uint8
}

type packetEncoder struct {
	number number
	encode func(l *layer, payload []byte) []byte
}

func packetEncoders() map[string]packetEncoder {
	return map[string]packetEncoder{
		"eth":     {number{}, encodeEthernet},
		"vlan":    {number{ether: 0x8100}, encodeVLAN},
		"advlan":  {number{ether: 0x88a8}, encodeVLAN},
		"ip4":     {number{0x0800, 4}, encodeIPv4},
		"ip6":     {number{0x86dd, 41}, encodeIPv6},
		"hopopts": {number{proto: 0}, encodeOptions},
		"dstopts": {number{proto: 60}, encodeOptions},
		"frag6":   {number{proto: 44}, encodeFragment},
		"tcp":     {number{proto: 6}, encodeTCP},
		"udp":     {number{proto: 17}, encodeUDP},
		"icmp":    {number{proto: 1}, encodeICMP},
		"icmp6":   {number{proto: 58}, encodeICMP},
	}
}

// layer is the text of one layer. Its first error stays in err.
type layer struct {
	words   []string
	name    string
	plain   []string // words without =
	named   map[string]string
	next    number // of the layer inside
	number  number // its own
	network *layer // the IP layer around it
	err     error
}

func newLayer(words []string) *layer {
	l := &layer{words: words, name: words[0], named: map[string]string{}}
	for _, w := range words[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			l.named[k] = v
		} else {
			l.plain = append(l.plain, w)
		}
	}
	return l
}

func (l *layer) fail(err error) {
	if err != nil && l.err == nil {
		l.err = err
	}
}

// num is the named number, or def.
func (l *layer) num(name string, bits int, def uint64) uint64 {
	s, ok := l.named[name]
	if !ok {
		return def
	}
	return l.parse(s, bits)
}

func (l *layer) parse(s string, bits int) uint64 {
	n, err := strconv.ParseUint(s, 0, bits)
	l.fail(err)
	return n
}

func (l *layer) n16(name string, def int) uint16 { return uint16(l.num(name, 16, uint64(def))) }

// at is the i-th plain word.
func (l *layer) at(i int) string {
	if i < len(l.plain) {
		return l.plain[i]
	}
	l.fail(fmt.Errorf("want more words"))
	return ""
}

// ends are the words around ">".
func (l *layer) ends() (from, to string) {
	if len(l.plain) < 3 || l.plain[1] != ">" {
		l.fail(fmt.Errorf("want FROM > TO"))
		return "", ""
	}
	return l.plain[0], l.plain[2]
}

func (l *layer) addrs() (from, to netip.Addr) {
	f, t := l.ends()
	from, err := netip.ParseAddr(f)
	l.fail(err)
	to, err = netip.ParseAddr(t)
	l.fail(err)
	if l.err == nil && (from.Is4() != (l.name == "ip4") || to.Is4() != from.Is4()) {
		l.fail(fmt.Errorf("address of the wrong family"))
	}
	return from, to
}

func be16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func be32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

func encodeEthernet(l *layer, payload []byte) []byte {
	from, to := "02:00:00:00:00:01", "02:00:00:00:00:02"
	if len(l.plain) > 0 {
		from, to = l.ends()
	}
	var b []byte
	for _, s := range []string{to, from} {
		m, err := net.ParseMAC(s)
		l.fail(err)
		b = append(b, m...)
	}
	return append(be16(b, l.n16("type", int(l.next.ether))), payload...)
}

func encodeVLAN(l *layer, payload []byte) []byte {
	b := be16(nil, uint16(l.parse(l.at(0), 12)|l.num("prio", 3, 0)<<13))
	return append(be16(b, l.n16("type", int(l.next.ether))), payload...)
}

func encodeIPv4(l *layer, payload []byte) []byte {
	from, to := l.addrs()
	b := []byte{0x45, byte(l.num("tos", 8, 0))}
	b = be16(b, l.n16("len", 20+len(payload)))
	b = be16(b, l.n16("id", 0))
	b = be16(b, l.n16("frag", 0))
	b = append(b, byte(l.num("ttl", 8, 64)), byte(l.num("proto", 8, uint64(l.next.proto))), 0, 0)
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], ^fold(sum(0, b)))
	return append(b, payload...)
}

func encodeIPv6(l *layer, payload []byte) []byte {
	from, to := l.addrs()
	b := be32(nil, 6<<28)
	b = be16(b, l.n16("len", len(payload)))
	b = append(b, byte(l.num("next", 8, uint64(l.next.proto))), byte(l.num("hop", 8, 64)))
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	return append(b, payload...)
}

func encodeOptions(l *layer, payload []byte) []byte {
	n := int(l.parse(l.at(0), 11))
	if n < 8 || n%8 != 0 {
		l.fail(fmt.Errorf("want a multiple of 8 bytes"))
		return nil
	}
	b := make([]byte, n)
	b[0], b[1] = byte(l.num("next", 8, uint64(l.next.proto))), byte(n/8-1)
	b[2], b[3] = 1, byte(n-4) // PadN, RFC 8200
	return append(b, payload...)
}

func encodeFragment(l *layer, payload []byte) []byte {
	b := []byte{byte(l.num("next", 8, uint64(l.next.proto))), 0}
	b = be16(b, uint16(l.parse(l.at(0), 16))&^7)
	return append(be32(b, uint32(l.num("id", 32, 1))), payload...)
}

func (l *layer) ports(b []byte) []byte {
	from, to := l.ends()
	return be16(be16(b, uint16(l.parse(from, 16))), uint16(l.parse(to, 16)))
}

func encodeTCP(l *layer, payload []byte) []byte {
	b := l.ports(nil)
	b = be32(b, uint32(l.num("seq", 32, 1)))
	b = be32(b, uint32(l.num("ack", 32, 0)))
	b = append(b, 5<<4, byte(l.num("flags", 8, 0x10)))
	b = be16(b, l.n16("win", 1000))
	b = append(be32(b, 0), payload...)
	l.checksum(b, 16)
	return b
}

func encodeUDP(l *layer, payload []byte) []byte {
	b := be16(l.ports(nil), l.n16("len", 8+len(payload)))
	b = append(be16(b, 0), payload...)
	l.checksum(b, 6)
	if b[6] == 0 && b[7] == 0 && l.named["sum"] == "" {
		b[6], b[7] = 0xff, 0xff // RFC 768: a computed 0 is sent as all ones
	}
	return b
}

func encodeICMP(l *layer, payload []byte) []byte {
	var kind uint64
	switch t := l.at(0); {
	case t == "echo" && l.name == "icmp":
		kind = 8
	case t == "reply" && l.name == "icmp":
		kind = 0
	case t == "echo":
		kind = 128
	case t == "reply":
		kind = 129
	default:
		kind = l.parse(t, 8)
	}
	b := []byte{byte(kind), byte(l.num("code", 8, 0)), 0, 0}
	b = be16(b, l.n16("id", 0))
	b = append(be16(b, l.n16("seq", 0)), payload...)
	l.checksum(b, 2)
	return b
}

// checksum writes the transport checksum at b[at:]; ICMPv4's has no
// pseudo header (RFC 792).
func (l *layer) checksum(b []byte, at int) {
	s := uint32(0)
	if l.name != "icmp" {
		if l.network == nil {
			l.fail(fmt.Errorf("no IP layer before it"))
			return
		}
		from, to := l.network.addrs()
		s = sum(sum(uint32(l.number.proto)+uint32(len(b)), from.AsSlice()), to.AsSlice())
	}
	binary.BigEndian.PutUint16(b[at:], l.n16("sum", int(^fold(sum(s, b)))))
}

// sum adds 16-bit words; packets are too short for 32 bits to overflow.
func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// Packet makes a packet from its description, as in stories (see the package's
// doc): "eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / hello".
func Packet(text string) ([]byte, error) { return buildPacket(text) }
