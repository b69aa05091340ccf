package lb

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/maglev"
	"github.com/skepdev/skep/net/service"
)

// Step is one thing that an update does.
type Step struct {
	// Op is add, change or remove; Kind is pool, frontend or backend.
	Op   string `json:"op"`
	Kind string `json:"kind"`
	Pool string `json:"pool"`
	What string `json:"what"`
}

func (s Step) String() string {
	sign := map[string]string{"add": "+", "change": "~", "remove": "-"}[s.Op]
	if s.Kind == "pool" {
		return sign + " " + s.Pool + " " + s.What
	}
	return fmt.Sprintf("%s   %s %s", sign, s.Kind, s.What)
}

// pool is what the tables hold of a service.Pool.
type pool struct {
	id        uint32
	want      *service.Pool
	frontends map[frontendKey]uint32 // ids
	sources   map[frontendKey][]netip.Prefix
	backends  map[netip.AddrPort]uint32
	table     uint32
	size      uint32
	quic      map[uint16]uint32
}

// leaving is a backend that is gone from its service and keeps its connections
// for a while.
type leaving struct {
	pool  string
	addr  netip.AddrPort
	id    uint32
	until time.Time
}

// Apply makes the pools of one service what the tables hold of it; none removes
// the service. key is the service's, as in package service. It returns what was
// done; when it fails in between, the rest of the service stays as it was, and
// another Apply mends it.
func (d *Dataplane) Apply(key string, pools []*service.Pool) ([]Step, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	var steps []Step
	var errs []error
	var names []string
	for _, p := range pools {
		names = append(names, p.Name())
	}
	d.rename(key, pools, names)
	for _, p := range pools {
		s, err := d.applyPool(p)
		steps = append(steps, s...)
		if err != nil {
			errs = append(errs, fmt.Errorf("apply %s: %w", p.Name(), err))
		}
	}
	for _, old := range d.services[key] {
		if !slices.Contains(names, old) {
			s, err := d.removePool(old)
			steps = append(steps, s...)
			errs = append(errs, err)
		}
	}
	if d.services[key] = names; len(names) == 0 {
		delete(d.services, key)
	}
	return steps, errors.Join(errs...)
}

// rename lets a pool that has a frontend of one that its service no longer has
// take that one over, with its connections: a port was given another name.
func (d *Dataplane) rename(key string, pools []*service.Pool, names []string) {
	for _, p := range pools {
		if d.pools[p.Name()] != nil {
			continue
		}
		for _, f := range p.Frontends {
			owner := d.owners[frontendKey{f.Addr, p.Protocol}]
			have := d.pools[owner]
			if have == nil || slices.Contains(names, owner) || !slices.Contains(d.services[key], owner) {
				continue
			}
			delete(d.pools, owner)
			d.pools[p.Name()] = have
			for k := range have.frontends {
				d.owners[k] = p.Name()
			}
			for i := range d.leaving {
				if d.leaving[i].pool == owner {
					d.leaving[i].pool = p.Name()
				}
			}
			break
		}
	}
}

// Plan says what Apply would do, and does nothing.
func (d *Dataplane) Plan(key string, pools []*service.Pool) []Step {
	d.mu.Lock()
	defer d.mu.Unlock()
	var steps []Step
	var names []string
	for _, p := range pools {
		names = append(names, p.Name())
		steps = append(steps, diff(d.current(p), p)...)
	}
	for _, old := range d.services[key] {
		if !slices.Contains(names, old) {
			steps = append(steps, diff(d.pools[old].want, nil)...)
		}
	}
	return steps
}

// current is what the tables hold of a pool: what was applied, or what an
// earlier process left; nil if nothing.
func (d *Dataplane) current(p *service.Pool) *service.Pool {
	if have := d.pools[p.Name()]; have != nil {
		return have.want
	}
	return d.found.resembling(p)
}

// diff lists the steps from one state of a pool to another; either may be nil.
func diff(from, to *service.Pool) []Step {
	var steps []Step
	some := cmpOr(to, from)
	add := func(op, kind, what string) { steps = append(steps, Step{op, kind, some.Name(), what}) }
	if from == nil {
		add("add", "pool", describe(to))
		from = &service.Pool{}
	} else if to == nil {
		add("remove", "pool", describe(from))
		to = &service.Pool{}
	} else if a, b := describe(from), describe(to); a != b {
		add("change", "pool", a+" → "+b)
	}
	for _, f := range to.Frontends {
		if !slices.Contains(from.Frontends, f) {
			add("add", "frontend", f.Addr.String()+" "+f.Kind)
		}
	}
	for _, f := range from.Frontends {
		if !slices.Contains(to.Frontends, f) {
			add("remove", "frontend", f.Addr.String()+" "+f.Kind)
		}
	}
	old := map[netip.AddrPort]service.Backend{}
	for _, b := range from.Backends {
		old[b.Addr] = b
	}
	for _, b := range to.Backends {
		o, ok := old[b.Addr]
		delete(old, b.Addr)
		switch {
		case !ok:
			add("add", "backend", describeBackend(b))
		case o.Weight != b.Weight || o.State != b.State:
			add("change", "backend", describeBackend(o)+" → "+describeBackend(b))
		}
	}
	for _, b := range slices.SortedFunc(maps.Values(old), func(a, b service.Backend) int { return a.Addr.Compare(b.Addr) }) {
		add("remove", "backend", describeBackend(b))
	}
	return steps
}

func cmpOr[T any](a, b *T) *T {
	if a == nil {
		return b
	}
	return a
}

func describe(p *service.Pool) string {
	s := string(p.Algorithm)
	if p.Forward != "" {
		s += " by " + string(p.Forward)
	}
	if p.Affinity > 0 {
		s += " affinity " + p.Affinity.String()
	}
	if len(p.Sources) > 0 {
		s += fmt.Sprintf(" from %v", p.Sources)
	}
	return s
}

func describeBackend(b service.Backend) string {
	s := b.Addr.String()
	if b.Weight != 1 {
		s += fmt.Sprintf(" weight %d", b.Weight)
	}
	if b.State != service.Active {
		s += " " + b.State.String()
	}
	return s
}

func (d *Dataplane) applyPool(p *service.Pool) ([]Step, error) {
	name := p.Name()
	for _, f := range p.Frontends {
		k := frontendKey{f.Addr, p.Protocol}
		if owner, ok := d.owners[k]; ok && owner != name {
			return nil, fmt.Errorf("%v belongs to %s already", k, owner)
		}
	}
	if err := d.forwardable(p); err != nil {
		return nil, err
	}
	steps := diff(d.current(p), p)
	have := d.pools[name]
	if have == nil {
		var err error
		if have, err = d.newPool(p); err != nil {
			return nil, err
		}
		d.pools[name] = have
	} else if len(steps) == 0 && samePool(have.want, p) {
		have.want = p
		return nil, nil
	}
	gone, err := d.writeBackends(have, p)
	if err != nil {
		return nil, err
	}
	oldTable, oldSize := have.table, have.size
	if err := d.writeTable(have, p); err != nil {
		return nil, err
	}
	if err := d.writeFrontends(have, p); err != nil {
		return nil, err
	}
	d.slab.give(oldTable, oldSize, d.now())
	have.want = p
	if err := d.writeQUIC(have, p); err != nil {
		return nil, err
	}
	d.leave(have, p, gone)
	return steps, nil
}

// samePool compares what diff does not look at.
func samePool(a, b *service.Pool) bool {
	return a.MaxTable == b.MaxTable && maps.Equal(a.QUIC, b.QUIC) && slices.Equal(a.Sources, b.Sources)
}

// forwardable refuses early what programs could only drop.
func (d *Dataplane) forwardable(p *service.Pool) error {
	forward := p.Forward
	orDefault(&forward, d.cfg.Forward)
	if forward != service.ForwardNAT {
		return nil
	}
	for _, b := range p.Backends {
		to4 := b.Addr.Addr().Is4()
		if from4 := p.Family == 4; from4 == to4 {
			continue // sockets need no address of ours
		}
		if to4 && !d.cfg.Source4.IsValid() || !to4 && !d.cfg.Source6.IsValid() && !d.cfg.Prefix6.IsValid() {
			return &engine.NotSupportedError{
				Feature: fmt.Sprintf("translation to backend %v", b.Addr), Reason: "the balancer has no address of that family to translate to",
				Remedy: "give it one (skep up --source4, --source6), or backends of the frontend's family",
			}
		}
	}
	return nil
}

func (d *Dataplane) newPool(p *service.Pool) (*pool, error) {
	if adopted := d.found.take(p); adopted != nil {
		return adopted, nil
	}
	id, _, err := d.poolIDs.take(func() {})
	if err != nil {
		return nil, err
	}
	return &pool{
		id: id, want: p, frontends: map[frontendKey]uint32{}, sources: map[frontendKey][]netip.Prefix{},
		backends: map[netip.AddrPort]uint32{}, quic: map[uint16]uint32{},
	}, nil
}

// writeBackends writes new backends and states; it returns those that are no
// longer wanted, untouched.
func (d *Dataplane) writeBackends(have *pool, p *service.Pool) (gone []netip.AddrPort, err error) {
	forward := p.Forward
	orDefault(&forward, d.cfg.Forward)
	wanted := map[netip.AddrPort]bool{}
	for i := range p.Backends {
		b := &p.Backends[i]
		wanted[b.Addr] = true
		state := uint8(bpf.LBKept)
		if b.Picked() {
			state = bpf.LBActive
		}
		if id, ok := have.backends[b.Addr]; ok {
			m := d.backendAt(id)
			m[offForward], m[offWeight], m[offState] = forwards[forward], b.Weight, state
			d.stay(id)
			continue
		}
		id, again, err := d.backends.take(d.purge)
		if err != nil {
			return nil, err
		}
		writeBackend(d.backendAt(id), b.Addr, forwards[forward], state, b.Weight, have.id)
		if err := d.askFor(b.Addr.Addr()); err != nil {
			return nil, err
		}
		if again {
			if err := d.resetCounters(id); err != nil {
				return nil, err
			}
		}
		have.backends[b.Addr] = id
	}
	for addr := range have.backends {
		if !wanted[addr] {
			gone = append(gone, addr)
		}
	}
	slices.SortFunc(gone, netip.AddrPort.Compare)
	return gone, nil
}

// writeTable builds the Maglev table in fresh room of the slab.
func (d *Dataplane) writeTable(have *pool, p *service.Pool) error {
	var entries []maglev.Backend
	for i := range p.Backends {
		if b := &p.Backends[i]; b.Picked() {
			name, _ := b.Addr.MarshalBinary()
			entries = append(entries, maglev.Backend{ID: have.backends[b.Addr], Hash: maglev.Hash(name), Weight: uint32(b.Weight)})
		}
	}
	if len(entries) == 0 {
		have.table, have.size = 0, 0
		return nil
	}
	size := maglev.Size(len(entries), p.MaxTable)
	at, err := d.slab.take(size, d.now())
	if err != nil {
		return err
	}
	if cap(d.scratch) < int(size) {
		d.scratch = make([]uint32, size)
	}
	table := d.builder.Build(d.scratch[:size], entries)
	mem := d.maglev[at*4:]
	for i, id := range table {
		mem[i*4], mem[i*4+1], mem[i*4+2], mem[i*4+3] = byte(id), byte(id>>8), byte(id>>16), byte(id>>24)
	}
	have.table, have.size = at, size
	return nil
}

// writeFrontends points the frontends at the new table; each entry changes as a
// whole.
func (d *Dataplane) writeFrontends(have *pool, p *service.Pool) error {
	wanted := map[frontendKey]bool{}
	for _, f := range p.Frontends {
		k := frontendKey{f.Addr, p.Protocol}
		wanted[k] = true
		id, err := d.frontendID(have, k)
		if err != nil {
			return err
		}
		e := bpf.LBFrontend{ID: id, Pool: have.id, Table: have.table, Size: have.size, Affinity: ticks(p.Affinity), Algorithm: algorithms[p.Algorithm]}
		if p.Affinity > 0 {
			e.Flags |= bpf.LBAffinity
		}
		if len(p.QUIC) > 0 && p.Protocol == service.UDP {
			e.Flags |= bpf.LBQUIC
		}
		if f.Restricted {
			e.Flags |= bpf.LBSources
			if err := d.writeSources(have, k, id, p.Sources); err != nil {
				return err
			}
		} else if err := d.writeSources(have, k, id, nil); err != nil {
			return err
		}
		if err := d.putFrontend(k, e); err != nil {
			return fmt.Errorf("frontend %v: %w", k, err)
		}
	}
	for k := range have.frontends {
		if !wanted[k] {
			if err := d.dropFrontend(have, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Dataplane) frontendID(have *pool, k frontendKey) (uint32, error) {
	if id, ok := have.frontends[k]; ok {
		if _, owned := d.owners[k]; !owned { // adopted
			d.owners[k] = have.name()
			return id, d.countAddress(k.addr.Addr(), 1)
		}
		return id, nil
	}
	id, _, err := d.frontends.take(d.purge)
	if err != nil {
		return 0, err
	}
	have.frontends[k] = id
	d.owners[k] = have.name()
	return id, d.countAddress(k.addr.Addr(), 1)
}

// countAddress keeps the entry of the address itself, which answers pings and
// says that its fragments are ours, as long as it has a frontend.
func (d *Dataplane) countAddress(a netip.Addr, by int) error {
	d.echoes[a] += by
	k := frontendKey{addr: netip.AddrPortFrom(a, 0)}
	switch d.echoes[a] {
	case 0:
		delete(d.echoes, a)
		d.frontends.give(d.echoIDs[a])
		delete(d.echoIDs, a)
		return d.deleteFrontend(k)
	case 1:
		if by < 0 || d.echoIDs[a] != 0 {
			return nil
		}
		id, _, err := d.frontends.take(d.purge)
		if err != nil {
			return err
		}
		d.echoIDs[a] = id
		return d.putFrontend(k, bpf.LBFrontend{ID: id, Flags: bpf.LBEcho})
	}
	return nil
}

func (d *Dataplane) dropFrontend(have *pool, k frontendKey) error {
	id := have.frontends[k]
	err := d.deleteFrontend(k)
	if errors.Is(err, engine.ErrKeyNotExist) {
		err = nil
	}
	err = errors.Join(err, d.writeSources(have, k, id, nil))
	delete(have.frontends, k)
	if _, owned := d.owners[k]; owned {
		delete(d.owners, k)
		err = errors.Join(err, d.countAddress(k.addr.Addr(), -1))
	}
	d.frontends.give(id)
	return err
}

// writeSources changes the source ranges of a frontend. New ones are added
// before old ones go.
func (d *Dataplane) writeSources(have *pool, k frontendKey, id uint32, want []netip.Prefix) error {
	old := have.sources[k]
	if slices.Equal(old, want) {
		return nil
	}
	v, err := view[bpf.LBSourceKey, uint32](d, bpf.LBSourceMap)
	if err != nil {
		return err
	}
	for _, p := range want {
		if err := v.Put(sourceKey(id, p), 1); err != nil {
			return fmt.Errorf("source range %v: %w", p, err)
		}
	}
	for _, p := range old {
		if !slices.Contains(want, p) {
			if err := v.Delete(sourceKey(id, p)); err != nil && !errors.Is(err, engine.ErrKeyNotExist) {
				return err
			}
		}
	}
	if have.sources[k] = slices.Clone(want); len(want) == 0 {
		delete(have.sources, k)
	}
	return nil
}

func sourceKey(frontend uint32, p netip.Prefix) bpf.LBSourceKey {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return bpf.LBSourceKey{Prefix: 32 + uint32(bits), Frontend: frontend, Address: p.Addr().As16()}
}

func (d *Dataplane) writeQUIC(have *pool, p *service.Pool) error {
	want := map[uint16]uint32{}
	for addr, server := range p.QUIC {
		for _, b := range p.Backends {
			if b.Addr.Addr() == addr {
				want[server] = have.backends[b.Addr]
			}
		}
	}
	if maps.Equal(want, have.quic) {
		return nil
	}
	v, err := view[bpf.LBQUICKey, uint32](d, bpf.LBQUICMap)
	if err != nil {
		return err
	}
	for server, id := range want {
		if err := v.Put(bpf.LBQUICKey{Pool: have.id, Server: uint32(server)}, id); err != nil {
			return err
		}
	}
	for server := range have.quic {
		if _, ok := want[server]; !ok {
			if err := v.Delete(bpf.LBQUICKey{Pool: have.id, Server: uint32(server)}); err != nil && !errors.Is(err, engine.ErrKeyNotExist) {
				return err
			}
		}
	}
	have.quic = want
	return nil
}

func (d *Dataplane) removePool(name string) ([]Step, error) {
	have := d.pools[name]
	if have == nil {
		return nil, nil
	}
	steps := diff(have.want, nil)
	var errs []error
	for _, k := range slices.SortedFunc(maps.Keys(have.frontends), func(a, b frontendKey) int {
		return cmp.Or(a.addr.Compare(b.addr), cmp.Compare(a.protocol, b.protocol))
	}) {
		errs = append(errs, d.dropFrontend(have, k))
	}
	errs = append(errs, d.writeQUIC(have, &service.Pool{}))
	for addr := range have.backends {
		d.end(have, addr)
	}
	d.slab.give(have.table, have.size, d.now())
	d.poolIDs.give(have.id)
	delete(d.pools, name)
	return steps, errors.Join(errs...)
}

func (p *pool) name() string { return p.want.Name() }
