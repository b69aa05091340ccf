//go:build linux && mips

package kernel

import "unsafe"

// pointer is a pointer inside a union bpf_attr, which gives it 64 bits.
type pointer struct {
	_ uint32
	p unsafe.Pointer
}
