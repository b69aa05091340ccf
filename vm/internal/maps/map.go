package maps

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/vm/internal/heap"
)

// Spec describes a map as bpf(BPF_MAP_CREATE) does.
type Spec struct {
	Name       string
	Type       abi.MapType
	KeySize    uint32 // bytes
	ValueSize  uint32 // bytes
	MaxEntries uint32
	Flags      uint32 // BPF_F_… of map creation
	// Extra is map_extra: the number of hashes of a bloom filter (low 4 bits).
	Extra uint64
	// Inner is the template of a map of maps.
	Inner *Spec

	// SpinLock says that values hold a struct bpf_spin_lock at byte
	// SpinLockOffset: it is left alone when values are copied, and allows
	// BPF_F_LOCK.
	SpinLock       bool
	SpinLockOffset uint32
	// Timer says that values hold a struct bpf_timer at byte TimerOffset: it is
	// left alone when values are copied, and ends with its element.
	Timer       bool
	TimerOffset uint32
	// Fields are the other members of values that mean something: what they own
	// goes with its element.
	Fields []heap.Field
}

// Env is what a map needs from the machine it belongs to.
type Env struct {
	// CPUs is the number of virtual CPUs: of values in an entry of a per-CPU
	// map, and one more than the highest cpu passed to a method.
	CPUs int
	// Now is the time in nanoseconds.
	Now func() uint64
	// Memory bounds the bytes maps hold; nil is no bound.
	Memory *host.Budget
	// Device says whether a device of that index exists (0) or why it cannot
	// be put into a device map (an errno). Nil takes every index from 1.
	Device func(ifindex uint32) syscall.Errno
	// EndTimer is told the address of the timer in an element that goes. It is
	// called with locks of the map held, and calls no method of it.
	EndTimer func(addr uintptr)
	// Heap has what fields of values own.
	Heap *heap.Heap
}

// Keyed is a map that can tell the key of an element from the address of its
// value.
type Keyed interface {
	Map
	// KeyOf copies the key of the element whose value holds addr to key
	// (KeySize bytes), and gives the address of the value; 0 if there is none.
	KeyOf(addr uintptr, key []byte) uintptr
}

// Map is a live map.
type Map interface {
	// Spec is what the map was made from, as the kernel would report it:
	// sizes may have been rounded. Not to be modified.
	Spec() *Spec

	// Lookup returns the address of the value at key, or 0. key points to
	// KeySize readable bytes. cpu is the virtual CPU of the run: per-CPU maps
	// give that CPU's value. LRU maps mark the element as used. For a map of
	// maps it is the handle of the inner map ([Object]); types that programs
	// cannot look up give 0.
	Lookup(key Pointer, cpu int) uintptr
	// LookupPerCPU is Lookup in a per-CPU map for another CPU's value; 0 if
	// the CPU does not exist or the map is not per-CPU.
	LookupPerCPU(key Pointer, cpu int) uintptr
	// Update sets the value at key for the program running on cpu: a per-CPU
	// map changes that CPU's value only. value points to ValueSize bytes.
	Update(key, value Pointer, flags uint64, cpu int) syscall.Errno
	// Delete removes key.
	Delete(key Pointer) syscall.Errno

	// Check says whether [addr, addr+size) lies inside one value of this map
	// that was handed out at some time; why explains a no.
	Check(addr uintptr, size int, write bool) (ok bool, why string)
	// Base is the address range of the arena that holds all values; 0, 0 if
	// the map hands out no addresses. It never changes.
	Base() (start, end uintptr)

	// The user side. Lengths are those of the map: KeySize bytes of key,
	// [ValueBytes] bytes of value. Wrong lengths are EINVAL.
	UserLookup(key, value []byte, flags uint64) syscall.Errno
	UserLookupAndDelete(key, value []byte, flags uint64) syscall.Errno
	UserUpdate(key, value []byte, flags uint64) syscall.Errno
	UserDelete(key []byte) syscall.Errno
	// NextKey copies the key after key into next; nil asks for the first.
	// ENOENT after the last.
	NextKey(key, next []byte) syscall.Errno

	// LookupBatch copies up to len(keys)/KeySize entries from pos on, and
	// removes them if del. It returns how many, and ENOENT with the last
	// ones; ENOSPC means that a bucket holds more than fit (try with more
	// room). The zero BatchPos starts at the beginning.
	LookupBatch(pos *BatchPos, keys, values []byte, del bool, flags uint64) (int, syscall.Errno)
	// UpdateBatch and DeleteBatch handle entries in order until one fails and
	// return how many succeeded.
	UpdateBatch(keys, values []byte, flags uint64) (int, syscall.Errno)
	DeleteBatch(keys []byte) (int, syscall.Errno)

	// Freeze makes the map read-only for the user side. EBUSY if it is frozen
	// already.
	Freeze() syscall.Errno
	// Frozen says whether Freeze succeeded before.
	Frozen() bool
	// Memory is the value memory of an array made with BPF_F_MMAPABLE, in
	// whole pages, valid until Close; nil for other maps.
	Memory() []byte

	// Close gives the memory back. The caller makes sure that no run is under
	// way that may hold an address, and that no method is called any more.
	// Close is safe twice.
	Close()
}

// BatchPos remembers where a batch lookup stands.
type BatchPos struct {
	started bool
	bucket  uint32 // hash tables: the next bucket
	key     []byte // other maps: the last key
}

// Object is what prog arrays and maps of maps hold. The map calls Acquire when
// an object is stored and Release when it is replaced, deleted, or the map
// closed.
type Object interface {
	// ID is what the user side reads back.
	ID() uint32
	// Handle is what a program's lookup returns; not 0, and never changes.
	Handle() uintptr
	Acquire()
	Release()
}

// InnerMap is an [Object] that can be stored in a map of maps.
type InnerMap interface {
	Object
	Map() Map
}

// ObjectMap is a prog array or a map of maps.
type ObjectMap interface {
	Map
	// SetObject stores obj at key. A map of maps answers EINVAL to an inner
	// map that differs from its template.
	SetObject(key []byte, obj Object, flags uint64) syscall.Errno
	// Object is what stands at key, or nil.
	Object(key []byte) Object
}

// ProgArray is the map of tail calls.
type ProgArray interface {
	ObjectMap
	// At is the object at index, or nil; it does not allocate.
	At(index uint32) Object
}

// TargetMap is a devmap, devmap_hash or cpumap: what a packet can be redirected
// to. A value is struct bpf_devmap_val or struct bpf_cpumap_val, the latter
// half of which may name a program that runs on redirected packets.
type TargetMap interface {
	Map
	// SetTarget is UserUpdate with such a program; prog may be nil.
	SetTarget(key, value []byte, prog Object, flags uint64) syscall.Errno
	// Program is the program of the entry at key, or nil.
	Program(key Pointer) Object
}

// Stream is a queue, stack or bloom filter: maps without keys.
type Stream interface {
	Map
	// Push adds the value (ValueSize bytes); flags BPF_ANY or, for queue and
	// stack, BPF_EXIST to drop the oldest when full. E2BIG if full.
	Push(value Pointer, flags uint64) syscall.Errno
	// Pop moves the next value to value; ENOENT, and zeroes, if empty.
	// EOPNOTSUPP for bloom filters.
	Pop(value Pointer) syscall.Errno
	// Peek copies the next value to value (ENOENT, and zeroes, if empty); for
	// a bloom filter it answers whether value may have been pushed (0) or
	// certainly was not (ENOENT).
	Peek(value Pointer) syscall.Errno
}

// ValueBytes is the length of a value on the user side: the value size, or for
// per-CPU maps cpus times the value size rounded up to 8.
func ValueBytes(spec *Spec, cpus int) int {
	if perCPU(spec.Type) {
		return roundUp8(int(spec.ValueSize)) * cpus
	}
	return int(spec.ValueSize)
}
