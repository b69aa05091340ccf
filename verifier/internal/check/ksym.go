package check

import (
	"math"

	"github.com/cilium/ebpf/btf"
)

// loadKsym loads the address of a symbol of the kernel (check_pseudo_btf_id).
// Symbols that the program declares without a type are plain numbers.
func (c *Checker) loadKsym(r *Reg, k Ksym) error {
	if !c.typedKsym(k.Name) {
		c.setUnknown(r)
		if !k.Weak {
			r.UMin = 1
			r.UMax = math.MaxUint64
			c.era.Sync(&r.Range)
		}
		return nil
	}
	if c.types.kernel == nil {
		return c.reject(RuleNotSupported, ENOENT, "the kernel's types are needed to load the address of %s", k.Name)
	}
	ts, err := c.types.kernel.AnyTypesByName(k.Name)
	if err != nil {
		ts = nil
	}
	for _, t := range ts {
		switch v := t.(type) {
		case *btf.Func:
			*r = pointerReg(Mem, RdOnly)
			return nil
		case *btf.Var:
			return c.kernelVar(r, v)
		}
	}
	if k.Weak {
		c.setConst(r, 0)
		return nil
	}
	return c.reject(RuleTypes, ENOENT, "ldimm64 failed to find the address for kernel symbol '%s'.", k.Name)
}

// typedKsym reports a symbol that the program declares with a type.
func (c *Checker) typedKsym(name string) bool {
	var ds *btf.Datasec
	if c.types.prog == nil || c.types.prog.TypeByName(".ksyms", &ds) != nil {
		return false
	}
	for _, v := range ds.Vars {
		switch t := v.Type.(type) {
		case *btf.Func:
			if t.Name == name {
				return true
			}
		case *btf.Var:
			if t.Name != name {
				continue
			}
			switch plain(t.Type).(type) {
			case nil, *btf.Void:
				return false
			case *btf.Int:
				// The object reader makes "void" an int.
				return false
			}
			return true
		}
	}
	return false
}

// kernelVar is a pointer to a variable of the kernel: one CPU's copy, a
// structure, or memory that may be read.
func (c *Checker) kernelVar(r *Reg, v *btf.Var) error {
	t := plain(v.Type)
	switch {
	case c.isPerCPU(v):
		*r = pointerReg(BTFPtr, PerCPU)
		r.Obj = c.types.handle(t, true)
	case isStruct(t):
		*r = pointerReg(BTFPtr, 0)
		r.Obj = c.types.handle(t, true)
	default:
		size, ok := sizeOf(t)
		if !ok || size > math.MaxInt32 {
			return c.reject(RuleTypes, EINVAL, "ldimm64 unable to resolve the size of type '%s': -22", nameOf(t))
		}
		*r = pointerReg(Mem, RdOnly)
		r.Aux = int32(size)
	}
	return nil
}

func (c *Checker) isPerCPU(v *btf.Var) bool {
	var ds *btf.Datasec
	if c.types.kernel.TypeByName(".data..percpu", &ds) != nil {
		return false
	}
	for _, s := range ds.Vars {
		if s.Type == btf.Type(v) {
			return true
		}
	}
	return false
}
