// Package jit compiles decoded programs to native code.
//
// # For maintainers
//
// Native code runs on the goroutine's own stack, of which it uses nothing but
// the return address. It keeps r0 to r9 in processor registers, and leaves for
// Go, with the registers back in the thread, at whatever it does not do itself:
// calls, exits, atomics, accesses to anything but the packet, the latest map
// value, global data and the stack frame. The interpreter does that one operation and comes
// back behind it, so there is one implementation of everything that is not
// hot, and a fault is found, named and reported where it always was.
//
// Nothing is proved about a program yet: each access is compared with the
// bounds in the thread, as the interpreter does. A verifier's facts will remove
// the comparisons.
//
// Jumps back take from a small supply of fuel; when it is used up the code
// leaves for Go, where the garbage collector and the scheduler get their turn
// and the run's instruction budget is judged.
//
// Code is written to fresh memory that becomes executable only when it is no
// longer writable. compile_*.go translate, amd64 encodes; both are plain Go and
// are tested everywhere. Only enter_*.s and native_*.go know what this runs on:
// amd64 on Linux. Elsewhere programs are interpreted.
package jit
