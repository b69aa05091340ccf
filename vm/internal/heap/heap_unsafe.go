package heap

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/skepdev/skep/internal/host"
)

// MaxObject is the largest object of one CPU in bytes, as in Linux
// (kernel/bpf/memalloc.c).
const MaxObject = 4096

const (
	minClass  = 4 // objects take 16 bytes at least
	chunkSize = 64 << 10
)

// Heap hands out objects. Safe for concurrent use.
type Heap struct {
	memory *host.Budget
	cpus   int
	chunks atomic.Pointer[[]*chunk] // by address; replaced as a whole
	mu     sync.Mutex
	free   [64]uint64s // addresses of free slots, by class
	live   atomic.Int64
	closed bool
}

type uint64s []uint64

// chunk is memory cut into slots of one size.
type chunk struct {
	at, n uint64
	shift uint
	types []atomic.Pointer[Type] // of the slots in use
	mem   []byte
}

// New makes a heap whose memory is taken from a budget.
func New(memory *host.Budget, cpus int) *Heap {
	h := &Heap{memory: memory, cpus: cpus}
	h.chunks.Store(&[]*chunk{})
	return h
}

// Live is how many objects there are.
func (h *Heap) Live() int64 { return h.live.Load() }

// stride is the distance of the copies of a per-CPU object.
func stride(t *Type) uint64 { return uint64(t.Size+7) &^ 7 }

func (h *Heap) bytes(t *Type) uint64 {
	if t.PerCPU {
		return stride(t) * uint64(h.cpus)
	}
	return uint64(t.Size)
}

// New allocates a zeroed object whose reference count, if it has one, is 1. The
// address is 0 if there is no memory for it.
func (h *Heap) New(t *Type) uint64 {
	if t.Size == 0 || t.Size > MaxObject {
		return 0
	}
	class := max(bits.Len64(h.bytes(t)-1), minClass)
	h.mu.Lock()
	if h.closed || len(h.free[class]) == 0 && !h.grow(class) {
		h.mu.Unlock()
		return 0
	}
	list := h.free[class]
	a := list[len(list)-1]
	h.free[class] = list[:len(list)-1]
	h.mu.Unlock()
	clear(unsafe.Slice((*byte)(ptr(a)), 1<<class))
	if off, ok := t.Find(Refcount); ok {
		atomic.StoreUint32((*uint32)(ptr(a+uint64(off))), 1)
	}
	c := h.chunk(a)
	c.types[(a-c.at)>>c.shift].Store(t)
	h.live.Add(1)
	return a
}

// grow adds a chunk; the caller holds mu.
func (h *Heap) grow(class int) bool {
	n := max(chunkSize, 1<<class)
	mem, err := h.memory.Map(n)
	if err != nil {
		return false
	}
	c := &chunk{at: addressOf(mem), n: uint64(n), shift: uint(class), mem: mem, types: make([]atomic.Pointer[Type], n>>class)}
	next := append(slices.Clone(*h.chunks.Load()), c)
	slices.SortFunc(next, func(a, b *chunk) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	h.chunks.Store(&next)
	for i := len(c.types) - 1; i >= 0; i-- {
		h.free[class] = append(h.free[class], c.at+uint64(i)<<class)
	}
	return true
}

// chunk is the chunk that an address lies in, or nil.
func (h *Heap) chunk(a uint64) *chunk {
	list := *h.chunks.Load()
	lo, hi := 0, len(list)
	for lo < hi {
		mid := (lo + hi) / 2
		if c := list[mid]; a < c.at {
			hi = mid
		} else if a-c.at < c.n {
			return c
		} else {
			lo = mid + 1
		}
	}
	return nil
}

// Object is the live object that an address lies in: where it begins, and what
// it is. The type is nil if there is none.
func (h *Heap) Object(a uint64) (start uint64, t *Type) {
	c := h.chunk(a)
	if c == nil {
		return 0, nil
	}
	i := (a - c.at) >> c.shift
	return c.at + i<<c.shift, c.types[i].Load()
}

// Has says whether n bytes at a lie within a live object.
func (h *Heap) Has(a, n uint64) bool {
	start, t := h.Object(a)
	if t == nil {
		return false
	}
	off, size := a-start, h.bytes(t)
	return off < size && n <= size-off
}

// CPU is the copy of a CPU of the per-CPU object at a; 0 if there is none.
func (h *Heap) CPU(a uint64, cpu int) uint64 {
	start, t := h.Object(a)
	if t == nil || !t.PerCPU || start != a || uint(cpu) >= uint(h.cpus) {
		return 0
	}
	return a + uint64(cpu)*stride(t)
}

// release gives the object at start back, once: false if it was not live as t.
func (h *Heap) release(start uint64, t *Type) bool {
	c := h.chunk(start)
	i := (start - c.at) >> c.shift
	if !c.types[i].CompareAndSwap(t, nil) {
		return false
	}
	h.live.Add(-1)
	h.mu.Lock()
	h.free[c.shift] = append(h.free[c.shift], start)
	h.mu.Unlock()
	return true
}

// Acquire counts one more holder of the object at a; false if it is none that
// is counted, or nobody holds it any more.
func (h *Heap) Acquire(a uint64) bool {
	start, t := h.Object(a)
	if t == nil || start != a {
		return false
	}
	off, ok := t.Find(Refcount)
	if !ok {
		return false
	}
	count := (*uint32)(ptr(a + uint64(off)))
	for {
		n := atomic.LoadUint32(count)
		if n == 0 || n == 1<<32-1 {
			return n != 0
		}
		if atomic.CompareAndSwapUint32(count, n, n+1) {
			return true
		}
	}
}

// maxDrops bounds what goes with one object: chains that programs forged have no
// end.
const maxDrops = 1 << 26

// Drop ends one hold on the object at a; with the last one it goes, and what its
// fields own. Addresses of no object are left alone.
func (h *Heap) Drop(a uint64) {
	pending := uint64s{a}
	for n := 0; len(pending) > 0 && n < maxDrops; n++ {
		a := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		start, t := h.Object(a)
		if t == nil || start != a {
			continue
		}
		if off, ok := t.Find(Refcount); ok && !unhold((*uint32)(ptr(a+uint64(off)))) {
			continue
		}
		for _, f := range t.Fields {
			pending = h.take(a+uint64(f.Offset), f.Kind, pending)
		}
		h.release(start, t)
	}
}

// unhold says whether that was the last hold.
func unhold(count *uint32) bool {
	for {
		n := atomic.LoadUint32(count)
		if n == 0 || n == 1<<32-1 { // forged, or saturated
			return false
		}
		if atomic.CompareAndSwapUint32(count, n, n-1) {
			return n == 1
		}
	}
}

// DropField ends what the field at a owns (bpf_obj_free_fields).
func (h *Heap) DropField(a uint64, k Kind) {
	for _, o := range h.take(a, k, nil) {
		h.Drop(o)
	}
}

// take empties the field at a and adds the objects it owned to list.
func (h *Heap) take(a uint64, k Kind, list uint64s) uint64s {
	switch k {
	case Kptr:
		if o := atomic.SwapUint64((*uint64)(ptr(a)), 0); o != 0 {
			list = append(list, o)
		}
	case List:
		n := h.word(a)
		for range maxDrops {
			if n == 0 || n == a {
				break
			}
			next := h.word(n)
			list, n = h.unown(n, listOwner, list), next
		}
		h.setWord(a, 0)
		h.setWord(a+8, 0)
	case Tree:
		list = h.takeTree(h.word(a), list)
		h.setWord(a, 0)
		h.setWord(a+8, 0)
	}
	return list
}

// unown makes the node at n that of nobody and adds its object to list.
func (h *Heap) unown(n, owner uint64, list uint64s) uint64s {
	start, t := h.Object(n)
	if t == nil || !h.Has(n, owner+8) {
		return list
	}
	atomic.StoreUint64((*uint64)(ptr(n+owner)), 0)
	return append(list, start)
}

func (h *Heap) takeTree(root uint64, list uint64s) uint64s {
	todo := uint64s{root}
	for n := 0; len(todo) > 0 && n < maxDrops; n++ {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if x == 0 || !h.Has(x, nodeSize) || h.word(x+treeOwner) == 0 {
			continue
		}
		todo = append(todo, h.word(x+treeLeft), h.word(x+treeRight))
		list = h.unown(x, treeOwner, list)
	}
	return list
}

// Close gives all memory back.
func (h *Heap) Close() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	for _, c := range *h.chunks.Load() {
		if e := h.memory.Unmap(c.mem); e != nil {
			err = e
		}
	}
	h.chunks.Store(&[]*chunk{})
	return err
}

func addressOf(mem []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))) }

// ptr makes a pointer of an address outside Go's heap.
func ptr(a uint64) unsafe.Pointer { return unsafe.Add(nil, uintptr(a)) }

// Swap puts v into the field at a, eight bytes of memory, and gives what was
// there (bpf_kptr_xchg).
func (h *Heap) Swap(a, v uint64) uint64 { return atomic.SwapUint64((*uint64)(ptr(a)), v) }
