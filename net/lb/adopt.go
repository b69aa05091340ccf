package lb

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/service"
)

// found is what an earlier process left in the tables: pools by the number they
// had. Their names are lost with the process; a pool is known again by its
// frontends.
type found struct {
	pools   map[uint32]*pool
	entries map[frontendKey]bpf.LBFrontend
	lists   map[uint32]*service.Pool
}

// take gives up the pool that has one of p's frontends, or returns nil.
func (f *found) take(p *service.Pool) *pool {
	id := f.id(p)
	have := f.pools[id]
	if have == nil {
		return nil
	}
	have.want = p
	delete(f.pools, id)
	delete(f.lists, id)
	for k := range have.frontends {
		delete(f.entries, k)
	}
	return have
}

func (f *found) id(p *service.Pool) uint32 {
	if f == nil {
		return 0
	}
	for _, fr := range p.Frontends {
		if e, ok := f.entries[frontendKey{fr.Addr, p.Protocol}]; ok {
			return e.Pool
		}
	}
	return 0
}

// resembling returns what was found of p, as far as the tables say.
func (f *found) resembling(p *service.Pool) *service.Pool {
	id := f.id(p)
	if id == 0 {
		return nil
	}
	have := *f.lists[id]
	have.Service, have.Port, have.Scope, have.Family = p.Service, p.Port, p.Scope, p.Family
	have.Forward, have.Sources, have.MaxTable, have.QUIC = p.Forward, p.Sources, p.MaxTable, p.QUIC
	// What the tables do not tell apart counts as the same.
	for i := range have.Frontends {
		for _, w := range p.Frontends {
			if w.Addr == have.Frontends[i].Addr {
				have.Frontends[i].Kind, have.Frontends[i].Restricted = w.Kind, w.Restricted
			}
		}
	}
	for i := range have.Backends {
		b := &have.Backends[i]
		for _, w := range p.Backends {
			if w.Addr == b.Addr && w.Picked() == (b.State == service.Active) {
				b.State = w.State
			}
		}
	}
	return &have
}

// adopt reads the tables and marks what is in use.
func (d *Dataplane) adopt() error {
	f := &found{pools: map[uint32]*pool{}, entries: map[frontendKey]bpf.LBFrontend{}, lists: map[uint32]*service.Pool{}}
	d.found = f
	if err := d.readFrontends(f.entries); err != nil {
		return fmt.Errorf("read the frontends that are there: %w", err)
	}
	for k, e := range f.entries {
		d.frontends.claim(e.ID)
		if e.Pool == 0 { // an address itself
			d.echoIDs[k.addr.Addr()] = e.ID
			delete(f.entries, k)
			continue
		}
		p := f.pools[e.Pool]
		if p == nil {
			p = &pool{
				id: e.Pool, frontends: map[frontendKey]uint32{}, sources: map[frontendKey][]netip.Prefix{},
				backends: map[netip.AddrPort]uint32{}, quic: map[uint16]uint32{}, table: e.Table, size: e.Size,
			}
			f.pools[e.Pool] = p
			f.lists[e.Pool] = &service.Pool{Protocol: k.protocol, Algorithm: algorithmOf(e.Algorithm), Affinity: untick(e.Affinity)}
			d.poolIDs.claim(e.Pool)
			d.slab.claim(e.Table, e.Size)
		}
		p.frontends[k] = e.ID
		f.lists[e.Pool].Frontends = append(f.lists[e.Pool].Frontends, service.Frontend{Addr: k.addr})
	}
	d.adoptBackends(f)
	return errors.Join(d.adoptSources(f), d.adoptQUIC(f))
}

func algorithmOf(n uint8) service.Algorithm {
	for a, m := range algorithms {
		if m == n {
			return a
		}
	}
	return ""
}

func (d *Dataplane) readFrontends(into map[frontendKey]bpf.LBFrontend) error {
	v4, err := view[bpf.LBFrontend4Key, bpf.LBFrontend](d, bpf.LBFrontend4Map)
	if err != nil {
		return err
	}
	for k, e := range v4.All(&err) {
		into[frontendKey{netip.AddrPortFrom(netip.AddrFrom4(k.Address), uint16(k.Port[0])<<8|uint16(k.Port[1])), service.Protocol(k.Protocol)}] = e
	}
	if err != nil {
		return err
	}
	v6, err := view[bpf.LBFrontend6Key, bpf.LBFrontend](d, bpf.LBFrontend6Map)
	if err != nil {
		return err
	}
	for k, e := range v6.All(&err) {
		into[frontendKey{netip.AddrPortFrom(netip.AddrFrom16(k.Address), uint16(k.Port[0])<<8|uint16(k.Port[1])), service.Protocol(k.Protocol)}] = e
	}
	return err
}

// adoptBackends finds the backends of each pool; those of none are ended.
func (d *Dataplane) adoptBackends(f *found) {
	for id := uint32(1); int(id+1)*backendSize <= len(d.backs); id++ {
		m := d.backendAt(id)
		addr, state, weight, poolID, _ := readBackend(m)
		if state == bpf.LBGone {
			if poolID != 0 {
				// Connections may still refer to it.
				d.backends.claim(id)
				d.backends.give(id)
			}
			continue
		}
		p := f.pools[poolID]
		if p == nil {
			if !d.peeking {
				m[offState] = bpf.LBGone
			}
			d.backends.claim(id)
			d.backends.give(id)
			continue
		}
		d.backends.claim(id)
		p.backends[addr] = id
		b := service.Backend{Addr: addr, Weight: weight}
		if state != bpf.LBActive && weight > 0 {
			b.State = service.Draining
		}
		f.lists[poolID].Backends = append(f.lists[poolID].Backends, b)
	}
}

func (d *Dataplane) adoptSources(f *found) error {
	v, err := view[bpf.LBSourceKey, uint32](d, bpf.LBSourceMap)
	if err != nil {
		return err
	}
	at := map[uint32]frontendKey{}
	for k, e := range f.entries {
		at[e.ID] = k
	}
	var stale []bpf.LBSourceKey
	for k := range v.All(&err) {
		fk, ok := at[k.Frontend]
		if !ok {
			stale = append(stale, k)
			continue
		}
		a, bits := netip.AddrFrom16(k.Address), int(k.Prefix)-32
		if a.Is4In6() {
			a, bits = a.Unmap(), bits-96
		}
		p := f.pools[f.entries[fk].Pool]
		p.sources[fk] = append(p.sources[fk], netip.PrefixFrom(a, bits))
	}
	for _, k := range stale {
		if d.peeking {
			break
		}
		err = errors.Join(err, v.Delete(k))
	}
	return err
}

func (d *Dataplane) adoptQUIC(f *found) error {
	v, err := view[bpf.LBQUICKey, uint32](d, bpf.LBQUICMap)
	if err != nil {
		return err
	}
	var stale []bpf.LBQUICKey
	for k, id := range v.All(&err) {
		if p := f.pools[k.Pool]; p != nil {
			p.quic[uint16(k.Server)] = id
		} else {
			stale = append(stale, k)
		}
	}
	for _, k := range stale {
		if d.peeking {
			break
		}
		err = errors.Join(err, v.Delete(k))
	}
	return err
}

// Settle removes what an earlier process left and no Apply since Open has taken
// over. It is called once all services have been applied.
func (d *Dataplane) Settle() ([]Step, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	steps := d.leftovers()
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(d.found.pools)) {
		p := d.found.pools[id]
		p.want = d.found.lists[id]
		for k := range maps.Clone(p.frontends) {
			errs = append(errs, d.dropFrontend(p, k))
		}
		for addr := range maps.Clone(p.backends) {
			d.end(p, addr)
		}
		errs = append(errs, d.writeQUIC(p, &service.Pool{}))
		d.slab.give(p.table, p.size, d.now())
		d.poolIDs.give(id)
	}
	for a, id := range d.echoIDs {
		if d.echoes[a] == 0 {
			err := d.deleteFrontend(frontendKey{addr: netip.AddrPortFrom(a, 0)})
			if !errors.Is(err, engine.ErrKeyNotExist) {
				errs = append(errs, err)
			}
			d.frontends.give(id)
			delete(d.echoIDs, a)
		}
	}
	d.found = &found{}
	return steps, errors.Join(errs...)
}

// Leftovers lists what Settle would remove, given the pools that will be
// applied before.
func (d *Dataplane) Leftovers(applied []*service.Pool) []Step {
	d.mu.Lock()
	defer d.mu.Unlock()
	keep := map[uint32]bool{}
	for _, p := range applied {
		keep[d.found.id(p)] = true
	}
	return slices.DeleteFunc(d.leftovers(), func(s Step) bool { return keep[poolNumber(s.Pool)] })
}

func (d *Dataplane) leftovers() []Step {
	var steps []Step
	for _, id := range slices.Sorted(maps.Keys(d.found.pools)) {
		old := *d.found.lists[id]
		old.Service, old.Port = fmt.Sprintf("unknown/%d", id), "?"
		slices.SortFunc(old.Frontends, func(a, b service.Frontend) int { return cmp.Or(a.Addr.Compare(b.Addr)) })
		steps = append(steps, diff(&old, nil)...)
	}
	return steps
}

func poolNumber(name string) uint32 {
	var n uint32
	_, _ = fmt.Sscanf(name, "unknown/%d", &n)
	return n
}
