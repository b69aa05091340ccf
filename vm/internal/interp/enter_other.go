//go:build !(linux && (amd64 || arm64))

package interp

// HasNative says that this build can run native code.
const HasNative = false

func enter(uintptr, uintptr, *Thread) { panic("BUG: no native code on this processor") }

func catchFaults() {}

func (t *Thread) nativeFault() {}
