//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

func newMap(t *testing.T, e *Engine, spec *ebpf.MapSpec) engine.Map {
	t.Helper()
	m, err := e.NewMap(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func u32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

func TestHashMap(t *testing.T) {
	e := newEngine(t)
	m := newMap(t, e, &ebpf.MapSpec{Name: "a_name_longer_than_the_kernels", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 2})
	if info := m.Info(); info.Name != "a_name_longer_than_the_kernels" || info.ID == 0 || info.ValueBytes != 8 || info.MaxEntries != 2 {
		t.Errorf("info %+v", info)
	}
	v := make([]byte, 8)
	wantErr := func(what string, err error, sentinel error, errno unix.Errno) {
		t.Helper()
		if !errors.Is(err, sentinel) || errno != 0 && !errors.Is(err, errno) {
			t.Errorf("%s: %v, want %v (%v)", what, err, sentinel, errno)
		}
	}
	wantErr("lookup of nothing", m.Lookup(u32(1), v, 0), engine.ErrKeyNotExist, unix.ENOENT)
	wantErr("first key of nothing", m.NextKey(nil, make([]byte, 4)), engine.ErrKeyNotExist, 0)
	wantErr("update of nothing", m.Update(u32(1), v, ebpf.UpdateExist), engine.ErrKeyNotExist, 0)
	for k := range uint32(2) {
		if err := m.Update(u32(k), u64(uint64(k)+100), ebpf.UpdateNoExist); err != nil {
			t.Fatal(err)
		}
	}
	wantErr("second insert", m.Update(u32(1), v, ebpf.UpdateNoExist), engine.ErrKeyExist, unix.EEXIST)
	wantErr("third key", m.Update(u32(7), v, 0), engine.ErrFull, unix.E2BIG)
	if err := m.Lookup(u32(1), v, 0); err != nil || !bytes.Equal(v, u64(101)) {
		t.Errorf("lookup: %x %v", v, err)
	}
	seen := map[uint32]uint64{}
	var err error
	for k, v := range engine.Entries(m, &err) {
		seen[binary.NativeEndian.Uint32(k)] = binary.NativeEndian.Uint64(v)
	}
	if err != nil || len(seen) != 2 || seen[0] != 100 || seen[1] != 101 {
		t.Errorf("entries %v %v", seen, err)
	}
	if err := m.LookupAndDelete(u32(0), v, 0); err != nil || !bytes.Equal(v, u64(100)) {
		t.Errorf("lookup and delete: %x %v", v, err)
	}
	if err := m.Delete(u32(1)); err != nil {
		t.Error(err)
	}
	wantErr("second delete", m.Delete(u32(1)), engine.ErrKeyNotExist, 0)
	wantErr("short key", m.Lookup(u32(1)[:3], v, 0), unix.EINVAL, 0)
	wantErr("long value", m.Update(u32(1), make([]byte, 9), 0), unix.EINVAL, 0)
	wantErr("long key", m.Delete(u64(1)), unix.EINVAL, 0)
	wantErr("no room for the next key", m.NextKey(nil, nil), unix.EINVAL, 0)
	m.Close()
	wantErr("lookup after close", m.Lookup(u32(1), v, 0), engine.ErrClosed, 0)
	if err := m.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestPerCPUMap(t *testing.T) {
	e := newEngine(t)
	m := newMap(t, e, &ebpf.MapSpec{Name: "per_cpu", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	n := m.Info().ValueBytes
	if n != 8*e.cpus {
		t.Fatalf("a value has %d bytes for %d CPUs", n, e.cpus)
	}
	in := make([]byte, n)
	for cpu := range e.cpus {
		binary.NativeEndian.PutUint32(in[cpu*8:], uint32(cpu+1))
	}
	if err := m.Update(u32(0), in, 0); err != nil {
		t.Fatal(err)
	}
	out := make([]byte, n)
	if err := m.Lookup(u32(0), out, 0); err != nil || !bytes.Equal(in, out) {
		t.Errorf("got %x, want %x (%v)", out, in, err)
	}
}

func TestQueue(t *testing.T) {
	e := newEngine(t)
	m := newMap(t, e, &ebpf.MapSpec{Name: "queue", Type: ebpf.Queue, ValueSize: 4, MaxEntries: 2})
	for i := range uint32(2) {
		if err := m.Update(nil, u32(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Update(nil, u32(9), 0); !errors.Is(err, engine.ErrFull) {
		t.Errorf("push to a full queue: %v", err)
	}
	v := make([]byte, 4)
	for i := range uint32(2) {
		if err := m.LookupAndDelete(nil, v, 0); err != nil || binary.NativeEndian.Uint32(v) != i {
			t.Errorf("pop: %x %v, want %d", v, err, i)
		}
	}
	if err := m.LookupAndDelete(nil, v, 0); !errors.Is(err, engine.ErrKeyNotExist) {
		t.Errorf("pop from an empty queue: %v", err)
	}
}

func TestBatch(t *testing.T) {
	e := newEngine(t)
	for _, typ := range []ebpf.MapType{ebpf.Hash, ebpf.Array, ebpf.PerCPUHash} {
		t.Run(typ.String(), func(t *testing.T) {
			const n = 100
			m := newMap(t, e, &ebpf.MapSpec{Name: "batch", Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: n})
			vs := m.Info().ValueBytes
			keys, values := make([]byte, 4*n), make([]byte, vs*n)
			for i := range n {
				binary.NativeEndian.PutUint32(keys[4*i:], uint32(i))
				binary.NativeEndian.PutUint64(values[vs*i:], uint64(i)*3)
			}
			if done, err := m.UpdateBatch(keys, values, 0); err != nil || done != n {
				t.Fatalf("update of %d: %d %v", n, done, err)
			}
			var cursor engine.Cursor
			got := map[uint32]uint64{}
			k, v := make([]byte, 4*32), make([]byte, vs*32)
			for {
				done, err := m.LookupBatch(&cursor, k, v, 0)
				for i := range done {
					got[binary.NativeEndian.Uint32(k[4*i:])] = binary.NativeEndian.Uint64(v[vs*i:])
				}
				if errors.Is(err, engine.ErrKeyNotExist) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if len(got) != n || got[33] != 99 {
				t.Errorf("%d entries, 33 is %d", len(got), got[33])
			}
			if done, err := m.LookupBatch(&cursor, k, v, 0); done != 0 || !errors.Is(err, engine.ErrKeyNotExist) {
				t.Errorf("lookup past the end: %d %v", done, err)
			}
			if typ == ebpf.Array {
				return
			}
			if done, err := m.DeleteBatch(keys[:40]); err != nil || done != 10 {
				t.Errorf("delete of 10: %d %v", done, err)
			}
			cursor = engine.Cursor{}
			done, err := m.LookupAndDeleteBatch(&cursor, make([]byte, 4*n), make([]byte, vs*n), 0)
			if done != n-10 || err != nil && !errors.Is(err, engine.ErrKeyNotExist) {
				t.Errorf("lookup and delete of the rest: %d %v", done, err)
			}
			if err := m.NextKey(nil, make([]byte, 4)); !errors.Is(err, engine.ErrKeyNotExist) {
				t.Errorf("the map is not empty: %v", err)
			}
		})
	}
	m := newMap(t, e, &ebpf.MapSpec{Name: "batch", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	if _, err := m.UpdateBatch(make([]byte, 8), make([]byte, 15), 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("broken entries: %v", err)
	}
	other := newMap(t, e, &ebpf.MapSpec{Name: "other", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	var c engine.Cursor
	m.LookupBatch(&c, make([]byte, 4), make([]byte, 8), 0)
	if _, err := other.LookupBatch(&c, make([]byte, 4), make([]byte, 8), 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("another map's cursor: %v", err)
	}
	if _, err := m.LookupBatch(nil, make([]byte, 4), make([]byte, 8), 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("no cursor: %v", err)
	}
	// A batch that stops early says how far it came.
	done, err := m.UpdateBatch(bytes.Join([][]byte{u32(1), u32(2), u32(3), u32(4), u32(5), u32(6)}, nil), make([]byte, 48), 0)
	if done != 4 || !errors.Is(err, engine.ErrFull) {
		t.Errorf("six into four: %d %v", done, err)
	}
}

func TestFreezeAndMemory(t *testing.T) {
	e := newEngine(t)
	m := newMap(t, e, &ebpf.MapSpec{Name: "mem", Type: ebpf.Array, KeySize: 4, ValueSize: 12, MaxEntries: 5, Flags: flagMmapable})
	mem, err := m.Memory()
	if err != nil {
		t.Fatal(err)
	}
	if len(mem) != os.Getpagesize() {
		t.Errorf("%d bytes mapped", len(mem))
	}
	mem[16] = 77 // values are 16 bytes apart
	v := make([]byte, 12)
	if err := m.Lookup(u32(1), v, 0); err != nil || v[0] != 77 {
		t.Errorf("lookup: %v %v", v, err)
	}
	if err := m.Freeze(); err == nil {
		t.Error("a map that is mapped for writing was frozen")
	}
	plain := newMap(t, e, &ebpf.MapSpec{Name: "ice", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err := plain.Freeze(); err != nil {
		t.Fatal(err)
	}
	if !plain.Info().Frozen {
		t.Error("info does not say frozen")
	}
	if err := plain.Update(u32(0), u32(1), 0); !errors.Is(err, engine.ErrReadOnly) || !errors.Is(err, unix.EPERM) {
		t.Errorf("update of a frozen map: %v", err)
	}
	if _, err := plain.Memory(); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("memory of a map without: %v", err)
	}
}

// TestHotPathAllocatesNothing: a lookup and an update cost the system call.
func TestHotPathAllocatesNothing(t *testing.T) {
	e := newEngine(t)
	m := newMap(t, e, &ebpf.MapSpec{Name: "hot", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	k, v, absent, next := u32(1), u64(1), u32(9), make([]byte, 4)
	if err := m.Update(k, v, 0); err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]func(){
		"lookup":   func() { m.Lookup(k, v, 0) },
		"update":   func() { m.Update(k, v, 0) },
		"absent":   func() { m.Lookup(absent, v, 0) },
		"next key": func() { m.NextKey(nil, next) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
}

func TestMapObjects(t *testing.T) {
	e := newEngine(t)
	c := newCounter(t, e, ebpf.XDP, 0, "", xdpPass)
	progs := newMap(t, e, &ebpf.MapSpec{Name: "progs", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 2})
	if err := progs.UpdateProgram(u32(1), c.prog, 0); err != nil {
		t.Fatal(err)
	}
	v := make([]byte, 4)
	if err := progs.Lookup(u32(1), v, 0); err != nil || binary.NativeEndian.Uint32(v) != c.prog.Info().ID {
		t.Errorf("the array holds program %x (%v), want %d", v, err, c.prog.Info().ID)
	}
	if err := progs.UpdateProgram(u32(2), c.prog, 0); err == nil {
		t.Error("stored past the end")
	}
	outer := newMap(t, e, &ebpf.MapSpec{
		Name: "outer", Type: ebpf.HashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2,
		InnerMap: &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 4},
	})
	if err := outer.UpdateMap(u32(5), c.hits, 0); err != nil {
		t.Fatal(err)
	}
	if err := outer.Lookup(u32(5), v, 0); err != nil || binary.NativeEndian.Uint32(v) != c.hits.Info().ID {
		t.Errorf("the map holds map %x (%v), want %d", v, err, c.hits.Info().ID)
	}
	for what, err := range map[string]error{
		"program in a hash": c.hits.UpdateProgram(u32(0), c.prog, 0),
		"map in an array":   progs.UpdateMap(u32(0), c.hits, 0),
	} {
		if !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := outer.UpdateMap(u32(1), nil, 0); err == nil {
		t.Error("stored no map")
	}
	dev := newMap(t, e, &ebpf.MapSpec{Name: "cpus", Type: ebpf.CPUMap, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err := dev.UpdateProgram(u32(0), c.prog, 0); !errors.Is(err, engine.ErrKeyNotExist) && err == nil {
		t.Errorf("program for a CPU that has no entry: %v", err)
	}
}

func TestPins(t *testing.T) {
	e := newEngine(t)
	dir := bpfFS(t)
	c := newCounter(t, e, ebpf.XDP, 0, "", xdpPass)
	for what, f := range map[string]struct {
		pin  func(string) error
		open func(string) (uint32, func() error, error)
		id   uint32
	}{
		"map": {c.hits.Pin, func(p string) (uint32, func() error, error) {
			m, err := e.OpenMap(p)
			if err != nil {
				return 0, nil, err
			}
			return m.Info().ID, m.Close, nil
		}, c.hits.Info().ID},
		"program": {c.prog.Pin, func(p string) (uint32, func() error, error) {
			m, err := e.OpenProgram(p)
			if err != nil {
				return 0, nil, err
			}
			return m.Info().ID, m.Close, nil
		}, c.prog.Info().ID},
	} {
		path := filepath.Join(dir, what)
		if _, _, err := f.open(path); !errors.Is(err, engine.ErrNotExist) {
			t.Errorf("open %s that is not pinned: %v", what, err)
		}
		if err := f.pin(path); err != nil {
			t.Fatal(err)
		}
		id, closer, err := f.open(path)
		if err != nil || id != f.id {
			t.Fatalf("%s %d came back as %d: %v", what, f.id, id, err)
		}
		closer()
		if _, err := e.OpenLink(path); err == nil {
			t.Errorf("a %s was opened as a link", what)
		}
	}
	if err := c.hits.Unpin(); err != nil {
		t.Error(err)
	}
	if _, err := e.OpenMap(filepath.Join(dir, "map")); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("open after unpin: %v", err)
	}
	if err := c.hits.Pin(filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("pinned outside a bpffs")
	}
	testLinkPins(t, e, dir, c)
}

// testLinkPins: a pinned link outlives its descriptor, moves, comes back and
// can be cut.
func testLinkPins(t *testing.T, e *Engine, dir string, c *counter) {
	ns := netNS(t)
	dev := engine.Device{Name: "vb", NetNS: ns}
	l := attach(t, e, c.prog, engine.XDP{Device: dev})
	first, path := filepath.Join(dir, "first"), filepath.Join(dir, "link")
	for _, p := range []string{first, path} {
		if err := l.Pin(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(first); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("the first pin stays: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c.moves(t, func() { sendFrame(t, ns, "va", 64) })
	back, err := e.OpenLink(path)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if info := back.Info(); info.Kind != engine.KindXDP || info.ProgramID != c.prog.Info().ID {
		t.Errorf("info of the re-opened link: %+v", info)
	}
	other := c.sibling(t, e, xdpPass)
	mustUpdate(t, back, other.prog)
	other.moves(t, func() { sendFrame(t, ns, "va", 64) })
	if err := back.Detach(); err != nil {
		t.Fatal(err)
	}
	other.rests(t, func() { sendFrame(t, ns, "va", 64) })
	if err := back.Unpin(); err != nil {
		t.Error(err)
	}
	if _, err := e.OpenLink(path); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("open after unpin: %v", err)
	}
}

// TestConcurrentClose: a descriptor is not used after it was closed, and
// perhaps given to somebody else.
func TestConcurrentClose(t *testing.T) {
	e := newEngine(t)
	m, err := e.NewMap(&ebpf.MapSpec{Name: "race", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			v := make([]byte, 8)
			for {
				err := m.Update(u32(1), v, 0)
				if errors.Is(err, engine.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	m.Close()
	wg.Wait()
}
