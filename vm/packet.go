package vm

import (
	"errors"
	"fmt"
	"sync"

	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/vm/internal/packet"
)

// MaxPacket is the largest packet in bytes that fits a [Packet].
const MaxPacket = packet.MaxPacket

// Packet is a packet in memory outside Go's heap, with room in front and
// behind for programs to grow it. One goroutine at a time.
type Packet struct {
	b    *packet.Buffer
	pool *packetPool
	// out says that the packet is not in the pool; the pool's mu guards it.
	out bool
}

// NewPacket takes a packet from the machine's pool and fills it with data, a
// frame from the Ethernet header on, which is copied. The caller releases it.
func (m *Machine) NewPacket(data []byte) (*Packet, error) {
	p := m.packets.get()
	if p == nil {
		return nil, fmt.Errorf("make packet: %w", host.ErrMemory)
	}
	if err := p.SetData(data); err != nil {
		p.Release()
		return nil, err
	}
	return p, nil
}

// SetData fills the packet anew: linear, without metadata.
func (p *Packet) SetData(data []byte) error {
	if e := p.b.Reset(data); e != 0 {
		return fmt.Errorf("packet of %d bytes: more than %d: %w", len(data), MaxPacket, e)
	}
	return nil
}

// Data is the packet from the Ethernet header on, borrowed until the packet is
// changed or released.
func (p *Packet) Data() []byte { return p.b.Bytes() }

// Meta is what XDP programs put in front of the packet with
// bpf_xdp_adjust_meta, borrowed.
func (p *Packet) Meta() []byte { return p.b.MetaBytes() }

// ClearMeta drops the metadata, as happens when a packet leaves the device that
// received it.
func (p *Packet) ClearMeta() { p.b.ClearMeta() }

// ClearTunnel forgets what a program set with bpf_skb_set_tunnel_key, as happens
// when a packet arrives at a device or gets a route.
func (p *Packet) ClearTunnel() { p.b.ClearTunnel() }

// PushVLAN moves the VLAN tag that m carries beside the packet into it, as a
// device does that sends the packet; without a tag it does nothing.
func (p *Packet) PushVLAN(m *SKBMeta) error { return errno(packet.PushTag(p.b, (*packet.Meta)(m))) }

// PopVLAN takes the outer VLAN tag out of the packet into m, as happens when a
// packet is received; without a tag it does nothing.
func (p *Packet) PopVLAN(m *SKBMeta) error { return errno(packet.PopTag(p.b, (*packet.Meta)(m))) }

// Release gives the packet back to its pool; it must not be used afterwards. It
// is safe on nil.
func (p *Packet) Release() {
	if p != nil {
		p.pool.put(p)
	}
}

// packetPool keeps the memory of packets for reuse.
type packetPool struct {
	memory *host.Budget

	mu     sync.Mutex
	free   []*Packet
	closed bool
}

// maxFree bounds how many packets wait for reuse.
const maxFree = 64

func (pp *packetPool) get() *Packet {
	pp.mu.Lock()
	if n := len(pp.free); n > 0 {
		p := pp.free[n-1]
		pp.free = pp.free[:n-1]
		p.out = true
		pp.mu.Unlock()
		return p
	}
	closed := pp.closed
	pp.mu.Unlock()
	if closed {
		return nil
	}
	mem, err := pp.memory.Map(packet.BufferMemory)
	if err != nil {
		return nil
	}
	return &Packet{b: packet.NewBuffer(mem), pool: pp, out: true}
}

func (pp *packetPool) put(p *Packet) {
	pp.mu.Lock()
	if !p.out {
		pp.mu.Unlock()
		return
	}
	p.out = false
	if len(pp.free) < maxFree && !pp.closed {
		pp.free = append(pp.free, p)
		pp.mu.Unlock()
		return
	}
	pp.mu.Unlock()
	_ = pp.memory.Unmap(p.b.Memory())
}

// buffer is get for helpers that clone packets.
func (pp *packetPool) buffer() *packet.Buffer {
	p := pp.get()
	if p == nil {
		return nil
	}
	return p.b
}

func (pp *packetPool) close() error {
	pp.mu.Lock()
	free := pp.free
	pp.free, pp.closed = nil, true
	pp.mu.Unlock()
	var errs []error
	for _, p := range free {
		errs = append(errs, pp.memory.Unmap(p.b.Memory()))
	}
	return errors.Join(errs...)
}
