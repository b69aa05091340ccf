package maps

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
)

// thing is an object whose holders are counted.
type thing struct {
	id   uint32
	refs atomic.Int64
	m    Map
}

func (o *thing) ID() uint32      { return o.id }
func (o *thing) Handle() uintptr { return uintptr(o.id) << 8 }
func (o *thing) Acquire()        { o.refs.Add(1) }
func (o *thing) Release() {
	if o.refs.Add(-1) < 0 {
		panic("released more often than acquired")
	}
}
func (o *thing) Map() Map { return o.m }

func TestProgArray(t *testing.T) {
	m := makeMap(t, testEnv(t), Spec{Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 3}).(ProgArray)
	a, b := &thing{id: 7}, &thing{id: 8}
	want(t, "flags", m.SetObject(u32(1), a, 1), syscall.EINVAL)
	want(t, "index", m.SetObject(u32(3), a, 0), syscall.E2BIG)
	want(t, "key", m.SetObject([]byte{1}, a, 0), syscall.EINVAL)
	want(t, "nothing", m.SetObject(u32(1), nil, 0), syscall.EBADF)
	want(t, "set", m.SetObject(u32(1), a, 0), 0)
	if m.At(1) != a || m.At(0) != nil || m.At(3) != nil || m.At(1<<31) != nil || m.Object(u32(1)) != a {
		t.Error("not where it was put")
	}
	value := make([]byte, 4)
	want(t, "lookup", m.UserLookup(u32(1), value, 0), 0)
	if read32(pointerTo(value)) != 7 {
		t.Errorf("user side sees %x", value)
	}
	if m.Lookup(pointerTo(u32(1)), 0) != 0 {
		t.Error("a program looked a program up")
	}
	want(t, "replace", m.SetObject(u32(1), b, 0), 0)
	want(t, "set", m.SetObject(u32(2), b, 0), 0)
	if a.refs.Load() != 0 || b.refs.Load() != 2 {
		t.Errorf("held %d and %d times", a.refs.Load(), b.refs.Load())
	}
	want(t, "delete", m.UserDelete(u32(2)), 0)
	want(t, "delete again", m.UserDelete(u32(2)), syscall.ENOENT)
	want(t, "freeze", m.Freeze(), 0)
	want(t, "frozen", m.SetObject(u32(0), a, 0), syscall.EPERM)
	if n := testing.AllocsPerRun(100, func() { m.At(1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	m.Close()
	if b.refs.Load() != 0 {
		t.Errorf("held %d times by a closed map", b.refs.Load())
	}
}

func TestMapsOfMaps(t *testing.T) {
	for _, typ := range []abi.MapType{abi.MapArrayOfMaps, abi.MapHashOfMaps} {
		env := testEnv(t)
		inner := Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 2}
		m := makeMap(t, env, Spec{Type: typ, KeySize: 4, ValueSize: 4, MaxEntries: 2, Inner: &inner}).(ObjectMap)
		good := []*thing{{id: 1, m: makeMap(t, env, inner)}, {id: 2, m: makeMap(t, env, inner)}}
		for name, change := range map[string]func(*Spec){
			"type":    func(s *Spec) { s.Type = abi.MapHash },
			"value":   func(s *Spec) { s.ValueSize = 4 },
			"entries": func(s *Spec) { s.MaxEntries = 3 },
			"flags":   func(s *Spec) { s.Flags = abi.FlagMmapable },
			"lock":    func(s *Spec) { s.SpinLock = true },
		} {
			other := inner
			change(&other)
			want(t, name, m.SetObject(u32(0), &thing{id: 9, m: makeMap(t, env, other)}, 0), syscall.EINVAL)
		}
		want(t, "no map", m.SetObject(u32(0), prog{}, 0), syscall.EINVAL)
		want(t, "set", m.SetObject(u32(0), good[0], 0), 0)
		want(t, "set", m.SetObject(u32(1), good[1], 0), 0)
		want(t, "full", m.SetObject(u32(2), good[1], 0), syscall.E2BIG)
		if h := m.Lookup(pointerTo(u32(1)), 0); h != good[1].Handle() {
			t.Errorf("%s: handle %#x", typ, h)
		}
		if m.Object(u32(0)) != good[0] || m.Object(u32(5)) != nil {
			t.Errorf("%s: wrong objects", typ)
		}
		keys, values := make([]byte, 4*8), make([]byte, 4*8)
		var pos BatchPos
		if n, e := m.LookupBatch(&pos, keys, values, false, 0); n != 2 || e != syscall.ENOENT {
			t.Errorf("%s: batch of %d, %v", typ, n, e)
		}
		for i := range 2 {
			k := read32(pointerTo(keys[4*i:]))
			if v := read32(pointerTo(values[4*i:])); v != good[k].id {
				t.Errorf("%s: key %d is map %d", typ, k, v)
			}
		}
		want(t, "replace", m.SetObject(u32(0), good[1], 0), 0)
		if a, b := good[0].refs.Load(), good[1].refs.Load(); a != 0 || b != 2 {
			t.Errorf("%s: held %d and %d times", typ, a, b)
		}
		want(t, "delete", m.UserDelete(u32(0)), 0)
		if h := m.Lookup(pointerTo(u32(0)), 0); h != 0 {
			t.Errorf("%s: deleted, but %#x", typ, h)
		}
		m.Close()
		if n := good[1].refs.Load(); n != 0 {
			t.Errorf("%s: held %d times by a closed map", typ, n)
		}
	}
}

// prog is an object that is no map.
type prog struct{}

func (prog) ID() uint32      { return 3 }
func (prog) Handle() uintptr { return 3 }
func (prog) Acquire()        {}
func (prog) Release()        {}

func TestHashOfMapsFlags(t *testing.T) {
	env := testEnv(t)
	inner := Spec{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 2}
	m := makeMap(t, env, Spec{Type: abi.MapHashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2, Inner: &inner}).(ObjectMap)
	other := inner
	other.MaxEntries = 50 // hashes may differ in size
	o := &thing{id: 1, m: makeMap(t, env, other)}
	want(t, "exist", m.SetObject(u32(0), o, abi.UpdateExist), syscall.ENOENT)
	want(t, "set", m.SetObject(u32(0), o, abi.UpdateNoExist), 0)
	want(t, "noexist", m.SetObject(u32(0), o, abi.UpdateNoExist), syscall.EEXIST)
	want(t, "unknown", m.SetObject(u32(0), o, 3), syscall.EINVAL)
	if n := o.refs.Load(); n != 1 {
		t.Errorf("held %d times", n)
	}
	keys, values := make([]byte, 4*8), make([]byte, 4*8)
	var pos BatchPos
	if n, e := m.LookupBatch(&pos, keys, values, true, 0); n != 1 || e != syscall.ENOENT || o.refs.Load() != 0 {
		t.Errorf("batch that deletes: %d, %v, held %d times", n, e, o.refs.Load())
	}
}

func TestInnerTemplates(t *testing.T) {
	env := testEnv(t)
	outer := Spec{Type: abi.MapArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2}
	for name, tc := range map[string]struct {
		inner *Spec
		errno syscall.Errno
	}{
		"none":   {nil, syscall.EBADF},
		"nested": {&Spec{Type: abi.MapHashOfMaps}, syscall.EINVAL},
		"progs":  {&Spec{Type: abi.MapProgArray}, notSupp},
	} {
		outer.Inner = tc.inner
		if _, err := New(outer, env); !errors.Is(err, tc.errno) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Arrays made for it may differ in length.
	inner := Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 2, Flags: abi.FlagInnerMap}
	outer.Inner = &inner
	m := makeMap(t, env, outer).(ObjectMap)
	longer := inner
	longer.MaxEntries = 9
	want(t, "longer", m.SetObject(u32(0), &thing{id: 1, m: makeMap(t, env, longer)}, 0), 0)
}

// TestObjectsStress: replaced, deleted and looked up all at once, an object is
// held exactly as often as it is stored.
func TestObjectsStress(t *testing.T) {
	for _, typ := range []abi.MapType{abi.MapArrayOfMaps, abi.MapHashOfMaps} {
		env := testEnv(t)
		inner := Spec{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 2}
		m := makeMap(t, env, Spec{Type: typ, KeySize: 4, ValueSize: 4, MaxEntries: 8, Inner: &inner}).(ObjectMap)
		things := make([]*thing, 4)
		for i := range things {
			things[i] = &thing{id: uint32(i + 1), m: makeMap(t, env, inner)}
		}
		together(4, func(_ int, rng *rand.Rand) {
			for range 2000 {
				k := u32(uint32(rng.IntN(8)))
				switch rng.IntN(3) {
				case 0:
					m.UserDelete(k)
				case 1:
					if h := m.Lookup(pointerTo(k), 0); h != 0 && (h>>8 > 4 || h&0xff != 0) {
						t.Errorf("handle %#x", h)
					}
				default:
					if e := m.SetObject(k, things[rng.IntN(4)], 0); e != 0 {
						t.Errorf("set: %v", e)
					}
				}
			}
		})
		stored := map[uint32]int64{}
		for k := range uint32(8) {
			if o := m.Object(u32(k)); o != nil {
				stored[o.ID()]++
			}
		}
		for _, o := range things {
			if o.refs.Load() != stored[o.id] {
				t.Errorf("%s: map %d is stored %d times, held %d", typ, o.id, stored[o.id], o.refs.Load())
			}
		}
	}
}

func TestTargets(t *testing.T) {
	for _, typ := range []abi.MapType{abi.MapDevMap, abi.MapDevMapHash, abi.MapCPUMap} {
		env := testEnv(t)
		env.CPUs = 4
		m := makeMap(t, env, Spec{Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 4}).(TargetMap)
		p := &thing{id: 42}
		value := append(u32(5), u32(0)...)
		want(t, "set", m.SetTarget(u32(1), value, p, 0), 0)
		if m.Program(pointerTo(u32(1))) != p || m.Program(pointerTo(u32(0))) != nil {
			t.Errorf("%s: wrong program", typ)
		}
		got := make([]byte, 8)
		want(t, "lookup", m.UserLookup(u32(1), got, 0), 0)
		if read32(pointerTo(got)) != 5 || read32(pointerTo(got[4:])) != 42 {
			t.Errorf("%s: user side sees %x", typ, got)
		}
		addr := m.Lookup(pointerTo(u32(1)), 0)
		if addr == 0 || read32(pointerTo(bytesOf(addr, 8))) != 5 {
			t.Fatalf("%s: program sees %#x", typ, addr)
		}
		if ok, _ := m.Check(addr, 8, false); !ok {
			t.Errorf("%s: cannot be read", typ)
		}
		if ok, _ := m.Check(addr, 4, true); ok != (typ == abi.MapCPUMap) {
			t.Errorf("%s: can be written: %v", typ, ok)
		}
		want(t, "program without a target", m.SetTarget(u32(1), make([]byte, 8), p, 0), syscall.EINVAL)
		want(t, "update", m.UserUpdate(u32(1), append(u32(6), u32(0)...), 0), 0)
		if p.refs.Load() != 0 {
			t.Errorf("%s: replaced program is held %d times", typ, p.refs.Load())
		}
		want(t, "set", m.SetTarget(u32(1), value, p, 0), 0)
		want(t, "delete", m.UserDelete(u32(1)), 0)
		if p.refs.Load() != 0 || m.Lookup(pointerTo(u32(1)), 0) != 0 {
			t.Errorf("%s: deleted, but held %d times", typ, p.refs.Load())
		}
		want(t, "set", m.SetTarget(u32(2), value, p, 0), 0)
		m.Close()
		if p.refs.Load() != 0 {
			t.Errorf("%s: closed, but held %d times", typ, p.refs.Load())
		}
	}
}
