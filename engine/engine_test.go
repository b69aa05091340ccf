package engine

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
)

// memMap is the least map that Entries and View need: ordered byte pairs.
type memMap struct {
	Map
	keys, vals [][]byte
	info       MapInfo
	closed     int
	onLookup   func(m *memMap, key []byte)
}

func (m *memMap) Info() MapInfo { return m.info }
func (m *memMap) Close() error  { m.closed++; return nil }

func (m *memMap) find(key []byte) int {
	return slices.IndexFunc(m.keys, func(k []byte) bool { return string(k) == string(key) })
}

func (m *memMap) Lookup(key, value []byte, _ ebpf.MapLookupFlags) error {
	if m.onLookup != nil {
		m.onLookup(m, key)
	}
	i := m.find(key)
	if i < 0 {
		return ErrKeyNotExist
	}
	copy(value, m.vals[i])
	return nil
}

func (m *memMap) Update(key, value []byte, _ ebpf.MapUpdateFlags) error {
	m.keys, m.vals = append(m.keys, slices.Clone(key)), append(m.vals, slices.Clone(value))
	return nil
}

func (m *memMap) NextKey(key, next []byte) error {
	i := 0
	if key != nil {
		i = m.find(key) + 1 // an absent key starts over, as in Linux
	}
	if i >= len(m.keys) {
		return ErrKeyNotExist
	}
	copy(next, m.keys[i])
	return nil
}

func (m *memMap) LookupBatch(*Cursor, []byte, []byte, ebpf.MapLookupFlags) (int, error) {
	return 0, ErrNotSupported
}

func newMemMap() *memMap {
	return &memMap{info: MapInfo{Name: "m", KeySize: 4, ValueSize: 8, ValueBytes: 8, MaxEntries: 4}}
}

func TestView(t *testing.T) {
	m := newMemMap()
	v, err := NewView[uint32, uint64](m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint32(3) {
		if err := v.Put(i, uint64(i)*10); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := v.Get(2); err != nil || got != 20 {
		t.Errorf("Get(2) = %d, %v; want 20", got, err)
	}
	if _, err := v.Get(9); !errors.Is(err, ErrKeyNotExist) {
		t.Errorf("Get(9): %v; want ErrKeyNotExist", err)
	}
	var sum uint64
	var iterErr error
	for k, val := range v.All(&iterErr) {
		sum += uint64(k)*1000 + val
	}
	if iterErr != nil || sum != 3030 {
		t.Errorf("All: sum %d, %v; want 3030", sum, iterErr)
	}
}

func TestViewRefusesWrongSizes(t *testing.T) {
	if _, err := NewView[uint64, uint64](newMemMap()); err == nil || !strings.Contains(err.Error(), "key uint64 has 8 bytes, the map's has 4") {
		t.Errorf("wrong key size: %v", err)
	}
	if _, err := NewView[uint32, uint32](newMemMap()); err == nil || !strings.Contains(err.Error(), "value uint32 has 4 bytes, the map's has 8") {
		t.Errorf("wrong value size: %v", err)
	}
}

func TestEntriesEndsWhenDeletesRestartIt(t *testing.T) {
	m := newMemMap()
	for i := range byte(4) {
		_ = m.Update([]byte{i, 0, 0, 0}, make([]byte, 8), 0)
	}
	// The key is renamed under the iterator at each step, so that NextKey
	// starts over every time: without a bound this would never end.
	n := byte(100)
	m.onLookup = func(m *memMap, key []byte) {
		i := m.find(key)
		m.keys[i] = []byte{n, 0, 0, 0}
		n++
	}
	var err error
	steps := 0
	for range Entries(m, &err) {
		steps++
	}
	if err != nil || steps > m.info.MaxEntries {
		t.Errorf("%d steps, %v; want at most %d", steps, err, m.info.MaxEntries)
	}
}

func TestEntriesReportsErrors(t *testing.T) {
	m := newMemMap()
	_ = m.Update([]byte{1, 0, 0, 0}, make([]byte, 8), 0)
	boom := errors.New("boom")
	failing := &failingMap{memMap: m, err: boom}
	var err error
	for range Entries(failing, &err) {
		t.Error("an entry came out of a failing map")
	}
	if !errors.Is(err, boom) {
		t.Errorf("error %v; want boom", err)
	}
}

type failingMap struct {
	*memMap
	err error
}

func (m *failingMap) Lookup([]byte, []byte, ebpf.MapLookupFlags) error { return m.err }

func TestCollectionClose(t *testing.T) {
	var c *Collection
	if err := c.Close(); err != nil {
		t.Errorf("nil collection: %v", err)
	}
	own, borrowed := newMemMap(), newMemMap()
	var extra closeCounter
	c = &Collection{
		Maps:     map[string]Map{"own": own, "borrowed": borrowed},
		Borrowed: map[string]bool{"borrowed": true},
		Owned:    []io.Closer{&extra},
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if own.closed != 1 || borrowed.closed != 0 || extra != 1 {
		t.Errorf("closed own %d, borrowed %d, extra %d times; want 1, 0, 1", own.closed, borrowed.closed, extra)
	}
}

type closeCounter int

func (c *closeCounter) Close() error { *c++; return nil }

func TestCollectionLookups(t *testing.T) {
	c := &Collection{Maps: map[string]Map{"a": newMemMap(), "b": newMemMap()}}
	_, err := c.Map("c")
	if !errors.Is(err, ErrNotExist) || !strings.Contains(err.Error(), "a, b") {
		t.Errorf("missing map: %v; want ErrNotExist that lists a, b", err)
	}
	if _, err := c.Program(""); !errors.Is(err, ErrNotExist) {
		t.Errorf("no programs: %v", err)
	}
}

func TestErrors(t *testing.T) {
	ns := fmt.Errorf("attach: %w", &NotSupportedError{Feature: "kprobe", Reason: "kernel built without CONFIG_KPROBES", Remedy: "use fentry"})
	if !errors.Is(ns, ErrNotSupported) || !errors.Is(ns, ebpf.ErrNotSupported) {
		t.Error("NotSupportedError is not ErrNotSupported")
	}
	if want := "attach: kprobe: not supported: kernel built without CONFIG_KPROBES; use fentry"; ns.Error() != want {
		t.Errorf("got %q, want %q", ns, want)
	}

	ve := &VerifierError{
		Program: "p", Reason: "R1 invalid mem access 'scalar'", Instruction: 3, Assembly: "r0 = *(u32 *)(r1 +0)",
		Source: SourceLine{File: "p.c", Line: 7, Column: 3, Text: "  return *x;"}, Log: []string{"line one", "line two"}, Err: syscall.EACCES,
	}
	if !errors.Is(ve, ErrRejected) || !errors.Is(ve, syscall.EACCES) {
		t.Error("VerifierError is not ErrRejected and EACCES")
	}
	if want := "program p rejected by the verifier: R1 invalid mem access 'scalar' (instruction 3: r0 = *(u32 *)(r1 +0)) at p.c:7:3: return *x;"; fmt.Sprintf("%v", ve) != want {
		t.Errorf("got %v", ve)
	}
	if long := fmt.Sprintf("%+v", ve); !strings.Contains(long, "line one\n\tline two") {
		t.Errorf("%%+v does not show the log: %s", long)
	}

	e := Errno(ErrFull, syscall.E2BIG)
	if !errors.Is(e, ErrFull) || !errors.Is(e, syscall.E2BIG) || errors.Is(e, ErrKeyExist) {
		t.Error("Errno is not both sentinel and errno")
	}
}

func TestTargetsHaveDistinctKinds(t *testing.T) {
	seen := map[AttachKind]bool{}
	for _, target := range []Target{
		XDP{},
		TCX{},
		Netkit{},
		Cgroup{},
		SkLookup{},
		FlowDissector{},
		SockMap{},
		SocketFilter{},
		SkReuseport{},
		Tracepoint{},
		RawTracepoint{},
		Kprobe{},
		KprobeMulti{},
		Uprobe{},
		UprobeMulti{},
		USDT{},
		Tracing{},
		LSM{},
		PerfEvent{},
		Iterator{},
		Netfilter{},
		StructOps{},
		Freplace{},
		LWT{},
		Lirc{},
	} {
		if seen[target.Kind()] {
			t.Errorf("kind %s twice", target.Kind())
		}
		seen[target.Kind()] = true
		if target.String() == "" {
			t.Errorf("%s has no words", target.Kind())
		}
	}
}

func TestValueBytes(t *testing.T) {
	for _, tc := range []struct {
		typ        ebpf.MapType
		size, cpus int
		want       int
	}{
		{ebpf.Hash, 5, 4, 5},
		{ebpf.PerCPUHash, 5, 4, 32},
		{ebpf.PerCPUArray, 8, 2, 16},
		{ebpf.LRUCPUHash, 9, 2, 32},
	} {
		if got := ValueBytes(tc.typ, tc.size, tc.cpus); got != tc.want {
			t.Errorf("ValueBytes(%s, %d, %d) = %d, want %d", tc.typ, tc.size, tc.cpus, got, tc.want)
		}
	}
}
