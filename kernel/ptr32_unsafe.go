//go:build linux && (386 || arm || mipsle)

package kernel

import "unsafe"

// pointer is a pointer inside a union bpf_attr, which gives it 64 bits.
type pointer struct {
	p unsafe.Pointer
	_ uint32
}
