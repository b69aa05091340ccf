package enginetest

import (
	"errors"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// The objects of a Faulty engine. Methods that are not here are the inner
// object's.

type faultyProgram struct {
	engine.Program
	f *Faulty
}

func innerProgram(p engine.Program) engine.Program {
	if w, ok := p.(*faultyProgram); ok {
		return w.Program
	}
	return p
}

func (p *faultyProgram) name() string { return p.Info().Name }

func (p *faultyProgram) Run(in *engine.RunInput) (engine.RunResult, error) {
	return get(p.f, "Program.Run", p.name(), func() (engine.RunResult, error) { return p.Program.Run(in) })
}

func (p *faultyProgram) Pin(path string) error {
	return p.f.do("Program.Pin", p.name(), func() error { return p.Program.Pin(path) })
}

type faultyVariable struct {
	engine.Variable
	f *Faulty
}

func (v *faultyVariable) Get(dst []byte) error {
	return v.f.do("Variable.Get", v.Name(), func() error { return v.Variable.Get(dst) })
}

func (v *faultyVariable) Set(src []byte) error {
	return v.f.do("Variable.Set", v.Name(), func() error { return v.Variable.Set(src) })
}

type faultyLink struct {
	engine.Link
	f *Faulty
}

func (l *faultyLink) Update(p engine.Program) error {
	return l.f.do("Link.Update", p.Info().Name, func() error { return l.Link.Update(innerProgram(p)) })
}

func (l *faultyLink) Pin(path string) error {
	return l.f.do("Link.Pin", "", func() error { return l.Link.Pin(path) })
}

func (l *faultyLink) Detach() error { return l.f.do("Link.Detach", "", l.Link.Detach) }

func innerLink(l engine.Link) engine.Link {
	if w, ok := l.(*faultyLink); ok {
		return w.Link
	}
	return l
}

type faultyMap struct {
	engine.Map
	f *Faulty
}

func innerMap(m engine.Map) engine.Map {
	if w, ok := m.(*faultyMap); ok {
		return w.Map
	}
	return m
}

func (m *faultyMap) name() string { return m.Info().Name }

func (m *faultyMap) Lookup(key, value []byte, flags ebpf.MapLookupFlags) error {
	return m.f.do("Map.Lookup", m.name(), func() error { return m.Map.Lookup(key, value, flags) })
}

func (m *faultyMap) LookupAndDelete(key, value []byte, flags ebpf.MapLookupFlags) error {
	return m.f.do("Map.LookupAndDelete", m.name(), func() error { return m.Map.LookupAndDelete(key, value, flags) })
}

func (m *faultyMap) Update(key, value []byte, flags ebpf.MapUpdateFlags) error {
	return m.f.do("Map.Update", m.name(), func() error { return m.Map.Update(key, value, flags) })
}

func (m *faultyMap) Delete(key []byte) error {
	return m.f.do("Map.Delete", m.name(), func() error { return m.Map.Delete(key) })
}

func (m *faultyMap) NextKey(key, next []byte) error {
	return m.f.do("Map.NextKey", m.name(), func() error { return m.Map.NextKey(key, next) })
}

func (m *faultyMap) UpdateProgram(key []byte, p engine.Program, flags ebpf.MapUpdateFlags) error {
	return m.f.do("Map.UpdateProgram", m.name(), func() error { return m.Map.UpdateProgram(key, innerProgram(p), flags) })
}

func (m *faultyMap) UpdateMap(key []byte, inner engine.Map, flags ebpf.MapUpdateFlags) error {
	return m.f.do("Map.UpdateMap", m.name(), func() error { return m.Map.UpdateMap(key, innerMap(inner), flags) })
}

func (m *faultyMap) Freeze() error { return m.f.do("Map.Freeze", m.name(), m.Map.Freeze) }

func (m *faultyMap) Pin(path string) error {
	return m.f.do("Map.Pin", m.name(), func() error { return m.Map.Pin(path) })
}

func (m *faultyMap) RingReader() (engine.RingReader, error) {
	return get(m.f, "Map.RingReader", m.name(), func() (engine.RingReader, error) {
		r, err := m.Map.RingReader()
		if err != nil {
			return nil, err
		}
		return &faultyRing{r, m.name(), m.f}, nil
	})
}

type faultyRing struct {
	engine.RingReader
	name string
	f    *Faulty
}

func (r *faultyRing) Read() (engine.Record, error) {
	var rec engine.Record
	err := r.ReadInto(&rec)
	return rec, err
}

// ReadInto asks the hook once a record has come.
func (r *faultyRing) ReadInto(rec *engine.Record) error {
	for {
		if err := r.RingReader.ReadInto(rec); err != nil {
			return err
		}
		if err := r.f.ask("RingReader.ReadInto", r.name); !errors.Is(err, ErrSkip) {
			return err
		}
	}
}

// innerTarget replaces wrapped objects in a target by those inside.
func innerTarget(t engine.Target) engine.Target {
	switch t := t.(type) {
	case engine.TCX:
		t.Anchor = innerAnchor(t.Anchor)
		return t
	case engine.Netkit:
		t.Anchor = innerAnchor(t.Anchor)
		return t
	case engine.Cgroup:
		t.Anchor = innerAnchor(t.Anchor)
		return t
	case engine.SockMap:
		t.Map = innerMap(t.Map)
		return t
	case engine.Iterator:
		t.Map = innerMap(t.Map)
		return t
	case engine.StructOps:
		t.Map = innerMap(t.Map)
		return t
	case engine.Freplace:
		t.Program = innerProgram(t.Program)
		return t
	}
	return t
}

func innerAnchor(a engine.Anchor) engine.Anchor {
	a.Link, a.Program = innerLink(a.Link), innerProgram(a.Program)
	return a
}
