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

// open checks b and locks the section; the caller unlocks if it got nil.
func (v *variable) open(op string, b []byte) error {
	if len(b) != v.size {
		return fmt.Errorf("%s variable %s: %d bytes given, it has %d: %w", op, v.name, len(b), v.size, syscall.EINVAL)
	}
	return v.section.open(op + " variable of")
}

// Get copies the variable into dst.
func (v *variable) Get(dst []byte) error {
	if err := v.open("get", dst); err != nil {
		return err
	}
	defer v.section.mu.RUnlock()
	if mem := v.section.core.vm.Memory(); len(mem) >= v.offset+v.size {
		copyOut(dst, mem[v.offset:v.offset+v.size])
		return nil
	}
	// A frozen section, or one of a map that was passed in, shows no memory.
	var key [4]byte
	all := make([]byte, v.section.core.info.ValueBytes)
	if err := v.section.core.vm.Lookup(key[:], all, 0); err != nil {
		return v.section.mapError("get variable of", err)
	}
	copy(dst, all[v.offset:])
	return nil
}

// Set copies src into the variable.
func (v *variable) Set(src []byte) error {
	if err := v.open("set", src); err != nil {
		return err
	}
	defer v.section.mu.RUnlock()
	mem := v.section.core.vm.Memory()
	switch {
	case v.section.core.vm.Frozen():
		return fmt.Errorf("set variable %s: %w", v.name, errReadOnly)
	case len(mem) < v.offset+v.size:
		return notSupported("set variable "+v.name, "map "+v.section.core.info.Name+" was made without BPF_F_MMAPABLE", "")
	}
	copyIn(mem[v.offset:v.offset+v.size], src)
	return nil
}
