package lb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/service"
)

// ErrNoBackend: the packet is for a service that has no backend for it.
var ErrNoBackend = errors.New("no backend")

// TCP flags of a picked packet.
const (
	flagFIN = 1
	flagSYN = 2
	flagACK = 16
)

// Pick runs the program on a connection's first packet, without sending
// anything, and returns the backend it chose: what a balancer in user space
// connects to. The connection is remembered as any other; [Dataplane.Established]
// and [Dataplane.Ended] say how it goes on.
func (d *Dataplane) Pick(p Packet) (netip.AddrPort, error) {
	if err := d.pass(p, flagSYN); err != nil {
		return netip.AddrPort{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return netip.AddrPort{}, errClosed
	}
	fe, err := d.getFrontend(frontendKey{p.Target, p.Protocol})
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("pick a backend of %v/%v: %w", p.Target, p.Protocol, err)
	}
	if data, ok := d.slot(connTag(p.Client, fe.ID, d.seed)); ok {
		addr, _, _, _, _ := readBackend(d.backendAt(uint32(data & connBackend)))
		return addr, nil
	}
	return netip.AddrPort{}, fmt.Errorf("pick a backend of %v/%v: %w", p.Target, p.Protocol, ErrNoBackend)
}

// Established and Ended pass the packets that follow a connection's first and
// that end it.
func (d *Dataplane) Established(p Packet) error { return d.pass(p, flagACK) }

// Ended tells that a connection is over.
func (d *Dataplane) Ended(p Packet) error { return d.pass(p, flagFIN|flagACK) }

// slot returns the data of a remembered connection.
func (d *Dataplane) slot(tag uint64) (uint64, bool) {
	bucket := d.conns[int(bucketOf(tag, d.seed, d.mask))*len(d.conns)/int(d.mask+1):]
	for at := 0; at < len(d.conns)/int(d.mask+1); at += slotSize {
		data := binary.LittleEndian.Uint64(bucket[at+8:])
		if data != 0 && binary.LittleEndian.Uint64(bucket[at:])^data == tag {
			return data, true
		}
	}
	return 0, false
}

// pass runs the program on a packet with nothing in it.
func (d *Dataplane) pass(p Packet, flags byte) error {
	prog, err := d.Program()
	if err != nil {
		return err
	}
	_, err = prog.Run(&engine.RunInput{Data: p.frame(flags), NoDataOut: true})
	return err
}

// frame is the shortest frame that is such a packet. Nobody looks at its
// checksums.
func (p Packet) frame(flags byte) []byte {
	l4 := make([]byte, 20)
	binary.BigEndian.PutUint16(l4, p.Client.Port())
	binary.BigEndian.PutUint16(l4[2:], p.Target.Port())
	if p.Protocol == service.TCP {
		l4[12], l4[13] = 5<<4, flags
	}
	b := make([]byte, 12, 74)
	if p.Target.Addr().Is4() {
		b = append(b, 8, 0, 0x45, 0, 0, byte(20+len(l4)), 0, 0, 0, 0, 64, byte(p.Protocol), 0, 0)
	} else {
		b = append(b, 0x86, 0xdd, 6<<4, 0, 0, 0, 0, byte(len(l4)), byte(p.Protocol), 64)
	}
	b = append(b, p.Client.Addr().AsSlice()...)
	b = append(b, p.Target.Addr().AsSlice()...)
	return append(b, l4...)
}
