package maps

import (
	"bytes"
	"slices"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

// model is what a map should hold, kept the slow way.
type model struct {
	s       Spec
	entries map[string]string
}

func (m *model) lookup(key []byte) (string, bool) {
	if m.s.Type != abi.MapLPMTrie {
		v, ok := m.entries[string(key)]
		return v, ok
	}
	best, found, value := uint32(0), false, ""
	n := read32(pointerTo(key))
	for k, v := range m.entries {
		l := read32(pointerTo([]byte(k)))
		if l <= n && (!found || l >= best) && samePrefix([]byte(k)[4:], key[4:], l) {
			best, found, value = l, true, v
		}
	}
	return value, found && int(n) <= 8*(len(key)-4)
}

func samePrefix(a, b []byte, bits uint32) bool {
	for i := range bits {
		if (a[i/8]^b[i/8])&(0x80>>(i%8)) != 0 {
			return false
		}
	}
	return true
}

// name is the key under which the model keeps an entry: bits beyond a prefix
// do not count.
func (m *model) name(key []byte) string {
	if m.s.Type != abi.MapLPMTrie {
		return string(key)
	}
	k := bytes.Clone(key)
	for i := int(read32(pointerTo(k))); i < 8*(len(k)-4); i++ {
		k[4+i/8] &^= 0x80 >> (i % 8)
	}
	return string(k)
}

// valid: prefixes are no longer than addresses.
func (m *model) valid(key []byte) bool {
	return m.s.Type != abi.MapLPMTrie || int(read32(pointerTo(key))) <= 8*(len(key)-4)
}

// FuzzMap plays a stream of operations on a map and on a model.
func FuzzMap(f *testing.F) {
	f.Add(uint8(0), []byte{0, 1, 2, 1, 1, 0, 2, 1, 0, 3})
	f.Add(uint8(1), bytes.Repeat([]byte{0, 7, 9, 0, 8, 9, 1, 7, 0, 4, 3, 2}, 20))
	f.Add(uint8(2), []byte{0, 32, 10, 0, 8, 10, 0, 16, 10, 1, 24, 10, 2, 16, 10, 3, 0, 0, 0, 0, 1})
	f.Add(uint8(3), bytes.Repeat([]byte{0, 9, 0xff, 0, 40, 0x80, 2, 9, 0xff, 3, 3, 3}, 9))
	specs := []Spec{
		{Type: abi.MapHash, KeySize: 2, ValueSize: 3, MaxEntries: 7},
		{Type: abi.MapHash, KeySize: 9, ValueSize: 8, MaxEntries: 7, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapLPMTrie, KeySize: 8, ValueSize: 4, MaxEntries: 9, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapLPMTrie, KeySize: 22, ValueSize: 4, MaxEntries: 9, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapPerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 5},
	}
	f.Fuzz(func(t *testing.T, which uint8, ops []byte) {
		s := specs[int(which)%len(specs)]
		env := &Env{CPUs: 1, Memory: host.NewBudget(1 << 24)}
		m, err := New(s, env)
		if err != nil {
			t.Fatal(err)
		}
		w := &model{s: s, entries: map[string]string{}}
		for ; len(ops) >= 3; ops = ops[3:] {
			key := bytes.Repeat([]byte{ops[2]}, int(s.KeySize))
			if s.Type == abi.MapLPMTrie {
				copy(key, u32(uint32(ops[1])%(8*(s.KeySize-4)+2)))
			} else {
				key[0] = ops[1] % 16
			}
			play(t, m, w, ops[0]%4, key, bytes.Repeat([]byte{ops[1] ^ ops[2]}, ValueBytes(&s, 1)))
		}
		checkAll(t, m, w)
		m.Close()
		if env.Memory.Used() != 0 {
			t.Fatalf("%d bytes were not given back", env.Memory.Used())
		}
	})
}

func play(t *testing.T, m Map, w *model, op byte, key, value []byte) {
	t.Helper()
	name := w.name(key)
	_, exists := w.entries[name]
	switch op {
	case 0:
		e := m.UserUpdate(key, value, 0)
		switch {
		case !w.valid(key):
			want(t, "update", e, syscall.EINVAL)
		case !exists && len(w.entries) == int(w.s.MaxEntries):
			full := syscall.E2BIG
			if w.s.Type == abi.MapLPMTrie {
				full = syscall.ENOSPC
			}
			want(t, "update", e, full)
		default:
			want(t, "update", e, 0)
			w.entries[name] = string(value)
		}
	case 1:
		e := m.UserDelete(key)
		switch {
		case !w.valid(key):
			want(t, "delete", e, syscall.EINVAL)
		case !exists:
			want(t, "delete", e, syscall.ENOENT)
		default:
			want(t, "delete", e, 0)
		}
		delete(w.entries, name)
	case 2:
		got := make([]byte, len(value))
		wanted, ok := w.lookup(key)
		e := m.UserLookup(key, got, 0)
		if (e == 0) != ok || ok && string(got) != wanted {
			t.Errorf("lookup %x: %x, %v; want %x, %v", key, got, e, wanted, ok)
		}
		if addr := m.Lookup(pointerTo(key), 0); (addr != 0) != ok || ok && string(bytesOf(addr, int(w.s.ValueSize))) != wanted[:w.s.ValueSize] {
			t.Errorf("program's lookup %x: %#x; want %x, %v", key, addr, wanted, ok)
		}
	default:
		checkAll(t, m, w)
	}
}

// checkAll walks the map: every entry is seen once.
func checkAll(t *testing.T, m Map, w *model) {
	t.Helper()
	var keys []string
	var key []byte
	next := make([]byte, w.s.KeySize)
	for m.NextKey(key, next) == 0 {
		keys = append(keys, w.name(next))
		key = append(key[:0], next...)
		if len(keys) > len(w.entries) {
			break
		}
	}
	slices.Sort(keys)
	var wanted []string
	for k := range w.entries {
		wanted = append(wanted, k)
	}
	slices.Sort(wanted)
	if !slices.Equal(keys, wanted) {
		t.Fatalf("keys %x, want %x", keys, wanted)
	}
}
