// Package lang compiles the bpftrace language to eBPF, in pure Go.
//
//	obj, err := lang.Compile(file, env, lang.Options{})
//
// The result is an [Object]: a *ebpf.CollectionSpec that any engine loads, and
// what its user must know besides: where each program is to be attached, what
// each map holds, and how the records of the one ring buffer are laid out
// (printf formats, print requests, …). Package trace is such a user.
//
// The compiler asks nothing of the machine. What it needs to know (types of the
// kernel and of binaries, formats of tracepoints, which probes a pattern means,
// addresses of symbols, limits) it asks the [Env] it is given.
//
// # Pipeline
//
// The passes stand in one list ([Passes]); each can be dumped ([Options.Dump]):
//
//	parse     syntax            text to tree
//	expand    lang              imports, macros, positional parameters, probe lists
//	types     lang/internal/types    a type for every expression, casts inserted
//	ir        lang/internal/ir       three-address code on virtual registers, basic blocks
//	regalloc  lang/internal/codegen  liveness, linear scan over r6-r9 and the argument registers, spilling
//	emit      lang/internal/codegen  instructions, maps, one program a probe
//
// # How programs look
//
// Numbers live in registers. Strings, tuples, records and stacks live in memory
// and are built where they are needed (a key, an event, a map's value); objects
// up to 32 bytes on the stack, larger ones in a per-CPU scratch area of their
// program. Aggregations (count, sum, hist, …) are per CPU and updated in place;
// plain scalars are arrays. Compound assignment to integer maps is atomic.
// Stacks are kept by id. What user space must know leaves through one ring
// buffer; what does not fit is counted.
package lang
