//go:build linux && amd64

package interp

// HasNative says that this build can run native code.
const HasNative = true

// enter calls prologue with the address to go on at in RAX and the thread in
// R15.
//
//go:noescape
func enter(prologue, target uintptr, t *Thread)
