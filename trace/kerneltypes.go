package trace

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/lang"
)

// KernelTypes are the kernel's.
func (m *Machine) KernelTypes() (lang.Types, error) {
	spec, err := m.types()
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, ebpf.ErrNotSupported) {
			return nil, unknown("no BTF: %v", err)
		}
		return nil, err
	}
	return &kernelTypes{spec: spec}, nil
}

// kernelTypes looks types up in BTF.
type kernelTypes struct {
	spec *btf.Spec
	once sync.Once
	enum map[string]enumerator
}

type enumerator struct {
	value int64
	enum  btf.Type
}

func (k *kernelTypes) TypeByName(tag, name string) (btf.Type, error) {
	list, err := k.spec.AnyTypesByName(name)
	if err != nil {
		return nil, unknown("type %s", name)
	}
	for _, t := range list {
		switch t.(type) {
		case *btf.Struct:
			if tag == "struct" {
				return t, nil
			}
		case *btf.Union:
			if tag == "union" {
				return t, nil
			}
		case *btf.Enum:
			if tag == "enum" {
				return t, nil
			}
		case *btf.Typedef, *btf.Int:
			if tag == "" {
				return t, nil
			}
		}
	}
	return nil, unknown("type %s %s", tag, name)
}

// Enumerator finds an enumeration's value by name; all are read the first time.
func (k *kernelTypes) Enumerator(name string) (int64, btf.Type, error) {
	k.once.Do(func() {
		k.enum = map[string]enumerator{}
		for t, err := range k.spec.All() {
			if err != nil {
				return
			}
			e, ok := t.(*btf.Enum)
			if !ok {
				continue
			}
			for _, v := range e.Values {
				if _, known := k.enum[v.Name]; !known {
					k.enum[v.Name] = enumerator{int64(v.Value), e}
				}
			}
		}
	})
	e, ok := k.enum[name]
	if !ok {
		return 0, nil, unknown("enumerator %s", name)
	}
	return e.value, e.enum, nil
}

// FuncProto finds a function's prototype, or that of a typedef of a pointer to
// one (btf_trace_…).
func (k *kernelTypes) FuncProto(name string) (*btf.FuncProto, error) {
	list, err := k.spec.AnyTypesByName(name)
	if err != nil {
		return nil, unknown("function %s", name)
	}
	for _, t := range list {
		switch t := t.(type) {
		case *btf.Func:
			if p, ok := t.Type.(*btf.FuncProto); ok {
				return p, nil
			}
		case *btf.Typedef:
			if ptr, ok := t.Type.(*btf.Pointer); ok {
				if p, ok := ptr.Target.(*btf.FuncProto); ok {
					return p, nil
				}
			}
		}
	}
	return nil, unknown("function %s", name)
}

// FuncProto is the prototype of a function of the kernel.
func (m *Machine) FuncProto(name string) (*btf.FuncProto, error) {
	kt, err := m.KernelTypes()
	if err != nil {
		return nil, err
	}
	return kt.FuncProto(name)
}

// typeNames lists types of a kind whose name has a prefix.
func (m *Machine) typeNames(prefix string, is func(btf.Type) bool) ([]string, error) {
	spec, err := m.types()
	if err != nil {
		return nil, err
	}
	var out []string
	seen := map[string]bool{}
	for t, err := range spec.All() {
		if err != nil {
			return nil, err
		}
		n := t.TypeName()
		if strings.HasPrefix(n, prefix) && is(t) && !seen[n] {
			seen[n] = true
			out = append(out, strings.TrimPrefix(n, prefix))
		}
	}
	sort.Strings(out)
	return out, nil
}

// RawTracepoints lists the kernel's raw tracepoints.
func (m *Machine) RawTracepoints() ([]string, error) {
	return m.typeNames("btf_trace_", func(t btf.Type) bool { _, ok := t.(*btf.Typedef); return ok })
}

// Iterators lists what iter probes can walk.
func (m *Machine) Iterators() ([]string, error) {
	return m.typeNames("bpf_iter__", func(t btf.Type) bool { _, ok := t.(*btf.Struct); return ok })
}

type kernelFunc struct{ module, name string }

// KernelFunctions lists functions: those with types, or those that can be
// traced as far as the kernel says.
func (m *Machine) KernelFunctions(typed bool) ([]kernelFunc, error) {
	if typed {
		names, err := m.typeNames("", func(t btf.Type) bool { _, ok := t.(*btf.Func); return ok })
		var out []kernelFunc
		for _, n := range names {
			out = append(out, kernelFunc{"vmlinux", n})
		}
		return out, err
	}
	var out []kernelFunc
	seen := map[string]bool{}
	text, err := m.tracefs.read("available_filter_functions")
	if err == nil && text != "" {
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if len(f) == 0 || seen[f[0]] {
				continue
			}
			seen[f[0]] = true
			mod := "vmlinux"
			if len(f) > 1 {
				mod = strings.Trim(f[1], "[]")
			}
			out = append(out, kernelFunc{mod, f[0]})
		}
		return out, nil
	}
	err = eachKernelSymbol(func(_ uint64, kind byte, name, module string) bool {
		if kind|0x20 == 't' && !seen[name] && !strings.ContainsAny(name, ".$") {
			seen[name] = true
			if module == "" {
				module = "vmlinux"
			}
			out = append(out, kernelFunc{module, name})
		}
		return true
	})
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out, err
}

// KernelSymbol is a symbol's address.
func (m *Machine) KernelSymbol(name string) (uint64, error) {
	if m.symbols == nil {
		m.symbols = map[string]uint64{}
		err := eachKernelSymbol(func(addr uint64, _ byte, n, _ string) bool {
			if _, ok := m.symbols[n]; !ok {
				m.symbols[n] = addr
			}
			return true
		})
		if err != nil {
			return 0, err
		}
	}
	v, ok := m.symbols[name]
	if !ok {
		return 0, unknown("kernel symbol %s", name)
	}
	return v, nil
}

// CgroupID is the inode of a cgroup's folder.
func (m *Machine) CgroupID(path string) (uint64, error) {
	if _, err := os.Stat(path); err != nil {
		return 0, unknown("cgroup %s", path)
	}
	return inode(path), nil
}

// mappedFiles are the binaries a process has mapped to run.
func mappedFiles(pid int) ([]string, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seen := map[string]bool{}
	var out []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		parts := strings.Fields(sc.Text())
		if len(parts) < 6 || !strings.Contains(parts[1], "x") || !strings.HasPrefix(parts[5], "/") || seen[parts[5]] {
			continue
		}
		seen[parts[5]] = true
		out = append(out, parts[5])
	}
	return out, nil
}
