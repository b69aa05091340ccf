package object

import (
	"debug/elf"
	"slices"
)

// completeSizes gives functions and old-style map definitions of compilers
// before LLVM 7, which left the size of symbols at zero, their extent: up to the
// next one or the end of the section. It changes the bytes the reader will see.
func (im *image) completeSizes() {
	for i := range im.sections {
		s := &im.sections[i]
		switch {
		case s.isProgram():
			im.complete(s, im.functions(s))
		case s.isMaps() && s.name != ".maps":
			im.complete(s, im.definitions(s))
		}
	}
}

// complete sets the sizes of syms, which are in order, if none has one: symbols
// without a size among others are labels.
func (im *image) complete(s *section, syms []*symbol) {
	if len(syms) == 0 || slices.ContainsFunc(syms, func(f *symbol) bool { return f.size != 0 }) {
		return
	}
	for i, f := range syms {
		end := s.size
		if i+1 < len(syms) {
			end = syms[i+1].value
		}
		if f.value > end {
			return // outside of the section: refused later
		}
		f.size = end - f.value
		im.order.PutUint64(im.data[f.entry+symSizeField:], f.size)
	}
}

// definitions are the symbols of a section of old-style map definitions, in
// order.
func (im *image) definitions(s *section) []*symbol {
	var out []*symbol
	for i := range im.symbols {
		sym := &im.symbols[i]
		if int(sym.section) == s.index && sym.name != "" && (sym.kind() == elf.STT_NOTYPE || sym.kind() == elf.STT_OBJECT) {
			out = append(out, sym)
		}
	}
	slices.SortFunc(out, byValue)
	return slices.CompactFunc(out, func(a, b *symbol) bool { return a.value == b.value })
}
