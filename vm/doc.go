// Package vm is the runtime of the embedded engine: it loads eBPF bytecode and
// runs it in this process, without a kernel, privileges or cgo.
//
// # Using it
//
//	m, err := vm.New(vm.Config{})
//	defer m.Close()
//	counts, err := m.NewMap(vm.MapSpec{Name: "counts", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
//	prog, err := m.Load(&vm.ProgramSpec{Type: abi.ProgXDP, Instructions: insns, Maps: []*vm.Map{counts}})
//	res, err := prog.TestRun(&vm.TestInput{Data: frame})
//
// A [Machine] owns memory and virtual CPUs; [Map] and [Program] belong to it.
// Map references in bytecode are indices into [ProgramSpec.Maps]
// (isa.PseudoMapIdx, isa.PseudoMapIdxValue), so one instruction stream can be
// loaded with different maps.
//
// Programs run in two ways: [Program.TestRun] answers as BPF_PROG_TEST_RUN of
// Linux 6.18 does; [Program.RunXDP] and [Program.RunSKB] are for live packets,
// allocate nothing, and tell in a [Verdict] what is to become of the packet.
//
// # Memory
//
// Registers hold real addresses of memory outside Go's heap: stacks, packets,
// map values, ring buffer records. Every access is checked against what the run
// owns, but for those that a verifier proved (ProgramSpec.Facts); a bad one ends
// the run with a [*Fault] and touches nothing. Bytes of the
// stack that the program has not written read as whatever an earlier run left
// there, as they would be refused by a verifier.
//
// # For maintainers
//
// vm/internal/interp decodes instructions into operations once and executes
// them; vm/internal/jit compiles operations to native code where it can;
// vm/internal/packet knows packets and the contexts over them;
// vm/internal/helpers has one file per helper family; vm/internal/maps one per
// map type. A verifier stands before both,
// in package embedded.
package vm
