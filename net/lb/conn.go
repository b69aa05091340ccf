package lb

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
)

const slotSize = 16

// Parts of a slot's data (bpf/lib/lb.h).
const (
	connBackend  = 0xffffff
	connState    = 3 << 24
	connDatagram = 1 << 26
)

func untick(t uint32) time.Duration { return time.Duration(t) * tick }

// Connection is an entry of the connection table.
type Connection struct {
	// Client of IPv4; of an IPv6 client the table keeps a hash only.
	Client netip.AddrPort `json:"client,omitzero"`
	Hash   uint64         `json:"client_hash,omitempty"`
	// Frontend and Protocol, empty if the frontend is gone.
	Frontend netip.AddrPort `json:"frontend,omitzero"`
	Protocol string         `json:"protocol,omitempty"`
	Backend  netip.AddrPort `json:"backend"`
	// State is half-open, established or closing.
	State string `json:"state"`
	// Idle time, exact to about a second.
	Idle time.Duration `json:"idle_ns"`
}

var connStates = [4]string{"half-open", "established", "closing", "closing"}

// slots calls f for each used slot. The memory is shared with programs that
// run: a slot whose halves do not fit each other is met a moment later.
func (d *Dataplane) slots(f func(at []byte, tag, data uint64)) {
	for i := 0; i+slotSize <= len(d.conns); i += slotSize {
		s := d.conns[i : i+slotSize]
		data := binary.LittleEndian.Uint64(s[8:])
		if data != 0 {
			f(s, binary.LittleEndian.Uint64(s)^data, data)
		}
	}
}

// purge removes the connections of backends and frontends that are gone, so
// that their numbers can be used again.
func (d *Dataplane) purge() {
	d.slots(func(at []byte, tag, data uint64) {
		id := uint32(data & connBackend)
		if d.backends.used[id] && d.frontends.used[uint32(tag&0xffff)] {
			return
		}
		binary.LittleEndian.PutUint64(at[8:], 0)
		binary.LittleEndian.PutUint64(at, 0)
	})
}

// Connections calls yield for each remembered connection until it returns
// false.
func (d *Dataplane) Connections(yield func(Connection) bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	names := map[uint32]frontendKey{}
	for _, p := range d.pools {
		for k, id := range p.frontends {
			names[id] = k
		}
	}
	now, err := d.ticksNow()
	if err != nil {
		return err
	}
	more := true
	d.slots(func(_ []byte, tag, data uint64) {
		if !more {
			return
		}
		backend, _, _, _, _ := readBackend(d.backendAt(uint32(data & connBackend)))
		c := Connection{Backend: backend, State: connStates[data&connState>>24], Idle: untick(now - uint32(data>>32))}
		if k, ok := names[uint32(tag&0xffff)]; ok {
			c.Frontend, c.Protocol = k.addr, k.protocol.String()
			if k.addr.Addr().Is4() {
				c.Client = tagClient4(tag)
			} else {
				c.Hash = tag >> 16
			}
		}
		more = yield(c)
	})
	return nil
}

// Pressure says how full the connection table is.
type Pressure struct {
	Slots       int `json:"slots"`
	HalfOpen    int `json:"half_open"`
	Established int `json:"established"`
	Closing     int `json:"closing"`
	// Expired entries stand in slots that anybody may take.
	Expired int `json:"expired"`
}

// CountConnections counts the connection table, and writes to each backend how
// many it has, which is what least-connections goes by between counts.
func (d *Dataplane) CountConnections() (Pressure, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return Pressure{}, errClosed
	}
	now, err := d.ticksNow()
	if err != nil {
		return Pressure{}, err
	}
	p := Pressure{Slots: len(d.conns) / slotSize}
	active := map[uint32]uint32{}
	d.slots(func(_ []byte, _, data uint64) {
		state := data & connState >> 24
		limit := [4]time.Duration{d.cfg.HalfOpen, d.cfg.Established, d.cfg.Closing, d.cfg.Closing}[state]
		if state == 1 && data&connDatagram != 0 {
			limit = d.cfg.Datagram
		}
		switch {
		case now-uint32(data>>32) > ticks(limit):
			p.Expired++
			return
		case state == 0:
			p.HalfOpen++
		case state == 1:
			p.Established++
		default:
			p.Closing++
			return
		}
		active[uint32(data&connBackend)]++
	})
	for id := range d.backends.used {
		binary.LittleEndian.PutUint32(d.backendAt(id)[offActive:], active[id])
	}
	return p, nil
}

// ticksNow is the programs' clock. Both engines count from the machine's start
// (CLOCK_MONOTONIC), which Go does not show; a program tells.
func (d *Dataplane) ticksNow() (uint32, error) {
	p, err := d.coll.Program(bpf.LBClock)
	if err != nil {
		return 0, err
	}
	res, err := p.Run(&engine.RunInput{Data: make([]byte, 14), NoDataOut: true})
	return res.Return, err
}
