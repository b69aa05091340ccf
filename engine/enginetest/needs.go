package enginetest

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// needs ends the story, as skipped, on a kernel that lacks what it names. Other
// engines have what Linux 6.18 has.
func (t *teller) needs(w []string) error {
	if len(w) < 2 || w[0] != "kfunc" {
		return errors.New("needs kfunc NAME…")
	}
	if t.eng.Name() != "kernel" {
		return nil
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("the kernel's types: %w", err)
	}
	for _, name := range w[1:] {
		var f *btf.Func
		if types.TypeByName(name, &f) != nil {
			t.r.Skipf("this kernel has no function %s; make test-vm", name)
		}
	}
	return nil
}
