//go:build linux && (amd64 || arm64)

package interp

// HasNative says that this build can run native code.
const HasNative = true

// enter calls prologue with the address to go on at in the compiler's register
// A and the thread in its own.
//
//go:noescape
func enter(prologue, target uintptr, t *Thread)
