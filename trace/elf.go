package trace

import (
	"debug/elf"
	"fmt"
	"sort"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"github.com/skepdev/skep/lang"
)

// openELF opens a binary; debug/elf may panic on broken files, which becomes
// an error.
func openELF(path string, f func(*elf.File) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: broken ELF file: %v", path, r)
		}
	}()
	e, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer e.Close()
	return f(e)
}

// symbolsOf are a binary's symbols, static and dynamic.
func symbolsOf(e *elf.File) []elf.Symbol {
	syms, _ := e.Symbols()
	dyn, _ := e.DynamicSymbols()
	return append(syms, dyn...)
}

// functions are a binary's functions that match p.
func (m *Machine) functions(path string, p lang.Attach) ([]string, error) {
	seen := map[string]bool{}
	err := openELF(path, func(e *elf.File) error {
		for _, s := range symbolsOf(e) {
			if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Value == 0 || seen[s.Name] {
				continue
			}
			if p.Lang == "cpp" {
				if !strings.HasPrefix(s.Name, "_Z") || !matchDemangled(p.Func, s.Name) {
					continue
				}
			} else if !lang.Glob(p.Func, s.Name) {
				continue
			}
			seen[s.Name] = true
		}
		return nil
	})
	if err != nil {
		if m.Unsafe && !p.Wild() {
			return []string{p.Func}, nil
		}
		return nil, err
	}
	out := make([]string, 0, len(seen))
	for n := range seen {
		out = append(out, n)
	}
	sort.Strings(out)
	return out, nil
}

// matchDemangled compares with a C++ name, with and without its parameters.
func matchDemangled(pattern, mangled string) bool {
	full, err := demangle.ToString(mangled)
	if err != nil {
		return false
	}
	if lang.Glob(pattern, full) {
		return true
	}
	short, err := demangle.ToString(mangled, demangle.NoParams)
	return err == nil && lang.Glob(pattern, short)
}

// UserSymbol is the address of a symbol.
func (m *Machine) UserSymbol(path, name string) (addr, size uint64, err error) {
	found := false
	err = openELF(path, func(e *elf.File) error {
		for _, s := range symbolsOf(e) {
			if s.Name == name && s.Value != 0 {
				addr, size, found = s.Value, s.Size, true
				return nil
			}
		}
		return nil
	})
	if err == nil && !found {
		err = unknown("no symbol %s in %s", name, path)
	}
	return addr, size, err
}
