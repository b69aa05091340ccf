//go:build linux

package kernel

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// variable is a global variable: a window on the memory of its data section.
type variable struct {
	name    string
	section *Map // whose lock keeps the memory mapped
	v       *ebpf.Variable
}

var _ engine.Variable = (*variable)(nil)

func (v *variable) Name() string   { return v.name }
func (v *variable) Size() int      { return int(v.v.Size()) }
func (v *variable) ReadOnly() bool { return v.v.ReadOnly() }
func (v *variable) Type() *btf.Var { return v.v.Type() }
func (v *variable) with(op string, b []byte, f func() error) error {
	if len(b) != v.Size() {
		return fmt.Errorf("%s variable %s: %d bytes given, it has %d: %w", op, v.name, len(b), v.Size(), unix.EINVAL)
	}
	return v.section.withFD(op+" variable of", func(int) error { return f() })
}

// Get copies the variable into dst.
func (v *variable) Get(dst []byte) error {
	return v.with("get", dst, func() error { return v.v.Get(dst) })
}

// Set copies src into the variable.
func (v *variable) Set(src []byte) error {
	return v.with("set", src, func() error { return v.v.Set(src) })
}
