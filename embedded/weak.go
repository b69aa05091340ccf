package embedded

import (
	"errors"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/vm"
)

// weakFuncs links a program's kernel functions. Those declared __weak may be
// missing: their address is 0 then, and calls of them, which stand behind a
// check of the address, become poisoned code.
type weakFuncs struct {
	code   *object.Code
	byName map[string]bool
}

func newWeakFuncs(code *object.Code) *weakFuncs {
	w := &weakFuncs{code: code, byName: make(map[string]bool)}
	for _, k := range code.Kfuncs {
		w.byName[k.Name] = true
	}
	return w
}

// calls says whether the program calls a kernel function of that name, so that
// a reference to the name means its address.
func (w *weakFuncs) calls(name string) bool { return w.byName[name] }

// setAddress makes the function's address v wherever it is asked for.
func (w *weakFuncs) setAddress(ps *vm.ProgramSpec, name string, v int32) {
	for _, k := range w.code.Ksyms {
		if k.Name == name {
			ps.Instructions[k.Slot].Imm = v
		}
	}
}

// load loads the program, and as often again as a weak function turns out to be
// missing.
func (w *weakFuncs) load(m *vm.Machine, ps *vm.ProgramSpec) (*vm.Program, error) {
	for name := range w.byName {
		w.setAddress(ps, name, 1)
	}
	for {
		p, err := m.Load(ps)
		imm, ok := w.missing(ps, err)
		if !ok {
			return p, err
		}
		w.setAddress(ps, w.code.Kfuncs[imm].Name, 0)
		for i, ins := range ps.Instructions {
			if ins.Op == isa.Call && ins.Src == isa.PseudoKfuncCall && ins.Imm == imm {
				ps.Instructions[i] = isa.Instruction{Op: isa.Call, Imm: object.PoisonedHelper}
			}
		}
		delete(ps.Kfuncs, imm)
	}
}

// missing is the weak function whose absence made loading fail.
func (w *weakFuncs) missing(ps *vm.ProgramSpec, err error) (imm int32, ok bool) {
	var l *vm.LoadError
	if !errors.As(err, &l) || !errors.Is(l.Err, vm.ErrNotSupported) || l.Instruction < 0 || l.Instruction >= len(ps.Instructions) {
		return 0, false
	}
	ins := ps.Instructions[l.Instruction]
	if ins.Op != isa.Call || ins.Src != isa.PseudoKfuncCall {
		return 0, false
	}
	return ins.Imm, w.code.Kfuncs[ins.Imm].Weak
}
