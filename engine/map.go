package engine

import (
	"io"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Map is a live map. Keys and values are bytes as in bpf(2): a key has
// MapInfo.KeySize bytes; a value has MapInfo.ValueBytes bytes, which for
// per-CPU maps is every possible CPU's value in turn, each rounded up to 8.
type Map interface {
	Info() MapInfo

	// Lookup copies the value at key into value.
	// Absent keys are [ErrKeyNotExist].
	Lookup(key, value []byte, flags ebpf.MapLookupFlags) error

	// LookupAndDelete does both in one step (queues and stacks: pop, with a
	// nil key).
	LookupAndDelete(key, value []byte, flags ebpf.MapLookupFlags) error

	// Update sets the value at key. [ErrKeyExist] and [ErrKeyNotExist] follow
	// from UpdateNoExist and UpdateExist; a full map is [ErrFull].
	Update(key, value []byte, flags ebpf.MapUpdateFlags) error

	// Delete removes key.
	Delete(key []byte) error

	// NextKey copies the key after key into next; a nil key asks for the
	// first. After the last it returns [ErrKeyNotExist]. A key that is not in
	// the map starts over, as in Linux.
	NextKey(key, next []byte) error

	// Batch operations handle up to n = len(keys)/KeySize entries and return
	// how many they did. Lookups continue from cursor and return
	// [ErrKeyNotExist] together with the last entries.
	LookupBatch(cursor *Cursor, keys, values []byte, flags ebpf.MapLookupFlags) (int, error)
	LookupAndDeleteBatch(cursor *Cursor, keys, values []byte, flags ebpf.MapLookupFlags) (int, error)
	UpdateBatch(keys, values []byte, flags ebpf.MapUpdateFlags) (int, error)
	DeleteBatch(keys []byte) (int, error)

	// UpdateProgram and UpdateMap store a live object in a prog array (or
	// devmap, cpumap, sockmap parser …) or a map of maps. The object may be
	// closed afterwards.
	UpdateProgram(key []byte, p Program, flags ebpf.MapUpdateFlags) error
	UpdateMap(key []byte, inner Map, flags ebpf.MapUpdateFlags) error

	// Freeze makes the map read-only for user space; irreversible.
	Freeze() error

	// Memory returns the value memory of a map made with BPF_F_MMAPABLE,
	// shared with running programs, valid until Close.
	Memory() ([]byte, error)

	// RingReader reads a ring buffer; PerfReader a perf event array. One
	// reader at a time; the caller closes it.
	RingReader() (RingReader, error)
	PerfReader(opts PerfOptions) (PerfReader, error)

	// Pin keeps the map alive at path after Close; Unpin undoes it.
	Pin(path string) error
	Unpin() error

	io.Closer
}

// MapInfo describes a live map. Sizes are in bytes.
type MapInfo struct {
	Name       string
	Type       ebpf.MapType
	ID         uint32
	KeySize    int
	ValueSize  int
	MaxEntries int
	Flags      uint32
	Extra      uint64
	Frozen     bool
	// ValueBytes is the length of a value at this interface.
	ValueBytes int
	// Key and Value are the BTF types from the spec, or nil.
	Key, Value btf.Type
}

// Cursor remembers where a batch lookup stands. The zero value starts at the
// beginning. Not safe for concurrent use.
type Cursor struct {
	// Opaque is the engine's own position.
	Opaque any
}

// PerCPU says whether values of maps of type t are per CPU.
func PerCPU(t ebpf.MapType) bool {
	switch t {
	case ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUCPUHash, ebpf.PerCPUCGroupStorage:
		return true
	}
	return false
}

// ValueBytes is the length of a value of a map at the [Map] interface: valueSize,
// or for per-CPU types cpus times valueSize rounded up to 8.
func ValueBytes(t ebpf.MapType, valueSize, cpus int) int {
	if PerCPU(t) {
		return (valueSize + 7) &^ 7 * cpus
	}
	return valueSize
}

// Record is one sample of a ring buffer.
type Record struct {
	// Data is the sample; ReadInto reuses its capacity.
	Data []byte
	// Remaining bytes in the ring after this record.
	Remaining int
}

// RingReader reads a BPF_MAP_TYPE_RINGBUF in the order of reservation.
type RingReader interface {
	// Read blocks for the next record. [ErrClosed] after Close,
	// os.ErrDeadlineExceeded after the deadline.
	Read() (Record, error)
	// ReadInto is Read without allocation.
	ReadInto(rec *Record) error
	// SetDeadline bounds reads, also ones under way; zero removes the bound.
	SetDeadline(t time.Time)
	// AvailableBytes not yet read, headers included.
	AvailableBytes() int
	io.Closer
}

// PerfOptions configure a perf event array's reader.
type PerfOptions struct {
	// PerCPUBuffer in bytes, rounded up to a power of two of pages.
	// 0 means 64 pages.
	PerCPUBuffer int
	// Overwritable keeps the newest samples instead of the oldest.
	Overwritable bool
	// Watermark in bytes: wake the reader only then; 0 means each sample.
	Watermark int
}

// PerfRecord is one sample, or a count of lost ones, of a perf event array.
type PerfRecord struct {
	CPU int
	// Data is the sample, possibly padded by the kernel to a multiple of 8
	// less 4; nil for a loss.
	Data []byte
	// Lost samples before this record.
	Lost uint64
}

// PerfReader reads a BPF_MAP_TYPE_PERF_EVENT_ARRAY: samples of one CPU in
// order, those of several in none.
type PerfReader interface {
	Read() (PerfRecord, error)
	ReadInto(rec *PerfRecord) error
	SetDeadline(t time.Time)
	io.Closer
}
