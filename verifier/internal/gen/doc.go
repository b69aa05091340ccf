// Package gen makes random BPF programs for comparing verifiers and for running
// what they accept.
//
//	rng := gen.Rand(42)                        // equal seeds make equal programs
//	p := gen.New(rng, gen.Options{})
//	accepted, log, err := kernel.Accepts(p)    // or any other judge
//	small := gen.Minimise(p, func(q *gen.Program) bool { return differ(q) }, 2000)
//
// Programs are valid encodings (isa.ValidateCode holds for each) that use what
// verifiers find hard: pointers to stack, map values, packets and ring buffer
// samples, with fixed and variable offsets; spills; nullness; bounded loops;
// helpers, subprograms and callbacks. About a quarter of them is accepted by Linux
// 6.18, so that both verdicts are exercised; [Options] moves that.
//
// A program's maps are a list, and its instructions name them by their place in it
// (isa.PseudoMapIdx), as bpf(2) does with fd_array. [Program.Spec] turns it into a
// collection for readers of specs.
//
// # For maintainers
//
// A builder appends instructions and keeps, for each register and each stack slot,
// what it believes is there (state.go). Each step is a small function that looks
// for operands it can use and emits a few instructions (steps_*.go); a block is a
// number of steps; a branch is a step with blocks inside. Where a step would make
// something safe (a null check, a bound, an initialisation), it leaves it out with
// the program's risk: most rejected programs are one mistake away from an accepted
// one, which is where verifiers differ. Some programs are then changed blindly
// (mutate.go).
//
// The order of draws from the random source is part of what a seed means: a change
// to any step makes all seeds mean other programs. What a finding needs is the
// program, not its seed: write it down as a case.
package gen
