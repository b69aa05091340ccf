package lb_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
	"github.com/skepdev/skep/object"
)

// previous loads the program of layout 1 with its tables pinned, as the agent of
// that version did, and a service in them.
func previous(t *testing.T, eng engine.Engine, dir string, pool *service.Pool) *engine.Collection {
	t.Helper()
	spec, err := object.OpenFile("testdata/previous/lb-1.bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	model := open(t, eng, smallConfig) // the other tables have had one layout
	if _, err := model.Apply("a", []*service.Pool{pool}); err != nil {
		t.Fatal(err)
	}
	for name, m := range spec.Maps {
		if !strings.HasSuffix(name, "_scratch") {
			m.Pinning = ebpf.PinByName
		}
		if have, ok := model.Maps()[name]; ok {
			m.MaxEntries = uint32(have.Info().MaxEntries)
		}
	}
	coll, err := eng.Load(context.Background(), spec, &engine.LoadOptions{PinPath: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	for _, name := range []string{bpf.LBConfigMap, bpf.LBFrontend4Map} {
		from, to := model.Maps()[name], coll.Maps[name]
		key, value := make([]byte, from.Info().KeySize), make([]byte, from.Info().ValueSize)
		for err := from.NextKey(nil, key); err == nil; err = from.NextKey(key, key) {
			if err := from.Lookup(key, value, 0); err != nil {
				t.Fatal(err)
			}
			if err := to.Update(key, value[:to.Info().ValueSize], 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{bpf.LBMaglevMap, bpf.LBBackendMap} {
		from, err := model.Maps()[name].Memory()
		if err != nil {
			t.Fatal(err)
		}
		to, err := coll.Maps[name].Memory()
		if err != nil {
			t.Fatal(err)
		}
		copy(to, from)
	}
	return coll
}

// An upgrade finds the tables of the version before: connections stay with their
// backends, under the old program until it is replaced, and under the new one.
func TestTablesOfThePreviousLayout(t *testing.T) {
	eng := kernelEngine(t)
	dir := pinDir(t, eng)
	pool := bare(0, 20)
	pool.Algorithm = service.Random // so that a forgotten connection shows
	old := previous(t, eng, dir, pool)
	flow := func(p engine.Program, i int) netip.Addr {
		return outer(t, send(t, p, packet(t, "eth / ip4 198.51.100.%d > 10.100.0.1 / tcp 5000 > 80", i)))
	}
	home := map[int]netip.Addr{}
	for i := range 200 {
		home[i] = flow(old.Programs["lb_xdp"], i)
	}
	cfg := smallConfig
	cfg.PinPath = dir
	d := open(t, eng, cfg)
	if steps, err := d.Apply("a", []*service.Pool{pool}); err != nil || len(steps) != 0 {
		t.Errorf("steps %v, %v; want nothing to do", steps, err)
	}
	prog, err := d.Program()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if by, was := flow(prog, i), flow(old.Programs["lb_xdp"], i); by != home[i] || was != home[i] {
			t.Fatalf("connection %d went to %v by the new program and %v by the old, was with %v", i, by, was, home[i])
		}
	}
	d.Close()
	// What a migration leaves when it is interrupted before its last step.
	m, err := eng.OpenMap(filepath.Join(dir, bpf.LBConfigMap))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Pin(filepath.Join(dir, bpf.LBConfigMap) + "_new"); err != nil {
		t.Fatal(err)
	}
	m.Close()
	d = open(t, eng, cfg)
	if prog, err = d.Program(); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if by := flow(prog, i); by != home[i] {
			t.Fatalf("connection %d went to %v after an interrupted migration, was with %v", i, by, home[i])
		}
	}
	d.Close()
	// A version that is to come is refused, not misread.
	m, err = eng.OpenMap(filepath.Join(dir, bpf.LBConfigMap))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	value := make([]byte, m.Info().ValueSize)
	if err := m.Lookup(make([]byte, 4), value, 0); err != nil {
		t.Fatal(err)
	}
	value[binary.Size(bpf.LBConfig{})-35]++ // Layout
	if err := m.Update(make([]byte, 4), value, 0); err != nil {
		t.Fatal(err)
	}
	if d, err := lbOpen(eng, cfg); err == nil {
		d.Close()
		t.Error("tables of a newer layout were opened")
	} else if !strings.Contains(err.Error(), "made by a newer version") {
		t.Error(err)
	}
}

func lbOpen(eng engine.Engine, cfg lb.Config) (*lb.Dataplane, error) {
	return lb.Open(context.Background(), eng, cfg)
}
