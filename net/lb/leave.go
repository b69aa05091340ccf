package lb

import (
	"net/netip"
	"slices"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/net/service"
)

// leave takes backends out that their service no longer names. With a draining
// time they keep their connections that long, else the next packet of each finds
// another backend.
func (d *Dataplane) leave(have *pool, p *service.Pool, gone []netip.AddrPort) {
	for _, addr := range gone {
		if p.Draining <= 0 {
			d.end(have, addr)
			continue
		}
		id := have.backends[addr]
		d.backendAt(id)[offState] = bpf.LBKept
		if !slices.ContainsFunc(d.leaving, func(l leaving) bool { return l.id == id }) {
			d.leaving = append(d.leaving, leaving{have.name(), addr, id, d.now().Add(p.Draining)})
		}
	}
}

// stay takes back that a backend leaves.
func (d *Dataplane) stay(id uint32) {
	d.leaving = slices.DeleteFunc(d.leaving, func(l leaving) bool { return l.id == id })
}

// end is the last of a backend.
func (d *Dataplane) end(have *pool, addr netip.AddrPort) {
	id := have.backends[addr]
	d.backendAt(id)[offState] = bpf.LBGone
	delete(have.backends, addr)
	d.stay(id)
	d.backends.give(id)
}

// Expire ends the backends whose draining time is over, and returns when the
// next one's is, or the zero time.
func (d *Dataplane) Expire() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return time.Time{}
	}
	var next time.Time
	now := d.now()
	for _, l := range slices.Clone(d.leaving) {
		if now.Before(l.until) {
			if next.IsZero() || l.until.Before(next) {
				next = l.until
			}
			continue
		}
		if p := d.pools[l.pool]; p != nil && p.backends[l.addr] == l.id {
			d.end(p, l.addr)
		}
		d.stay(l.id)
	}
	return next
}
