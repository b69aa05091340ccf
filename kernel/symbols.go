package kernel

import (
	"debug/elf"
	"errors"
	"fmt"
	"math"

	"github.com/skepdev/skep/engine"
)

// symbols finds functions of an executable or library.
type symbols struct {
	path  string
	f     *elf.File
	table map[string]elf.Symbol // made when the first symbol is asked for
}

// openSymbols opens an ELF file. The caller closes it.
func openSymbols(path string) (*symbols, error) {
	f, err := openELF(path)
	if err != nil {
		return nil, err
	}
	return &symbols{path: path, f: f}, nil
}

func openELF(path string) (f *elf.File, err error) {
	err = safely(path, func() error {
		f, err = elf.Open(path)
		return err
	})
	if err == nil && f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		f.Close()
		return nil, fmt.Errorf("%s: neither an executable nor a library", path)
	}
	return f, err
}

// safely turns a panic of the standard library's ELF reader, which hostile
// files can cause, into an error.
func safely(path string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: malformed ELF file: %v", path, r)
		}
	}()
	return f()
}

func (s *symbols) close() { s.f.Close() }

// place is the offset in the file of a symbol or an address, plus offset.
// Symbols have virtual addresses, which segments map to the file; a given
// address is an offset already.
func (s *symbols) place(symbol string, address, offset uint64) (uint64, error) {
	if symbol == "" {
		if address > math.MaxUint64-offset {
			return 0, fmt.Errorf("%s: address %#x and offset %#x run over", s.path, address, offset)
		}
		return address + offset, nil
	}
	sym, err := s.lookup(symbol)
	if err != nil {
		return 0, err
	}
	if sym.Size > 0 && offset >= sym.Size {
		return 0, fmt.Errorf("%s: symbol %s has %d bytes, offset %d is past them", s.path, symbol, sym.Size, offset)
	}
	at, ok := fileOffset(s.f, sym.Value)
	if !ok {
		return 0, fmt.Errorf("%s: symbol %s is at %#x, which no executable segment holds", s.path, symbol, sym.Value)
	}
	return at + offset, nil
}

// lookup finds a function. One that is only imported has no place here.
func (s *symbols) lookup(name string) (elf.Symbol, error) {
	if s.table == nil {
		if err := s.load(); err != nil {
			return elf.Symbol{}, err
		}
	}
	sym, ok := s.table[name]
	if !ok {
		return sym, fmt.Errorf("%s: no function %s in its symbol tables: %w", s.path, name, engine.ErrNotExist)
	}
	if sym.Section == elf.SHN_UNDEF {
		return sym, fmt.Errorf("%s: function %s is imported: name the library that has it: %w", s.path, name, engine.ErrNotExist)
	}
	return sym, nil
}

func (s *symbols) load() error {
	table := map[string]elf.Symbol{}
	for _, read := range []func() ([]elf.Symbol, error){s.f.Symbols, s.f.DynamicSymbols} {
		err := safely(s.path, func() error {
			list, err := read()
			if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
				return fmt.Errorf("%s: read symbols: %w", s.path, err)
			}
			for _, sym := range list {
				if t := elf.ST_TYPE(sym.Info); t != elf.STT_FUNC && t != elf.STT_GNU_IFUNC {
					continue
				}
				if old, ok := table[sym.Name]; !ok || old.Section == elf.SHN_UNDEF {
					table[sym.Name] = sym
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.table = table
	return nil
}

// fileOffset is where in the file the executable code at a virtual address is.
func fileOffset(f *elf.File, addr uint64) (uint64, bool) {
	return segmentOffset(f, addr, elf.PF_X)
}

// segmentOffset is where in the file the byte at a virtual address is, in a
// loaded segment with these flags.
func segmentOffset(f *elf.File, addr uint64, flags elf.ProgFlag) (uint64, bool) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&flags == flags && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			return addr - p.Vaddr + p.Off, true
		}
	}
	return 0, false
}

// resolvePlace is place for a single one. The file need not be ELF if the
// address says it all.
func resolvePlace(path, symbol string, address, offset uint64) (uint64, error) {
	if symbol == "" {
		return (&symbols{path: path}).place("", address, offset)
	}
	s, err := openSymbols(path)
	if err != nil {
		return 0, err
	}
	defer s.close()
	return s.place(symbol, address, offset)
}
