// Package symbol names addresses of processes and of the kernel.
//
//	s := symbol.New(symbol.Options{})
//	defer s.Close()
//	for _, f := range s.Frames(pid, addr) { // innermost first: inlined ones, then the function
//		fmt.Println(f.Name, f.File, f.Line)
//	}
//
// A process's mappings come from /proc/PID/maps; the files behind them are
// opened as the process sees them (its mount namespace, deleted files), looked
// into when first asked, and shared between processes. Names come from, in this
// order:
//
//  1. the file's symbol tables (.symtab, .dynsym), and its procedure linkage table
//  2. a Go binary's own table (.gopclntab), which stripping leaves there
//  3. a separate debug file: by build id, or by .gnu_debuglink
//  4. .gnu_debugdata, the compressed table that Fedora's binaries carry
//  5. /tmp/perf-PID.map, which JIT compilers (Node, Java agents, .NET) write
//
// Lines and inlined functions come from DWARF or a Go binary's table. Names of
// C++ and Rust are demangled.
//
// Processes that have ended keep their names if they were looked at before
// ([Symbolizer.Observe]); so do those whose mappings somebody else recorded
// ([Symbolizer.AddMapping]).
//
// # Limits
//
// Files are read within limits (Max constants) and never trusted: what is broken
// yields fewer names. Tables are kept while they fit [Options.CacheBytes], the
// least recently used one goes first.
package symbol
