package bpf

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// DeathMatch says which packets a rule is about, in Go's terms. The zero value
// matches every packet. All parts must hold.
type DeathMatch struct {
	// Protocol by name (tcp, udp, icmp, icmp6, sctp, …) or number; "" any.
	Protocol string
	// Family 4 or 6, or 0 for both and for what is not IP.
	Family int
	// Source and Destination prefixes; the zero prefix means any.
	Source, Destination netip.Prefix
	// Ports, both ends included; nil means any, also packets without ports.
	SourcePorts, DestinationPorts *PortRange
	// LengthMin and LengthMax bound the frame in bytes; LengthMax 0 means no
	// bound.
	LengthMin, LengthMax uint32
	// Pattern of up to DeathPattern bytes at Offset bytes after Base, compared
	// under Mask (nil: all bits). A packet that ends before does not match.
	Pattern, Mask []byte
	Base          DeathBase
	Offset        uint16
	// Verdict, by default the program's.
	Verdict DeathVerdict
}

// PortRange is a range of TCP or UDP ports.
type PortRange struct{ Min, Max uint16 }

func protocolNumber(name string) (uint8, error) {
	switch name {
	case "icmp":
		return 1, nil
	case "igmp":
		return 2, nil
	case "ipip":
		return 4, nil
	case "tcp":
		return 6, nil
	case "udp":
		return 17, nil
	case "gre":
		return 47, nil
	case "esp":
		return 50, nil
	case "icmp6", "icmpv6":
		return 58, nil
	case "sctp":
		return 132, nil
	}
	n, err := strconv.ParseUint(name, 0, 8)
	if err != nil {
		return 0, fmt.Errorf("protocol %q: neither a known name nor a number up to 255", name)
	}
	return uint8(n), nil
}

// Rule makes the rule, in the layout of the map.
func (m DeathMatch) Rule() (DeathRule, error) {
	r := DeathRule{
		Flags: DeathEnabled, Verdict: m.Verdict, Family: uint8(m.Family),
		LengthMin: m.LengthMin, LengthMax: m.LengthMax,
		PatternBase: m.Base, PatternOffset: m.Offset, PatternLength: uint8(len(m.Pattern)),
	}
	if m.Family != 0 && m.Family != 4 && m.Family != 6 {
		return DeathRule{}, fmt.Errorf("make rule: family %d: want 4, 6 or 0", m.Family)
	}
	if m.Verdict > DeathDrop {
		return DeathRule{}, fmt.Errorf("make rule: no verdict %d", m.Verdict)
	}
	if m.LengthMax != 0 && m.LengthMin > m.LengthMax {
		return DeathRule{}, fmt.Errorf("make rule: lengths %d to %d: the wrong way round", m.LengthMin, m.LengthMax)
	}
	if m.Protocol != "" {
		p, err := protocolNumber(m.Protocol)
		if err != nil {
			return DeathRule{}, fmt.Errorf("make rule: %w", err)
		}
		r.Protocol, r.Flags = p, r.Flags|DeathProtocol
	}
	err := errors.Join(
		setPrefix(&r.Source, &r.SourceMask, m.Source),
		setPrefix(&r.Destination, &r.DestinationMask, m.Destination),
		r.setPorts(&r.SourcePortMin, &r.SourcePortMax, m.SourcePorts, DeathSourcePort),
		r.setPorts(&r.DestinationPortMin, &r.DestinationPortMax, m.DestinationPorts, DeathDestinationPort),
		r.setPattern(m),
	)
	if err != nil {
		return DeathRule{}, fmt.Errorf("make rule: %w", err)
	}
	return r, nil
}

func setPrefix(addr, mask *[16]byte, p netip.Prefix) error {
	if p == (netip.Prefix{}) {
		return nil
	}
	if !p.IsValid() {
		return fmt.Errorf("invalid prefix %v", p)
	}
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	*addr = p.Addr().As16()
	for i := range mask {
		n := min(max(bits-8*i, 0), 8)
		mask[i] = byte(0xff << (8 - n))
		addr[i] &= mask[i]
	}
	return nil
}

func (r *DeathRule) setPorts(low, high *uint16, p *PortRange, flag uint8) error {
	if p == nil {
		return nil
	}
	if p.Min > p.Max {
		return fmt.Errorf("ports %d to %d: the wrong way round", p.Min, p.Max)
	}
	*low, *high = p.Min, p.Max
	r.Flags |= flag
	return nil
}

func (r *DeathRule) setPattern(m DeathMatch) error {
	if len(m.Pattern) > DeathPattern {
		return fmt.Errorf("pattern of %d bytes: at most %d", len(m.Pattern), DeathPattern)
	}
	if m.Mask != nil && len(m.Mask) != len(m.Pattern) {
		return fmt.Errorf("mask of %d bytes for a pattern of %d", len(m.Mask), len(m.Pattern))
	}
	if m.Base > DeathPayload {
		return fmt.Errorf("no pattern base %d", m.Base)
	}
	for i, b := range m.Pattern {
		r.PatternMask[i] = 0xff
		if m.Mask != nil {
			r.PatternMask[i] = m.Mask[i]
		}
		r.Pattern[i] = b & r.PatternMask[i]
	}
	return nil
}
