package trace

import (
	"debug/elf"
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/lang"
	"github.com/skepdev/skep/trace/internal/debuginfo"
)

// debugInfo is a binary's debug information, read once.
func (m *Machine) debugInfo(path string) (*debuginfo.Info, error) {
	type result struct {
		info *debuginfo.Info
		err  error
	}
	if m.debug == nil {
		m.debug = map[string]func() (*debuginfo.Info, error){}
	}
	f := m.debug[path]
	if f == nil {
		var r result
		r.info, r.err = debuginfo.Open(path, m.DebugDirs)
		f = func() (*debuginfo.Info, error) { return r.info, r.err }
		m.debug[path] = f
	}
	return f()
}

// orUnknown wraps what is not found so that [lang] knows it.
func orUnknown(err error) error {
	if errors.Is(err, debuginfo.ErrNotFound) {
		return unknown("%v", err)
	}
	return err
}

// UserFunc is a function's prototype from the binary's debug information.
func (m *Machine) UserFunc(path, function string) (*btf.FuncProto, error) {
	info, err := m.debugInfo(path)
	if err != nil {
		return nil, err
	}
	p, err := info.Func(function)
	return p, orUnknown(err)
}

// UserType is a type from the binary's debug information.
func (m *Machine) UserType(path, tag, name string) (btf.Type, error) {
	info, err := m.debugInfo(path)
	if err != nil {
		return nil, err
	}
	t, err := info.Type(tag, name)
	return t, orUnknown(err)
}

// matchLine finds the places of a source line.
func (m *Machine) matchLine(path string, p lang.Attach) ([]lang.Attach, error) {
	info, err := m.debugInfo(path)
	if err != nil {
		return nil, err
	}
	at, err := info.Line(p.File, p.Line, p.Column)
	if err != nil {
		return nil, orUnknown(err)
	}
	var out []lang.Attach
	for _, v := range at {
		a := p
		a.Target, a.Offset = path, v
		out = append(out, a)
	}
	return out, nil
}

// words is an error in those of bpftrace.
type words string

func (w words) Error() string { return string(w) }

func inWords(format string, a ...any) error { return words(fmt.Sprintf(format, a...)) }

// uprobePlace checks where a uprobe is to be placed, and turns a virtual address
// into an offset in the file.
func (s *Session) uprobePlace(a lang.Attach) (uint64, error) {
	unsafe := s.Env != nil && s.Env.Unsafe
	if a.Func == "" {
		off, err := fileOffset(a.Target, a.Offset)
		if err != nil && unsafe {
			return a.Offset, nil
		}
		return off, err
	}
	if s.Env == nil || unsafe || a.Provider != "uprobe" {
		return 0, nil
	}
	_, size, err := s.Env.UserSymbol(a.Target, a.Func)
	switch {
	case err != nil:
		return 0, nil // the engine knows better, or says why not
	case size == 0 && a.Offset == 0:
		return 0, inWords("Could not determine boundary for %s (symbol has size 0).\nUse --unsafe to force attachment. WARNING: This option could lead to data corruption in the target process.", a.Func)
	case size > 0 && a.Offset >= size:
		return 0, inWords("Offset outside the function bounds ('%s' size is %d)", a.Func, size)
	}
	return 0, nil
}

// fileOffset is where an executable segment holds a virtual address.
func fileOffset(path string, vaddr uint64) (off uint64, err error) {
	found := false
	err = openELF(path, func(e *elf.File) error {
		for _, p := range e.Progs {
			if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && vaddr >= p.Vaddr && vaddr-p.Vaddr < p.Filesz {
				off, found = vaddr-p.Vaddr+p.Off, true
				return nil
			}
		}
		return nil
	})
	if err == nil && !found {
		err = inWords("Could not resolve address: %s:%#x", path, vaddr)
	}
	return off, err
}
