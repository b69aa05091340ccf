// Package object opens compiled eBPF objects and completes what
// github.com/cilium/ebpf's reader leaves out, so that both engines take the
// same [ebpf.CollectionSpec] on any operating system.
//
// # Using it
//
//	spec, err := object.OpenFile("prog.o", nil)
//
// opens a file that may come from anywhere: truncated, hostile, built for
// another machine. What cannot be read is an [*Error] that says where, what and
// how to mend it; memory stays within the limits of this package whatever the
// file claims.
//
// Beyond the reader below it, Open resolves `extern … __kconfig` variables (weak
// ones too) into a plain read-only map named ".kconfig". [Instructions] turns a
// program into 8-byte slots with its calls, maps and source lines, and
// [Relocate] applies CO-RE relocations; both work without a kernel.
//
// [Link] makes one object of several.
//
// # For maintainers
//
// An object passes four gates. A bounded view of the ELF (image.go) is read by
// our own code first and judged by a table of checks (checks.go, btfcheck.go,
// callgraph.go): sizes, counts and everything that would make the reader behind
// them allocate or recurse without end. Then what is sound but foreign to that
// reader is put into its words, in the bytes it will see (sizes.go, ksym.go,
// mapvalues.go, the weak symbols of extern.go). Then cilium/ebpf reads them
// (open.go), with a recover at that one seam. Last, what the reader dropped is
// put back beside the instructions (extern.go, kconfig.go) from a second look at
// the relocations.
//
// Nothing here imports an engine.
package object
