package vm

import (
	"fmt"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/packet"
)

// RunXDP runs an XDP program on a live packet, which it may change. meta may be
// nil. The packet is linear. An error means that the packet is to be dropped;
// it allocates only then, and for clones.
func (p *Program) RunXDP(pk *Packet, meta *XDPMeta) (Verdict, error) {
	if p.spec.Type != abi.ProgXDP {
		return Verdict{}, fmt.Errorf("run program %s: it is a %s program, not xdp", p.spec.Name, p.spec.Type)
	}
	c, err := p.begin()
	if err != nil {
		return Verdict{}, err
	}
	defer c.release()
	return c.runXDP(p, pk, meta)
}

// RunXDPBatch runs an XDP program on live packets one after the other, on one
// virtual CPU: it saves finding one for each. out, as long as packets, receives
// their verdicts. An error concerns packets[n], which is to be dropped; the
// packets before it have their verdicts, and those behind it were not run.
// meta, which may be nil, is of all of them.
func (p *Program) RunXDPBatch(packets []*Packet, meta *XDPMeta, out []Verdict) (n int, err error) {
	if p.spec.Type != abi.ProgXDP {
		return 0, fmt.Errorf("run program %s: it is a %s program, not xdp", p.spec.Name, p.spec.Type)
	}
	if len(out) < len(packets) {
		return 0, fmt.Errorf("run program %s: %d packets, and room for %d verdicts", p.spec.Name, len(packets), len(out))
	}
	for len(packets) > 0 {
		// Others want a turn, and what is freed waits for runs to end.
		turn := packets[:min(len(packets), maxBatch)]
		packets = packets[len(turn):]
		c, err := p.begin()
		if err != nil {
			return n, err
		}
		for _, pk := range turn {
			if out[n], err = c.runXDP(p, pk, meta); err != nil {
				c.release()
				return n, err
			}
			n++
		}
		c.release()
	}
	return n, nil
}

// maxBatch bounds the packets that a virtual CPU is kept for.
const maxBatch = 64

func (c *cpu) runXDP(p *Program, pk *Packet, meta *XDPMeta) (Verdict, error) {
	c.xdp = packet.XDP{Buffer: pk.b, Devmap: p.devmap()}
	if meta != nil {
		c.xdp.IngressIfIndex, c.xdp.RxQueueIndex, c.xdp.EgressIfIndex = meta.IngressIfIndex, meta.RxQueueIndex, meta.EgressIfIndex
	}
	pk.b.FrameXDP(liveFrame(pk.b.Len()))
	c.t.SetPacket(pk.b, &c.xdp)
	c.t.XDP = &c.xdp
	return c.verdict(p)
}

// liveFrame is the size of the frame a live packet lies in: a page, as in
// drivers, or for longer packets all there is.
func liveFrame(n int) int {
	const page = 4096
	if n <= page-packet.XDPHeadroom-packet.SharedInfo {
		return page
	}
	return packet.BufferMemory
}

func (p *Program) devmap() bool { return p.spec.AttachType == abi.AttachXDPDevMap }

// RunSKB runs a tc, socket filter, cgroup-skb or lightweight-tunnel program on
// a live packet and its metadata, both of which it may change. The packet
// holds a frame from the Ethernet header on; programs above the link layer
// start at the network header. Errors as [Program.RunXDP].
func (p *Program) RunSKB(pk *Packet, meta *SKBMeta) (Verdict, error) {
	if !isSKB(p.spec.Type) {
		return Verdict{}, fmt.Errorf("run program %s: it is a %s program, which does not run on socket buffers", p.spec.Name, p.spec.Type)
	}
	c, err := p.begin()
	if err != nil {
		return Verdict{}, err
	}
	defer c.release()
	if e := c.skb.Begin(pk.b, (*packet.Meta)(meta), p.spec.Type); e != 0 {
		return Verdict{}, fmt.Errorf("run program %s: packet of %d bytes: %w", p.spec.Name, pk.b.Len(), e)
	}
	if !meta.Ingress {
		c.skb.MTU, _ = p.m.mtu(meta.IfIndex)
	}
	c.t.SetPacket(pk.b, &c.skb)
	c.t.SKB = &c.skb
	v, err := c.verdict(p)
	c.skb.End()
	return v, err
}

func isSKB(t abi.ProgramType) bool {
	switch t {
	case abi.ProgSchedCLS, abi.ProgSchedACT, abi.ProgSocketFilter, abi.ProgCgroupSKB,
		abi.ProgLWTIn, abi.ProgLWTOut, abi.ProgLWTXmit, abi.ProgLWTSeg6local:
		return true
	}
	return false
}

// begin takes a virtual CPU for a run of p.
func (p *Program) begin() (*cpu, error) { return p.beginOn(p.m.cpus) }

func (p *Program) beginOn(cpus []*cpu) (*cpu, error) {
	return p.begun(p.m.acquire(cpus))
}

// begun takes a virtual CPU, which may be nil, for a run of p.
func (p *Program) begun(c *cpu) (*cpu, error) {
	if c == nil {
		return nil, fmt.Errorf("run program %s: machine %w", p.spec.Name, ErrClosed)
	}
	if p.refs.Load() <= 0 {
		c.release()
		return nil, fmt.Errorf("run program %s: %w", p.spec.Name, ErrClosed)
	}
	return c, nil
}

// verdict runs p on what the thread was given.
func (c *cpu) verdict(p *Program) (Verdict, error) {
	out := &c.t.Out
	out.Reset()
	ret, err := c.t.Run(p.i)
	c.t.ClearPacket()
	if err != nil {
		p.m.drop(out)
		return Verdict{}, p.m.stopped(err)
	}
	v := Verdict{Return: uint32(ret)}
	if out.Redirect.Kind != interp.RedirectNone {
		v.Redirect = redirectOf(&out.Redirect)
	}
	if out.Clones != nil {
		v.Clones = p.m.clones(out.Clones)
		out.Clones = nil // they are the caller's
	}
	return v, nil
}

func redirectOf(r *interp.Redirect) Redirect {
	out := Redirect{
		Kind: RedirectKind(r.Kind), IfIndex: r.IfIndex, Flags: r.Flags, Key: r.Key, Value: r.Value,
		NextHopFamily: r.NextHopFamily, NextHop: r.NextHop,
	}
	if r.Map != nil {
		out.Map, _ = r.Map.Owner.(*Map)
	}
	return out
}

func (m *Machine) clones(in []interp.Clone) []Clone {
	out := make([]Clone, len(in))
	for i, c := range in {
		out[i] = Clone{IfIndex: c.IfIndex, Flags: c.Flags, Packet: &Packet{b: c.Buffer, pool: &m.packets, out: true}}
	}
	return out
}
