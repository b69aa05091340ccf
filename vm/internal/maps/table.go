package maps

import (
	"math/bits"
	"sync"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

// An element in the arena of a hash table:
//
//	0   next: the element after it in its bucket, or an end mark
//	4   hash of the key; while the element is free, the link of its free list
//	    8   prev, next in the LRU list; used mark; list      (LRU tables only)
//	… key, rounded up to 8
//	… value, rounded up to 8           (per-CPU tables keep values in planes)
//
// A bucket's head, and next, hold element + 1. The last element of a bucket
// ends in endMark|bucket: a reader that arrives at another bucket's mark was
// carried away on an element that was reused meanwhile, and starts over.
const (
	elemNext = 0
	elemHash = 4
	elemKey  = 8

	endMark = 1 << 31
)

// maxEntriesHash keeps element numbers below endMark.
const maxEntriesHash = endMark - 1<<20

// table is what all hash maps share.
type table struct {
	common
	hash    hasher
	mask    uint32 // of buckets
	heads   []byte
	headAt  Pointer
	mem     []byte // elements
	elems   elems
	keyAt   uintptr
	keySize uintptr
	valAt   uintptr // in the element; 0 for per-CPU tables

	planes  []byte // values of per-CPU tables, CPU by CPU
	valBase Pointer
	plane   uintptr
	vstride uintptr

	where      region
	stripes    []stripe
	stripeMask uint32
	isLRU      bool
}

// stripe guards the buckets whose number ends in its own.
type stripe struct {
	mu sync.Mutex
	// spare is the element that the next replacement is written to.
	spare uint32
	lru   lru
	// objects are what elements of a map of maps hold.
	objects map[uint32]Object
	_       [64]byte
}

// checkHash is htab_map_alloc_check.
func checkHash(s *Spec) error {
	lru := s.Type == abi.MapLRUHash || s.Type == abi.MapLRUPerCPUHash
	const allowed = abi.FlagNoPrealloc | abi.FlagNoCommonLRU | abi.FlagNumaNode | accessFlags | abi.FlagZeroSeed
	if err := s.checkFlags(allowed); err != nil {
		return err
	}
	noCommon := s.Flags&abi.FlagNoCommonLRU != 0
	switch {
	case !lru && noCommon:
		return s.refuse(syscall.EINVAL, "BPF_F_NO_COMMON_LRU is for LRU maps")
	case lru && s.Flags&abi.FlagNoPrealloc != 0:
		return s.refuse(notSupp, "LRU maps are always preallocated")
	case s.Flags&abi.FlagNumaNode != 0 && (perCPU(s.Type) || noCommon):
		return s.refuse(syscall.EINVAL, "per-CPU maps take no NUMA node")
	case s.MaxEntries == 0:
		return s.refuse(syscall.EINVAL, "max_entries is 0")
	case s.KeySize == 0:
		return s.refuse(syscall.EINVAL, "the key size is 0")
	case s.ValueSize == 0:
		return s.refuse(syscall.EINVAL, "the value size is 0")
	case uint64(s.KeySize)+uint64(s.ValueSize) >= kmallocMax-hashElemHeader:
		return s.refuse(syscall.E2BIG, "key and value of %d bytes are above the limit of %d", uint64(s.KeySize)+uint64(s.ValueSize), kmallocMax-hashElemHeader-1)
	case perCPU(s.Type) && roundUp8(int(s.ValueSize)) > percpuMax:
		return s.refuse(syscall.E2BIG, "a per-CPU value of %d bytes is above the limit of %d", s.ValueSize, percpuMax)
	case s.MaxEntries > endMark:
		return s.refuse(syscall.E2BIG, "%d entries are above the limit of %d", s.MaxEntries, uint32(endMark))
	}
	return nil
}

// hashElemHeader is sizeof(struct htab_elem) of Linux 6.18.
const hashElemHeader = 48

func newTable(s *Spec, env *Env) (*table, error) {
	if err := checkHash(s); err != nil {
		return nil, err
	}
	t := &table{common: newCommon(s, env), isLRU: s.Type == abi.MapLRUHash || s.Type == abi.MapLRUPerCPUHash}
	if s.Flags&abi.FlagNoCommonLRU != 0 {
		t.spec.MaxEntries = roundTo(s.MaxEntries, uint32(env.CPUs))
	}
	n := t.spec.MaxEntries
	if n > maxEntriesHash {
		return nil, s.noMemory(host.ErrMemory)
	}
	t.hash = newHasher(s.KeySize, s.Flags)
	buckets := uint32(1) << bits.Len32(n-1)
	t.mask = buckets - 1
	t.layout()
	t.makeStripes(buckets)
	return t, t.mapMemory(buckets)
}

// roundTo rounds n up to a multiple of m, or down if that overflows.
func roundTo(n, m uint32) uint32 {
	up := (n + m - 1) / m * m
	if up < n {
		return n / m * m
	}
	return up
}

func (t *table) layout() {
	t.keySize = uintptr(t.spec.KeySize)
	t.keyAt = elemKey
	if t.isLRU {
		t.keyAt += lruHeader
	}
	t.elems.stride = t.keyAt + uintptr(roundUp8(int(t.keySize)))
	t.elems.linkAt = elemHash
	value := t.valueSize()
	t.vstride = uintptr(roundUp8(value))
	if !perCPU(t.spec.Type) {
		t.valAt = t.elems.stride
		t.elems.stride += t.vstride
	}
}

// valueSize is the bytes of a value in memory: an inner map's handle is wider
// than what user space calls its value.
func (t *table) valueSize() int {
	if t.spec.Type == abi.MapHashOfMaps {
		return 8
	}
	return int(t.spec.ValueSize)
}

func (t *table) makeStripes(buckets uint32) {
	// So many that CPUs with different keys seldom meet: a lock that another CPU
	// had last costs more than all the rest of an update. A stripe has memory of
	// its own, a spare element too: small tables have few.
	n := uint32(16)
	for n < uint32(t.env.CPUs)*128 && n < 1024 && n < buckets/8 {
		n *= 2
	}
	if t.isLRU {
		// Each stripe keeps its own order: a few elements in many stripes would
		// not be an order.
		for n > 1 && t.spec.MaxEntries/n < 64 {
			n /= 2
		}
	}
	n = min(n, buckets)
	t.stripes = make([]stripe, n)
	t.stripeMask = n - 1
	t.elems.shards = make([]shard, min(n, max(uint32(t.env.CPUs), 4)))
	t.elems.max = t.spec.MaxEntries
	for i := range t.stripes {
		t.stripes[i].spare = t.spec.MaxEntries + uint32(i)
		t.stripes[i].lru.init()
	}
}

func (t *table) mapMemory(buckets uint32) (err error) {
	s := &t.spec
	if t.heads, err = t.env.mapArena(s, mul(int(buckets), 4)); err != nil {
		return err
	}
	t.headAt = pointerTo(t.heads)
	count := int(s.MaxEntries)
	if t.hasSpares() {
		count += len(t.stripes)
	}
	size := mul(int(t.elems.stride), count)
	if t.mem, err = t.mapElems(size); err != nil {
		t.Close()
		return err
	}
	t.elems.base = pointerTo(t.mem)
	t.where = region{
		base: start(t.mem), size: uintptr(size), plane: uintptr(size), stride: t.elems.stride,
		offset: t.valAt, value: uintptr(t.valueSize()), count: uintptr(count),
	}
	if !perCPU(s.Type) {
		return nil
	}
	plane := host.RoundUpPage(mul(int(t.vstride), count))
	if t.planes, err = t.mapElems(mul(plane, t.env.CPUs)); err != nil {
		t.Close()
		return err
	}
	t.valBase, t.plane = pointerTo(t.planes), uintptr(plane)
	t.where = region{
		base: start(t.planes), size: uintptr(len(t.planes)), plane: t.plane, stride: t.vstride,
		value: uintptr(s.ValueSize), count: uintptr(count),
	}
	return nil
}

// hasSpares: replacing an element of a plain table writes a second one, which
// a full table needs beside its entries. Per-CPU values are changed in place.
func (t *table) hasSpares() bool { return !perCPU(t.spec.Type) }

// mapElems maps an arena; one of a table without preallocation is charged
// piece by piece as elements are needed.
func (t *table) mapElems(size int) ([]byte, error) {
	if t.spec.Flags&abi.FlagNoPrealloc == 0 || size < 1<<20 {
		return t.env.mapArena(&t.spec, size)
	}
	mem, err := host.Map(size)
	if err != nil {
		return nil, t.spec.noMemory(err)
	}
	per := t.elems.stride
	if perCPU(t.spec.Type) {
		per += t.vstride * uintptr(t.env.CPUs)
	}
	t.elems.chunk = uint32(max(64<<10/per, 1))
	factor := int64(per)
	t.elems.charge = func(bytes int64) bool {
		n := bytes / int64(t.elems.stride) * factor
		if n < 0 {
			t.env.Memory.Give(-n)
			return true
		}
		return t.env.Memory.Take(n) == nil
	}
	return mem, nil
}

func (t *table) Close() {
	if !t.closed.CompareAndSwap(false, true) {
		return
	}
	for i := range t.stripes {
		for _, o := range t.stripes[i].objects {
			o.Release()
		}
	}
	t.closeFields()
	t.env.unmap(t.heads)
	t.releaseElems(t.mem)
	t.releaseElems(t.planes)
	if n := t.elems.charged(); n != 0 {
		t.elems.charge(-n)
	}
}

// closeFields ends what elements own. Those that are not in use own nothing.
func (t *table) closeFields() {
	if len(t.spec.Fields) == 0 || t.elems.base == nil {
		return
	}
	for i := range min(t.elems.fresh.Load(), t.spec.MaxEntries) {
		t.dropFields(t.value(i, 0))
	}
	for i := range t.stripes {
		t.dropFields(t.value(t.spec.MaxEntries+uint32(i), 0))
	}
}

func (t *table) releaseElems(mem []byte) {
	if t.elems.chunk != 0 && len(mem) >= 1<<20 {
		if err := host.Unmap(mem); err != nil {
			panic("BUG: " + err.Error())
		}
		return
	}
	t.env.unmap(mem)
}

func (t *table) Base() (uintptr, uintptr) { return t.where.base, t.where.base + t.where.size }

func (t *table) Check(addr uintptr, size int, write bool) (bool, string) {
	if ok, why := t.access(write); !ok {
		return false, why
	}
	i, ok, why := t.where.check(addr, size)
	if ok && uint32(i) >= t.elems.fresh.Load() && uint32(i) < t.spec.MaxEntries {
		return false, "a map element that was never handed out"
	}
	return ok, why
}
