// Package scalar is the verifier's knowledge of numbers: which values a 64-bit
// register can hold that holds no pointer, and what an instruction makes of it.
//
//	n := scalar.Unknown()
//	n = scalar.Alu(isa.OpAnd, true, n, scalar.Const(15))      // 0 ≤ n ≤ 15
//	small, _, large, _ := scalar.Refine(isa.OpJLT, false, n, scalar.Const(8))
//
// A Range says three things at once: the bits that are known (Tnum), bounds of
// the 64-bit number read as signed and as unsigned, and the same bounds of its
// low half. Each says something the others cannot. Sync passes on what one says
// to the others.
//
// Everything is a plain value: nothing allocates, nothing is shared, and all
// functions may be called from any goroutine.
//
// # For maintainers
//
// The reference is kernel/bpf/verifier.c and tnum.c of Linux 6.18. Each
// function names its counterpart there and knows exactly as much, because a
// verdict hangs on every bit: knowing less refuses programs that Linux loads,
// knowing more accepts programs that it refuses. So the order of steps matters
// even where a better one is plain to see. A test walks random programs beside the
// running kernel and compares the two register by register.
//
// Linux learned this over time. 6.8: ranges against ranges, low half and whole
// from each other, unequal constants. 6.14: products of negative numbers. 6.17:
// sums that wrap for all values, negation, a third round of deduction. 6.18:
// jumps by known bits, better products of bits. Stable releases of 6.18: bytes
// that swap, the only number left, links by subtraction and on w registers.
// [Era] reckons as before 6.8; what came later counts for all versions since.
// A test holds Linux 6.1 against it in the same way, in a virtual machine:
//
//	go run ./internal/vmtest/cmd/vmtest -kernel 6.1 -run KernelKnows ./verifier/internal/scalar
//
// A Range that promises the impossible (a minimum above its maximum) is one of
// a path that no run can take. Linux forgets the bounds of such a register and
// goes on; so do Alu and Refine.
package scalar
