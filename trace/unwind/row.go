package unwind

import (
	"fmt"
	"sort"
)

// Kind says where the CFA is.
type Kind uint8

// Kinds, as the BPF side numbers them (bpf/src/profile.bpf.c).
const (
	// KindNone: nothing is said; code without tables. A walk may guess that
	// there is a frame pointer.
	KindNone Kind = iota
	// KindSP: the stack pointer + Offset*8.
	KindSP
	// KindFP: the frame pointer + Offset*8.
	KindFP
	// KindPLT: a stub of the procedure linkage table: the stack pointer + 8, and
	// 8 more from the Offset-th byte of its 16 on, where it has pushed a word.
	KindPLT
	// KindDeref: the word that lies Offset*8 bytes below the frame pointer
	// (stacks that were realigned).
	KindDeref
	// KindSignal: the frame of a signal handler; the stack pointer points to
	// the kernel's struct ucontext, which has all registers.
	KindSignal
	// KindEnd: the outermost function, it has no caller.
	KindEnd
	// KindUnsupported: said, but in a way that does not fit a row.
	KindUnsupported
	// KindFrame: the frame pointer is set up, CFA and the caller's are by it
	// (Go's functions that move the stack pointer).
	KindFrame
)

func (k Kind) String() string {
	names := [...]string{"none", "sp", "fp", "plt", "deref", "signal", "end", "unsupported", "frame"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Values of Row.FP that are no place.
const (
	// FPSame: the caller's frame pointer is still in its register.
	FPSame = 0
	// FPAtFP: it lies where the frame pointer points to.
	FPAtFP = 127
)

// Row says how to unwind from PC on. The caller's address lies right below the
// CFA.
type Row struct {
	// PC counts from the table's Base.
	PC uint32
	// Offset in words of 8 bytes.
	Offset uint16
	Kind   Kind
	// FP: where the caller's frame pointer lies, in words from the CFA; or
	// FPSame, FPAtFP.
	FP int8
}

// RowSize is a row's size in bytes, in memory and in the kernel's map.
const RowSize = 8

// MaxRows is how many rows of a binary are read.
const MaxRows = 4 << 20

// Table unwinds a binary's functions.
type Table struct {
	// Base is the lowest address of the binary's segments, as its ELF file
	// counts.
	Base uint64
	// Rows sorted by PC, no two with the same.
	Rows []Row
}

// Find is the row for an address as the ELF file counts.
func (t *Table) Find(addr uint64) (Row, bool) {
	if addr < t.Base {
		return Row{}, false
	}
	pc := addr - t.Base
	i := sort.Search(len(t.Rows), func(i int) bool { return uint64(t.Rows[i].PC) > pc })
	if i == 0 {
		return Row{}, false
	}
	return t.Rows[i-1], true
}

// builder collects the rows of functions in any order.
type builder struct {
	base uint64
	rows []Row
	ends []Row // KindNone after each function, unless another begins there
}

// put adds a row for an address.
func (b *builder) put(addr uint64, r Row) error {
	if addr < b.base || addr-b.base > 1<<32-1 {
		return fmt.Errorf("address %#x is more than 4 GiB above %#x", addr, b.base)
	}
	if len(b.rows) >= MaxRows {
		return fmt.Errorf("more than %d rows", MaxRows)
	}
	r.PC = uint32(addr - b.base)
	b.rows = append(b.rows, r)
	return nil
}

// end says that a function ends before addr.
func (b *builder) end(addr uint64) {
	if addr >= b.base && addr-b.base <= 1<<32-1 {
		b.ends = append(b.ends, Row{PC: uint32(addr - b.base), Kind: KindNone})
	}
}

// table sorts, and leaves out what repeats the row before.
func (b *builder) table() *Table {
	all := append(b.ends, b.rows...) // a function's own row comes after the end of the one before, and wins
	sort.SliceStable(all, func(i, j int) bool { return all[i].PC < all[j].PC })
	out := make([]Row, 0, len(all))
	for i, r := range all {
		if i+1 < len(all) && all[i+1].PC == r.PC {
			continue
		}
		if n := len(out); n > 0 && out[n-1].Kind == r.Kind && out[n-1].Offset == r.Offset && out[n-1].FP == r.FP {
			continue
		}
		out = append(out, r)
	}
	return &Table{Base: b.base, Rows: out}
}
