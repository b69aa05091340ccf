package check

import (
	"strings"

	"github.com/cilium/ebpf/btf"
)

// exceptionSlot finds the program's exception callback, 0 if it has none
// (bpf_find_exception_callback_insn_off).
func (c *Checker) exceptionSlot() (int, error) {
	name := ""
	for _, f := range c.prog.Funcs {
		if f.Slot != 0 || f.Type == nil {
			continue
		}
		for _, tag := range f.Type.Tags {
			to, ok := strings.CutPrefix(tag, "exception_callback:")
			switch {
			case !ok:
			case name != "":
				return 0, c.reject(RuleException, EINVAL, "multiple exception callback tags for main subprog")
			default:
				name = to
			}
		}
	}
	if name == "" {
		return 0, nil
	}
	var fn *btf.Func
	if c.types.prog == nil || c.types.prog.TypeByName(name, &fn) != nil {
		return 0, c.reject(RuleException, ENOENT, "exception callback '%s' could not be found in BTF", name)
	}
	if fn.Linkage != btf.GlobalFunc {
		return 0, c.reject(RuleException, EINVAL, "exception callback '%s' must have global linkage", name)
	}
	for _, f := range c.prog.Funcs {
		if f.Name != name {
			continue
		}
		if f.Slot == 0 {
			return 0, c.reject(RuleException, EINVAL, "invalid exception callback insn_off in func_info: 0")
		}
		return f.Slot, nil
	}
	return 0, c.reject(RuleException, EINVAL, "exception callback type id not found in func_info")
}
