// Package conformance reads the cases of the eBPF conformance suite
// (https://github.com/Alan-Jowett/bpf_conformance) and runs them on package vm.
//
// A case is a program in the suite's assembly or as raw slots, the memory that
// R1 points to, and the value that R0 must have in the end:
//
//	-- asm
//	ldxh %r0, [%r1+2]
//	exit
//	-- mem
//	aa bb 11 22 cc dd
//	-- result
//	0x2211
//
// The suite's own runner reaches the same runtime through the command beside
// this package, which speaks its plugin protocol.
//
// # For maintainers
//
// case.go splits a file into its sections, asm.go assembles, run.go wraps a
// program so that all 64 bits of R0 come out. The cases under testdata are the
// suite's, unchanged; testdata/README.md tells their origin and licences.
package conformance
