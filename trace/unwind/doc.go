// Package unwind turns what compilers say about stack frames into tables that a
// BPF program can walk stacks with.
//
//	t, err := unwind.Read(file)       // .eh_frame of C, C++, Rust; the pc-sp table of Go
//	row, ok := t.Find(addr)           // how to get from there to the caller
//
// A table is rows sorted by address; a row holds from its address to the next
// row's and fits eight bytes ([Row]). That is less than DWARF can say and all
// that compilers do say on x86-64: the canonical frame address (CFA, the value
// of the stack pointer before the call) is the stack or frame pointer and a
// constant, or one of three expressions (procedure linkage tables, realigned
// stacks, signal frames); of the registers only the frame pointer is followed.
// What does not fit is a row of [KindUnsupported], where a walk stops.
//
// The format is that of the System V ABI, AMD64 supplement, 4.2.4 and the Linux
// Standard Base Core 5.0, 10.6.1 (.eh_frame), on top of DWARF 4, 6.4.
//
// # Limits
//
// Only x86-64. At most [MaxRows] rows of a binary, 4 GiB of address space.
package unwind
