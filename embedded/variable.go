package embedded

import (
	"fmt"
	"syscall"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/engine"
)

// variable is a global variable: a window on the memory of its data section,
// which running programs share.
type variable struct {
	name         string
	section      *Map
	offset, size int
	typ          *btf.Var
}

var _ engine.Variable = (*variable)(nil)

func (v *variable) Name() string   { return v.name }
func (v *variable) Size() int      { return v.size }
func (v *variable) Type() *btf.Var { return v.typ }

// ReadOnly says that the section is frozen.
func (v *variable) ReadOnly() bool { return v.section.Info().Frozen }

// with calls f with the variable's memory.
func (v *variable) with(op string, b []byte, f func(mem []byte) error) error {
	if len(b) != v.size {
		return fmt.Errorf("%s variable %s: %d bytes given, it has %d: %w", op, v.name, len(b), v.size, syscall.EINVAL)
	}
	if err := v.section.open(op + " variable of"); err != nil {
		return err
	}
	defer v.section.mu.RUnlock()
	mem := v.section.core.vm.Memory()
	if v.offset+v.size > len(mem) {
		return notSupported(op+" variable "+v.name, "map "+v.section.core.info.Name+" was made without BPF_F_MMAPABLE", "")
	}
	return f(mem[v.offset : v.offset+v.size])
}

// Get copies the variable into dst.
func (v *variable) Get(dst []byte) error {
	return v.with("get", dst, func(mem []byte) error {
		copyOut(dst, mem)
		return nil
	})
}

// Set copies src into the variable.
func (v *variable) Set(src []byte) error {
	return v.with("set", src, func(mem []byte) error {
		if v.section.core.vm.Frozen() {
			return fmt.Errorf("set variable %s: %w", v.name, errReadOnly)
		}
		copyIn(mem, src)
		return nil
	})
}
