package vm

import (
	"bytes"
	"encoding/binary"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/packet"
)

// The fields of struct __sk_buff that a test run may set; all others must be 0.
var skbSettable = [][2]int{{8, 12}, {32, 44}, {48, 68}, {152, 168}, {176, 180}, {184, sizeSKB}}

const (
	packetBroadcast = 1
	packetMulticast = 2

	maxGSOSegs    = 65535
	maxWireLength = 65536
)

func (p *Program) testSKB(in *TestInput) (TestResult, error) {
	var none TestResult
	if in.Flags&abi.FlagTestSKBCsumComplete != 0 {
		return none, &NotSupportedError{Feature: "test run with CHECKSUM_COMPLETE", Reason: "packets of the embedded engine have no device checksum"}
	}
	if in.Flags != 0 || in.CPU != 0 {
		return none, p.refuse(syscall.EINVAL, "flags %#x, CPU %d", in.Flags, in.CPU)
	}
	if len(in.Data) < ethHeader {
		return none, p.refuse(syscall.EINVAL, "%d bytes of packet; an Ethernet header has %d", len(in.Data), ethHeader)
	}
	var buf [sizeSKB]byte
	ctx := buf[:]
	if err := p.contextIn(in, ctx); err != nil {
		return none, err
	}
	// Linux before 6.19 refuses what does not fit a page; later ones put the
	// rest in fragments, as here.
	linear := pageSize - packet.SKBHeadroom - packet.SharedInfo
	pk, err := p.testPacket(in.Data, min(linear, len(in.Data)))
	if err != nil {
		return none, err
	}
	defer pk.Release()
	c, err := p.begin()
	if err != nil {
		return none, err
	}
	defer c.release()
	if err := p.testMeta(in, ctx, &c.meta); err != nil {
		return none, err
	}
	if e := c.skb.Begin(pk.b, &c.meta, p.spec.Type); e != 0 {
		return none, p.refuse(e, "packet")
	}
	if err := p.testSocket(c); err != nil {
		return none, err
	}
	if c.meta.WireLen == 0 && (len(in.Context) > 0 || in.WantContext) {
		c.meta.WireLen = uint32(pk.b.Len())
	}
	p.freshStorage()
	c.t.SetPacket(pk.b, &c.skb)
	c.t.SKB = &c.skb
	ret, each, err := p.repeat(c, in)
	redirect := redirectOf(&c.t.Out.Redirect)
	c.t.ClearPacket()
	if err != nil {
		return none, err
	}
	if !c.skb.LinkLayer() {
		c.skb.PushZeroes(ethHeader)
	}
	res := TestResult{Return: uint32(ret), Duration: each, Redirect: redirect, Data: dataOut(in, pk.b.Bytes())}
	if in.WantContext {
		res.Context = contextOut(bytes.Clone(ctx), &c.meta)
	}
	return res, nil
}

// testMeta fills the metadata from the context, or says which field may not be
// set.
func (p *Program) testMeta(in *TestInput, ctx []byte, m *packet.Meta) error {
	at := 0
	for _, ok := range skbSettable { // up to the end
		for ; at < ok[0]; at++ {
			if ctx[at] != 0 {
				return p.refuse(syscall.EINVAL, "context field %s must be 0", packet.FieldAt(at))
			}
		}
		at = ok[1]
	}
	ne := binary.NativeEndian
	*m = packet.Meta{
		Mark: ne.Uint32(ctx[8:]), Priority: ne.Uint32(ctx[32:]), IngressIfIndex: ne.Uint32(ctx[36:]),
		IfIndex: ne.Uint32(ctx[40:]), TStamp: ne.Uint64(ctx[152:]), WireLen: ne.Uint32(ctx[160:]),
		GSOSegs: ne.Uint32(ctx[164:]), GSOSize: ne.Uint32(ctx[176:]), HWTStamp: ne.Uint64(ctx[184:]),
	}
	for i := range m.CB {
		m.CB[i] = ne.Uint32(ctx[48+4*i:])
	}
	seen := len(in.Data)
	if !isLinkLayer(p.spec.Type) {
		seen -= ethHeader
	}
	switch {
	case m.WireLen != 0 && (int64(m.WireLen) < int64(seen) || m.WireLen > maxWireLength):
		return p.refuse(syscall.EINVAL, "context field wire_len %d; the packet has %d bytes", m.WireLen, seen)
	case m.GSOSegs > maxGSOSegs:
		return p.refuse(syscall.EINVAL, "context field gso_segs %d", m.GSOSegs)
	}
	m.GSOSize &= 0xffff
	if m.IfIndex > loopback {
		if _, ok := p.m.mtu(m.IfIndex); !ok {
			return p.refuse(syscall.ENODEV, "context field ifindex names device %d", m.IfIndex)
		}
	} else {
		m.IfIndex = loopback
	}
	// The device of test runs has zeroes for its broadcast address too: all
	// ones are just a group to it.
	m.PktType = packet.PacketType(in.Data, [6]byte{})
	if m.PktType == packetBroadcast {
		m.PktType = packetMulticast
	}
	return nil
}

// freshStorage: a test run has cgroup storage of its own, which is zero.
func (p *Program) freshStorage() {
	for _, mp := range p.spec.Maps {
		if mp.i.Local != nil {
			mp.i.Local.Reset()
		}
	}
}

func isLinkLayer(t abi.ProgramType) bool { return t == abi.ProgSchedCLS || t == abi.ProgSchedACT }

// testSocket gives the packet a socket whose addresses are the packet's own.
func (p *Program) testSocket(c *cpu) error {
	s, m := &c.skb, &c.meta
	ne := binary.NativeEndian
	const familyIP, familyIPv6 = 2, 10
	switch s.Proto() {
	case 0x0800:
		ip := s.LinearHeader(20)
		if ip == nil {
			return p.refuse(syscall.EINVAL, "the packet is shorter than its IPv4 header")
		}
		m.Family, m.LocalIP4, m.RemoteIP4 = familyIP, ne.Uint32(ip[12:]), ne.Uint32(ip[16:])
	case 0x86dd:
		ip := s.LinearHeader(40)
		if ip == nil {
			return p.refuse(syscall.EINVAL, "the packet is shorter than its IPv6 header")
		}
		m.Family = familyIPv6
		for i := range 4 {
			m.LocalIP6[i], m.RemoteIP6[i] = ne.Uint32(ip[8+4*i:]), ne.Uint32(ip[24+4*i:])
		}
	}
	return nil
}

// contextOut writes the fields that a test run hands back; the others are as
// they came.
func contextOut(ctx []byte, m *packet.Meta) []byte {
	ne := binary.NativeEndian
	ne.PutUint32(ctx[8:], m.Mark)
	ne.PutUint32(ctx[32:], m.Priority)
	ne.PutUint32(ctx[36:], m.IngressIfIndex)
	ne.PutUint32(ctx[40:], m.IfIndex)
	for i, v := range m.CB {
		ne.PutUint32(ctx[48+4*i:], v)
	}
	ne.PutUint64(ctx[152:], m.TStamp)
	ne.PutUint32(ctx[160:], m.WireLen)
	ne.PutUint32(ctx[164:], m.GSOSegs)
	ne.PutUint64(ctx[184:], m.HWTStamp)
	return ctx
}
