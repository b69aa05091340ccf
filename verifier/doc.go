// Package verifier decides, without a kernel, whether Linux would accept an eBPF
// program, and says why.
//
// # Using it
//
//	coll, err := object.OpenFile("prog.o", nil)
//	p, err := verifier.FromSpec(coll, "xdp_filter", nil)
//	report, err := verifier.Verify(ctx, p, verifier.Options{})
//	var r *verifier.Rejection
//	if errors.As(err, &r) {
//		fmt.Println(r) // what is wrong, in the kernel's words
//	}
//
// A program that is accepted touches no memory but its own, on no path; the
// report says what each access goes through ([Fact]), which is what a compiler
// needs to leave out comparisons.
//
// # For maintainers
//
// verifier/internal/check follows the program along every path with abstract
// values, as kernel/bpf/verifier.c of Linux 6.18 does; verifier/internal/scalar
// knows numbers; verifier/internal/corpus measures agreement with the kernel.
// This package turns specs into what they work on.
package verifier
