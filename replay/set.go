package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/btfdump"
)

// SetVariable sets a global variable of a spec before it is loaded, constants
// too. text is read by the variable's type: numbers in any base, true and
// false, enumerators by name, text for char arrays, addresses, JSON for structs
// and lists.
func SetVariable(spec *ebpf.CollectionSpec, name, text string) error {
	v, ok := spec.Variables[name]
	if !ok {
		return fmt.Errorf("set variable: %w", unknownName("variable", name, slices.Sorted(maps.Keys(spec.Variables))))
	}
	if v.Size() == 0 {
		return fmt.Errorf("set variable %s: it has no size", name)
	}
	value := make([]byte, v.Size())
	if v.Type == nil {
		if err := btfdump.Encode(nil, text, value); err != nil {
			return fmt.Errorf("set variable %s (without a type, %d bytes): %w", name, len(value), err)
		}
	} else {
		given, err := btfdump.ParseText(v.Type.Type, text)
		if err == nil {
			err = btfdump.Encode(v.Type.Type, given, value)
		}
		if err != nil {
			return fmt.Errorf("set variable %s: %w", name, err)
		}
	}
	if err := v.Set(value); err != nil {
		return fmt.Errorf("set variable %s: %w", name, err)
	}
	return nil
}

// unknownName is an error that lists what there is.
func unknownName(what, name string, have []string) error {
	hint := "there is none"
	if len(have) > 0 {
		hint = "there is " + strings.Join(have, ", ")
	}
	if s := btfdump.Suggest(name, have); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	}
	return fmt.Errorf("no %s %q: %s: %w", what, name, hint, engine.ErrNotExist)
}

// typeOf leaves out types that say nothing: void, and those without a size.
func typeOf(t btf.Type, size int) btf.Type {
	if t == nil {
		return nil
	}
	if _, void := t.(*btf.Void); void {
		return nil
	}
	n, err := btf.Sizeof(t)
	if err != nil || n != size {
		return nil
	}
	return t
}
