package maps

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/skepdev/skep/abi"
)

// twins is a map of the kernel and one of ours, made and used alike.
type twins struct {
	theirs  *kernelMap
	ours    Map
	s       Spec
	ordered bool // both walk keys in the same order
	keys    *rapid.Generator[[]byte]
	vb      int
	socket  uint32 // the descriptor of a socket that no map takes
	cgroup  uint32 // that of a cgroup's directory
}

func keyGen(s Spec) *rapid.Generator[[]byte] {
	switch {
	case s.KeySize == 0:
		return rapid.Just[[]byte](nil)
	case s.Type == abi.MapLPMTrie:
		return rapid.Custom(func(r *rapid.T) []byte {
			k := make([]byte, s.KeySize)
			bits := (int(s.KeySize) - 4) * 8
			n := rapid.IntRange(0, bits+1).Draw(r, "prefix")
			if rapid.Bool().Draw(r, "short") {
				n = rapid.IntRange(0, min(9, bits)).Draw(r, "short prefix")
			}
			binary.NativeEndian.PutUint32(k, uint32(n))
			for i := range k[4:] {
				k[4+i] = rapid.SampledFrom([]byte{0, 0x80, 0xc0, 0xff, 1}).Draw(r, "byte")
			}
			return k
		})
	case isArray(s.Type):
		return rapid.Custom(func(r *rapid.T) []byte {
			return binary.NativeEndian.AppendUint32(nil, uint32(rapid.IntRange(0, int(s.MaxEntries)+1).Draw(r, "index")))
		})
	}
	return rapid.Custom(func(r *rapid.T) []byte {
		k := make([]byte, s.KeySize)
		k[rapid.IntRange(0, len(k)-1).Draw(r, "at")] = byte(rapid.IntRange(0, 3).Draw(r, "byte"))
		return k
	})
}

func isArray(t abi.MapType) bool {
	switch t {
	case abi.MapArray, abi.MapPerCPUArray, abi.MapProgArray, abi.MapPerfEventArray, abi.MapArrayOfMaps, abi.MapDevMap, abi.MapCPUMap, abi.MapXSKMap, abi.MapSockMap, abi.MapStackTrace, abi.MapCgroupArray, abi.MapReuseportSockArray:
		return true
	}
	return false
}

func (w *twins) value(r *rapid.T) []byte {
	switch w.s.Type {
	case abi.MapDevMap, abi.MapDevMapHash, abi.MapCPUMap:
		v := make([]byte, w.vb)
		binary.NativeEndian.PutUint32(v, uint32(rapid.SampledFrom([]int{0, 1, 1, 16384, 999999}).Draw(r, "target")))
		if len(v) == 8 {
			binary.NativeEndian.PutUint32(v[4:], uint32(rapid.SampledFrom([]int{0, -1, 4999}).Draw(r, "program")))
		}
		return v
	case abi.MapXSKMap:
		return binary.NativeEndian.AppendUint32(nil, w.socket)
	case abi.MapSockMap, abi.MapSockhash, abi.MapReuseportSockArray:
		fd := rapid.SampledFrom([]uint64{uint64(w.socket), 1 << 31}).Draw(r, "descriptor")
		if w.vb == 4 {
			return binary.NativeEndian.AppendUint32(nil, uint32(fd))
		}
		return binary.NativeEndian.AppendUint64(nil, fd)
	case abi.MapCgroupArray:
		return binary.NativeEndian.AppendUint32(nil, rapid.SampledFrom([]uint32{w.cgroup, w.cgroup, w.socket, 1 << 31}).Draw(r, "descriptor"))
	case abi.MapProgArray, abi.MapPerfEventArray, abi.MapArrayOfMaps, abi.MapHashOfMaps:
		return []byte{0xff, 0xff, 0xff, 0x0f} // no file descriptor
	}
	v := make([]byte, w.vb)
	seed := rapid.Byte().Draw(r, "value")
	for i := range v {
		v[i] = seed + byte(i)
	}
	return v
}

var updateFlags = rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 3, 4, 5, 8, 1 << 40})

func (w *twins) same(r *rapid.T, what string, got, want syscall.Errno) {
	r.Helper()
	if number(got) != uint32(want) {
		r.Fatalf("%s: errno %d (%v), the kernel's %d (%v)", what, number(got), got, uint32(want), want)
	}
}

func (w *twins) sameBytes(r *rapid.T, what string, got, want []byte) {
	r.Helper()
	if !bytes.Equal(got, want) {
		r.Fatalf("%s:\n got %x\nwant %x, from the kernel", what, got, want)
	}
}

func (w *twins) buffers() (ours, theirs []byte) {
	a := bytes.Repeat([]byte{0xaa}, w.vb)
	return a, bytes.Clone(a)
}

func (w *twins) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"update": func(r *rapid.T) {
			k, v, f := w.keys.Draw(r, "key"), w.value(r), updateFlags.Draw(r, "flags")
			w.same(r, "update", w.ours.UserUpdate(k, v, f), w.theirs.elem(cmdUpdate, k, v, f))
		},
		"lookup": func(r *rapid.T) {
			k, f := w.keys.Draw(r, "key"), rapid.SampledFrom([]uint64{0, 0, 0, 0, 4, 1, 1 << 40}).Draw(r, "flags")
			a, b := w.buffers()
			if w.s.Type == abi.MapBloomFilter {
				copy(a, w.value(r))
				copy(b, a)
			}
			e := w.theirs.elem(cmdLookup, k, b, f)
			w.same(r, "lookup", w.ours.UserLookup(k, a, f), e)
			w.sameBytes(r, "lookup", a, b)
		},
		"lookup and delete": func(r *rapid.T) {
			k, f := w.keys.Draw(r, "key"), rapid.SampledFrom([]uint64{0, 0, 0, 0, 4, 1}).Draw(r, "flags")
			a, b := w.buffers()
			e := w.theirs.elem(cmdLookupAndDelete, k, b, f)
			w.same(r, "lookup and delete", w.ours.UserLookupAndDelete(k, a, f), e)
			w.sameBytes(r, "lookup and delete", a, b)
		},
		"delete": func(r *rapid.T) {
			k := w.keys.Draw(r, "key")
			w.same(r, "delete", w.ours.UserDelete(k), w.theirs.elem(cmdDelete, k, nil, 0))
		},
		"freeze": func(r *rapid.T) {
			if rapid.IntRange(0, 19).Draw(r, "really") == 0 {
				w.same(r, "freeze", w.ours.Freeze(), w.theirs.freeze())
			}
		},
		"walk": w.walk,
		"next key": func(r *rapid.T) {
			if !w.ordered {
				return
			}
			k := w.keys.Draw(r, "key")
			a, b := make([]byte, w.s.KeySize), make([]byte, w.s.KeySize)
			e := w.theirs.elem(cmdNextKey, k, b, 0)
			w.same(r, "next key", w.ours.NextKey(k, a), e)
			w.sameBytes(r, "next key", a, b)
		},
		"update batch": func(r *rapid.T) {
			n := rapid.IntRange(0, 4).Draw(r, "n")
			var keys, values []byte
			for range n {
				keys, values = append(keys, w.keys.Draw(r, "key")...), append(values, w.value(r)...)
			}
			f := rapid.SampledFrom([]uint64{0, 0, 4, 1}).Draw(r, "flags")
			if w.s.KeySize == 0 {
				return
			}
			want, e := w.theirs.batch(cmdUpdateBatch, nil, keys, values, n, f)
			got, ge := w.ours.UpdateBatch(keys, values, f)
			w.same(r, "update batch", ge, e)
			if got != want && e != notSupp && e != syscall.EINVAL && e != syscall.EPERM {
				r.Fatalf("update batch: %d, the kernel %d", got, want)
			}
		},
		"delete batch": func(r *rapid.T) {
			n := rapid.IntRange(0, 4).Draw(r, "n")
			var keys []byte
			for range n {
				keys = append(keys, w.keys.Draw(r, "key")...)
			}
			if w.s.KeySize == 0 {
				return
			}
			want, e := w.theirs.batch(cmdDeleteBatch, nil, keys, nil, n, 0)
			got, ge := w.ours.DeleteBatch(keys)
			w.same(r, "delete batch", ge, e)
			if got != want && e != notSupp && e != syscall.EPERM {
				r.Fatalf("delete batch: %d, the kernel %d", got, want)
			}
		},
		"lookup batch":            func(r *rapid.T) { w.lookupBatch(r, cmdLookupBatch, false) },
		"lookup and delete batch": func(r *rapid.T) { w.lookupBatch(r, cmdLookupAndDeleteBatch, true) },
	}
}

// walk compares all keys, and their order where it is defined.
func (w *twins) walk(r *rapid.T) {
	if w.s.KeySize == 0 {
		w.same(r, "walk", w.ours.NextKey(nil, nil), w.theirs.elem(cmdNextKey, nil, nil, 0))
		return
	}
	all := func(next func(k, n []byte) syscall.Errno) (keys []string, e syscall.Errno) {
		var k []byte
		for range 100000 {
			n := make([]byte, w.s.KeySize)
			if e := next(k, n); e != 0 {
				return keys, e
			}
			keys, k = append(keys, string(n)), n
		}
		r.Fatal("walk does not end")
		return nil, 0
	}
	got, ge := all(w.ours.NextKey)
	want, we := all(func(k, n []byte) syscall.Errno { return w.theirs.elem(cmdNextKey, k, n, 0) })
	w.same(r, "walk", ge, we)
	if !w.ordered {
		slices.Sort(got)
		slices.Sort(want)
	}
	if !slices.Equal(got, want) {
		r.Fatalf("walk: keys %x, the kernel's %x", got, want)
	}
}

// lookupBatch compares whole batches, and where the order is defined also
// batches in pieces.
func (w *twins) lookupBatch(r *rapid.T, cmd int, del bool) {
	if w.s.KeySize == 0 {
		return
	}
	room := int(w.s.MaxEntries) + 3
	if w.ordered {
		room = rapid.IntRange(1, room).Draw(r, "room")
	}
	f := rapid.SampledFrom([]uint64{0, 0, 0, 4, 1}).Draw(r, "flags")
	var pos BatchPos
	var kpos []byte
	for range 50 {
		k1, v1 := make([]byte, room*int(w.s.KeySize)), make([]byte, room*w.vb)
		k2, v2 := bytes.Clone(k1), bytes.Clone(v1)
		want, we := w.theirs.batch(cmd, &kpos, k2, v2, room, f)
		got, ge := w.ours.LookupBatch(&pos, k1, v1, del, f)
		w.same(r, "batch", ge, we)
		if we != 0 && we != syscall.ENOENT {
			return
		}
		if got != want {
			r.Fatalf("batch: %d entries, the kernel's %d", got, want)
		}
		a, b := w.entries(k1, v1, got), w.entries(k2, v2, want)
		if !slices.Equal(a, b) {
			r.Fatalf("batch: entries %x, the kernel's %x", a, b)
		}
		if we == syscall.ENOENT {
			return
		}
	}
}

func (w *twins) entries(keys, values []byte, n int) (out []string) {
	ks := int(w.s.KeySize)
	for i := range n {
		out = append(out, string(keys[i*ks:(i+1)*ks])+":"+string(values[i*w.vb:(i+1)*w.vb]))
	}
	if !w.ordered {
		slices.Sort(out)
	}
	return out
}

// specs are the shapes that the twins are tried in.
func specs() (out []Spec) {
	seen := map[abi.MapType]bool{abi.MapRingBuf: true, abi.MapUserRingBuf: true, abi.MapCPUMap: true}
	add := func(s Spec) {
		out = append(out, s)
		if seen[s.Type] {
			return
		}
		seen[s.Type] = true
		for _, f := range []uint32{abi.FlagRdonly, abi.FlagWronly} {
			s := s
			s.Flags |= f
			out = append(out, s)
		}
	}
	for _, key := range []uint32{1, 4, 7, 8, 16, 20} {
		add(Spec{Type: abi.MapHash, KeySize: key, ValueSize: key + 1, MaxEntries: 4})
	}
	add(Spec{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	add(Spec{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 5, Flags: abi.FlagNoPrealloc})
	add(Spec{Type: abi.MapPerCPUHash, KeySize: 4, ValueSize: 12, MaxEntries: 5})
	add(Spec{Type: abi.MapPerCPUHash, KeySize: 4, ValueSize: 3, MaxEntries: 5, Flags: abi.FlagNoPrealloc})
	add(Spec{Type: abi.MapLRUHash, KeySize: 5, ValueSize: 12, MaxEntries: 2000})
	add(Spec{Type: abi.MapLRUHash, KeySize: 5, ValueSize: 12, MaxEntries: 2001, Flags: abi.FlagNoCommonLRU})
	add(Spec{Type: abi.MapLRUPerCPUHash, KeySize: 4, ValueSize: 12, MaxEntries: 2000})
	add(Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 12, MaxEntries: 3})
	add(Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 3, Flags: abi.FlagMmapable})
	add(Spec{Type: abi.MapPerCPUArray, KeySize: 4, ValueSize: 5, MaxEntries: 3})
	for _, key := range []uint32{5, 6, 8, 12, 15, 20, 21, 30} {
		add(Spec{Type: abi.MapLPMTrie, KeySize: key, ValueSize: 5, MaxEntries: 6, Flags: abi.FlagNoPrealloc})
	}
	add(Spec{Type: abi.MapLPMTrie, KeySize: 8, ValueSize: 1, MaxEntries: 100, Flags: abi.FlagNoPrealloc})
	add(Spec{Type: abi.MapQueue, ValueSize: 5, MaxEntries: 3})
	add(Spec{Type: abi.MapStack, ValueSize: 8, MaxEntries: 3})
	// Wide enough that neither gives a false positive: those differ.
	add(Spec{Type: abi.MapBloomFilter, ValueSize: 8, MaxEntries: 100000, Extra: 15})
	add(Spec{Type: abi.MapDevMap, KeySize: 4, ValueSize: 4, MaxEntries: 3})
	add(Spec{Type: abi.MapDevMap, KeySize: 4, ValueSize: 8, MaxEntries: 3})
	add(Spec{Type: abi.MapDevMapHash, KeySize: 4, ValueSize: 4, MaxEntries: 3})
	add(Spec{Type: abi.MapDevMapHash, KeySize: 4, ValueSize: 8, MaxEntries: 3})
	add(Spec{Type: abi.MapCPUMap, KeySize: 4, ValueSize: 4, MaxEntries: 4})
	add(Spec{Type: abi.MapXSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 3})
	for _, value := range []uint32{4, 8} {
		add(Spec{Type: abi.MapSockMap, KeySize: 4, ValueSize: value, MaxEntries: 3})
		add(Spec{Type: abi.MapSockhash, KeySize: 7, ValueSize: value, MaxEntries: 3})
	}
	add(Spec{Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 3})
	add(Spec{Type: abi.MapPerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 3})
	inner := &Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	add(Spec{Type: abi.MapArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 3, Inner: inner})
	add(Spec{Type: abi.MapHashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 3, Inner: inner})
	add(Spec{Type: abi.MapRingBuf, MaxEntries: 4096})
	add(Spec{Type: abi.MapUserRingBuf, MaxEntries: 4096})
	for _, key := range []uint32{8, 16} {
		add(Spec{Type: abi.MapCgroupStorage, KeySize: key, ValueSize: 12})
		add(Spec{Type: abi.MapPerCPUCgroupStorage, KeySize: key, ValueSize: 12})
	}
	for _, value := range []uint32{4, 8} {
		add(Spec{Type: abi.MapReuseportSockArray, KeySize: 4, ValueSize: value, MaxEntries: 3})
	}
	add(Spec{Type: abi.MapStackTrace, KeySize: 4, ValueSize: 16, MaxEntries: 3})
	add(Spec{Type: abi.MapCgroupArray, KeySize: 4, ValueSize: 4, MaxEntries: 3})
	return out
}

// TestLikeKernel runs random operations on a map of ours and on one of the
// kernel and compares every errno, value, order and count.
func TestLikeKernel(t *testing.T) {
	needKernelMaps(t)
	for _, s := range specs() {
		name := fmt.Sprintf("%s/key%d/value%d/max%d/flags%#x", s.Type, s.KeySize, s.ValueSize, s.MaxEntries, s.Flags)
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel() // closing a map of the kernel takes its time, but no work
			env := testEnv(t)
			env.Device = func(ifindex uint32) syscall.Errno {
				if ifindex != 1 { // the loopback device is always there
					return syscall.EINVAL
				}
				return 0
			}
			socket, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Close(socket)
			cgroup, err := syscall.Open("/sys/fs/cgroup", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
			if err != nil {
				cgroup = socket // no cgroup here: neither takes it
			} else {
				defer syscall.Close(cgroup)
			}
			runs := 0
			rapid.Check(t, func(r *rapid.T) {
				// After each operation on a map of maps the kernel waits for a
				// grace period.
				if runs++; runs > 10 && s.Inner != nil {
					return
				}
				theirs, e := newKernelMap(s)
				if e != 0 {
					r.Fatalf("kernel: %v", e)
				}
				defer theirs.close()
				ours, err := New(s, env)
				if err != nil {
					r.Fatal(err)
				}
				defer ours.Close()
				w := &twins{theirs: theirs, ours: ours, s: s, vb: ValueBytes(&s, env.CPUs), keys: keyGen(s), socket: uint32(socket), cgroup: uint32(cgroup)}
				w.ordered = isArray(s.Type) || s.Type == abi.MapLPMTrie
				r.Repeat(w.actions())
			})
		})
	}
}
