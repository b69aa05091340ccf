// Package jit compiles decoded programs to native code.
//
// # For maintainers
//
// Native code runs on the goroutine's own stack, of which it uses nothing but
// the return address. It keeps r0 to r10 in processor registers. It does
// arithmetic, jumps, calls within the program and memory accesses, looks up in
// arrays and hashes that it knows, and leaves for Go, with the registers back in
// the thread, at whatever else there is. Go does that one operation and comes
// back behind it, so there is one implementation of everything that is not
// hot, and a fault is found, named and reported where it always was.
//
// flow.go follows what registers hold along all paths: constants, the frame
// pointer, the context, map values after their null check. What follows from
// the code alone needs no comparison, in verified programs or not. Other
// accesses are compared with the bounds in the thread, as the interpreter
// does, the likely object first; an [interp.Fact] that somebody proved about an
// instruction takes its comparison away.
//
// A call keeps what its caller needs in the gap between the two stack frames
// (interp's saved), where no program reaches: where to go on natively, the slot
// for Go, and those of r6 to r9 that the callee changes. exit jumps through
// it; what Go entered, it finds Go's stubs there. So calls, callbacks and tail
// calls of native and interpreted code may nest in any order.
//
// Jumps back and calls take from a small supply of fuel; when it is used up the
// code leaves for Go, where the garbage collector and the scheduler get their
// turn and the run's instruction budget is judged.
//
// Code is written to fresh memory that becomes executable only when it is no
// longer writable. compile_*.go translate to what package asm asks of an
// assembler; packages beside it encode. All of it is plain Go and tested
// everywhere; only interp's enter_*.s run on one system.
package jit
