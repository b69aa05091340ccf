package lb

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
)

// Counters count what went to a backend, or to all of a pool.
type Counters struct {
	Packets     uint64 `json:"packets"`
	Bytes       uint64 `json:"bytes"`
	Connections uint64 `json:"connections"`
}

func (c *Counters) add(o Counters) {
	c.Packets += o.Packets
	c.Bytes += o.Bytes
	c.Connections += o.Connections
}

// PoolStats are the counters of a pool and its backends.
type PoolStats struct {
	Pool     string         `json:"pool"`
	Total    Counters       `json:"total"`
	Backends []BackendStats `json:"backends"`
}

// BackendStats are those of one backend. Active connections are as of the last
// count.
type BackendStats struct {
	Addr   netip.AddrPort `json:"address"`
	Active uint32         `json:"active"`
	Counters
}

// Stats reads all counters. Those of a backend begin when it joins its pool.
func (d *Dataplane) Stats() ([]PoolStats, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	var out []PoolStats
	for name, p := range d.pools {
		s := PoolStats{Pool: name}
		for addr, id := range p.backends {
			c, err := d.counters(id)
			if err != nil {
				return nil, fmt.Errorf("read counters of %s: %w", name, err)
			}
			_, _, _, _, active := readBackend(d.backendAt(id))
			s.Backends = append(s.Backends, BackendStats{addr, active, c})
			s.Total.add(c)
		}
		slices.SortFunc(s.Backends, func(a, b BackendStats) int { return a.Addr.Compare(b.Addr) })
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b PoolStats) int { return cmp.Compare(a.Pool, b.Pool) })
	return out, nil
}

func (d *Dataplane) counters(id uint32) (Counters, error) {
	m, err := d.coll.Map(bpf.LBCountersMap)
	if err != nil {
		return Counters{}, err
	}
	var sum Counters
	value := make([]byte, m.Info().ValueBytes)
	if err := m.Lookup(binary.LittleEndian.AppendUint32(nil, id), value, 0); err != nil {
		return Counters{}, err
	}
	for at := 0; at+24 <= len(value); at += 24 {
		sum.add(Counters{binary.LittleEndian.Uint64(value[at:]), binary.LittleEndian.Uint64(value[at+8:]), binary.LittleEndian.Uint64(value[at+16:])})
	}
	return sum, nil
}

func (d *Dataplane) resetCounters(id uint32) error {
	m, err := d.coll.Map(bpf.LBCountersMap)
	if err != nil {
		return err
	}
	return m.Update(binary.LittleEndian.AppendUint32(nil, id), make([]byte, m.Info().ValueBytes), 0)
}

// Reason is a count of packets that were dropped, or were remarkable.
type Reason struct {
	Name    string `json:"reason"`
	Dropped bool   `json:"dropped"`
	Packets uint64 `json:"packets"`
}

// Reasons reads why packets were dropped.
func (d *Dataplane) Reasons() ([]Reason, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	m, err := d.coll.Map(bpf.LBReasonMap)
	if err != nil {
		return nil, err
	}
	value := make([]byte, m.Info().ValueBytes)
	var out []Reason
	for i, name := range bpf.LBReasons() {
		if err := m.Lookup(binary.LittleEndian.AppendUint32(nil, uint32(i)), value, 0); err != nil {
			return nil, err
		}
		r := Reason{Name: name, Dropped: bpf.LBDropped(i)}
		for at := 0; at+8 <= len(value); at += 8 {
			r.Packets += binary.LittleEndian.Uint64(value[at:])
		}
		out = append(out, r)
	}
	return out, nil
}

// Unresolved returns the addresses that packets could not be sent to because
// the next hop's hardware address is not known, and forgets them. Whoever sends
// something there makes the host find it out.
func (d *Dataplane) Unresolved() ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	d.asked = 0
	v, err := view[[16]byte, uint32](d, bpf.LBUnresolvedMap)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for a := range v.All(&err) {
		out = append(out, netip.AddrFrom16(a).Unmap())
	}
	for _, a := range out {
		if e := v.Delete(a.As16()); !errors.Is(e, engine.ErrKeyNotExist) {
			err = errors.Join(err, e)
		}
	}
	return out, err
}

// maxAsked is how many addresses are asked for between two looks: the table
// holds no more, and what is missing shows when packets come.
const maxAsked = 1024

// askFor puts an address among the unresolved before the first packet does.
func (d *Dataplane) askFor(a netip.Addr) error {
	if d.asked >= maxAsked {
		return nil
	}
	d.asked++
	v, err := view[[16]byte, uint32](d, bpf.LBUnresolvedMap)
	if err != nil {
		return err
	}
	return v.Put(a.As16(), 0)
}
