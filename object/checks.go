package object

import (
	"cmp"
	"debug/elf"
	"fmt"
	"math"
	"slices"
	"strings"
)

// checks is what an image must pass before the reader sees it, cheapest first.
func checks() []func(*image) error {
	return []func(*image) error{
		checkCompressed,
		checkTwins,
		checkMaps,
		checkData,
		checkPrograms,
		checkRelocations,
		checkUnsupported,
		checkTypes,
		checkCalls,
	}
}

func isData(name string) bool {
	return name == ".bss" || strings.HasPrefix(name, ".data") || strings.HasPrefix(name, ".rodata")
}

func (s *section) isProgram() bool {
	return s.kind == elf.SHT_PROGBITS && s.size > 0 && s.flags&elf.SHF_EXECINSTR != 0 && !s.isMaps() && !isData(s.name)
}

func (s *section) isMaps() bool {
	return strings.HasPrefix(s.name, "maps") || s.name == ".maps"
}

// checkCompressed refuses compressed contents: their size is a claim too.
// Debug information, which the reader does not open, may be compressed.
func checkCompressed(im *image) error {
	for i := range im.sections {
		s := &im.sections[i]
		if s.flags&elf.SHF_COMPRESSED != 0 && !strings.HasPrefix(s.name, ".debug") {
			return notSupported(s.String(), "compressed contents", "rebuild without --compress-debug-sections")
		}
	}
	return nil
}

// checkTwins refuses a second section where readers disagree on which counts.
func checkTwins(im *image) error {
	seen := make(map[string]bool)
	for i := range im.sections {
		s := &im.sections[i]
		unique := s.name == ".BTF" || s.name == ".BTF.ext" || s.name == ".maps" || s.name == "license" || s.name == "version" || isData(s.name)
		if !unique {
			continue
		}
		if seen[s.name] {
			return &Error{Where: s.String(), What: "stands there twice", Mend: "join objects with bpftool gen object, not with ld -r"}
		}
		seen[s.name] = true
		if s.data == nil && s.size > 0 && !isData(s.name) {
			return malformed(s.String(), "has no contents in the file")
		}
	}
	return nil
}

func checkMaps(im *image) error {
	for i := range im.sections {
		s := &im.sections[i]
		if !s.isMaps() {
			continue
		}
		if s.size > maxMapsSize {
			return tooLarge(s, maxMapsSize)
		}
		if s.data == nil && s.size > 0 {
			return malformed(s.String(), "has no contents in the file")
		}
		if s.align&(s.align-1) != 0 {
			return malformed(s.String(), fmt.Sprintf("alignment %d is not a power of two", s.align))
		}
		// The members of .values arrays are looked up one alignment apart, for
		// each map anew.
		var extent uint64
		for j := range im.symbols {
			if sym := &im.symbols[j]; int(sym.section) == s.index {
				extent = saturate(extent, sym.size)
			}
		}
		if extent > 2*s.size {
			return malformed(s.String(), "its symbols overlap")
		}
	}
	return nil
}

func tooLarge(s *section, limit uint64) error {
	return malformed(s.String(), fmt.Sprintf("%d bytes, more than the %d allowed", s.size, limit))
}

// checkData bounds the data sections, .bss above all, which costs the file
// nothing, and the variables in them, each of which is copied.
func checkData(im *image) error {
	var total uint64
	data := make(map[int]bool)
	for i := range im.sections {
		s := &im.sections[i]
		if !isData(s.name) {
			continue
		}
		data[i] = true
		if total = saturate(total, s.size); total > MaxDataSize {
			return &Error{
				Where: s.String(), What: fmt.Sprintf("global variables reach %d bytes, more than the %d allowed", total, MaxDataSize),
				Mend: "keep large tables in maps",
			}
		}
	}
	var vars uint64
	for i := range im.symbols {
		sym := &im.symbols[i]
		if !data[int(sym.section)] || sym.kind() == elf.STT_SECTION {
			continue
		}
		if s := &im.sections[sym.section]; saturate(sym.value, sym.size) > s.size {
			return malformed(s.String(), fmt.Sprintf("variable %s ends at %d of %d bytes", sym.name, saturate(sym.value, sym.size), s.size))
		}
		if vars = saturate(vars, sym.size); vars > MaxDataSize {
			return malformed("symbol "+sym.name, fmt.Sprintf("variables overlap: together more than the %d bytes allowed", MaxDataSize))
		}
	}
	return nil
}

func checkPrograms(im *image) error {
	var slots uint64
	found := false
	for i := range im.sections {
		s := &im.sections[i]
		found = found || s.isMaps() || s.isProgram()
		if !s.isProgram() {
			continue
		}
		if s.size%slotSize != 0 {
			return malformed(s.String(), fmt.Sprintf("%d bytes are not a multiple of an instruction's %d", s.size, slotSize))
		}
		if slots += s.size / slotSize; slots > MaxInstructions {
			return malformed(s.String(), fmt.Sprintf("%d instructions, more than the %d allowed", slots, MaxInstructions))
		}
	}
	if !found {
		return &Error{What: "the object holds no programs and no maps", Mend: `give functions a section, such as SEC("xdp")`}
	}
	return nil
}

// checkRelocations bounds their number and makes sure each names a symbol and
// a place in the section it is for.
func checkRelocations(im *image) error {
	var total uint64
	for i := range im.sections {
		s := &im.sections[i]
		if s.kind == elf.SHT_RELA && s.size > 0 && uint64(s.info) < uint64(len(im.sections)) && im.sections[s.info].isProgram() {
			return notSupported(s.String(), "relocations with addends", "BPF objects use SHT_REL: rebuild with clang")
		}
		if s.kind != elf.SHT_REL {
			continue
		}
		if s.entsize != relSize || s.size%relSize != 0 {
			return malformed(s.String(), fmt.Sprintf("%d bytes do not hold relocations of %d bytes (entry size %d)", s.size, relSize, s.entsize))
		}
		if total += s.size / relSize; total > maxRelocations {
			return malformed(s.String(), fmt.Sprintf("%d relocations, more than the %d allowed", total, maxRelocations))
		}
		if s.info == 0 || uint64(s.info) >= uint64(len(im.sections)) {
			return malformed(s.String(), fmt.Sprintf("relocates section %d of %d", s.info, len(im.sections)))
		}
		if err := im.checkRelocated(s); err != nil {
			return err
		}
	}
	return nil
}

func (im *image) checkRelocated(s *section) error {
	target := &im.sections[s.info]
	for n, r := range im.relocations(s) {
		if r.symbol == 0 || int(r.symbol) >= len(im.symbols) {
			return malformed(s.String(), fmt.Sprintf("relocation %d names symbol %d of %d", n, r.symbol, len(im.symbols)))
		}
		if r.offset >= target.size || r.offset > math.MaxUint32 {
			return malformed(s.String(), fmt.Sprintf("relocation %d is for byte %d of %s, which has %d", n, r.offset, target.name, target.size))
		}
		if target.isProgram() && r.offset%slotSize != 0 {
			return malformed(s.String(), fmt.Sprintf("relocation %d is for byte %d of %s, in the middle of an instruction", n, r.offset, target.name))
		}
	}
	return nil
}

type relocation struct {
	offset uint64
	symbol uint32
}

// relocations iterates over the relocations of s.
func (im *image) relocations(s *section) func(yield func(int, relocation) bool) {
	return func(yield func(int, relocation) bool) {
		for i := 0; (i+1)*relSize <= len(s.data); i++ {
			e := s.data[i*relSize:]
			if !yield(i, relocation{im.order.Uint64(e), uint32(im.order.Uint64(e[8:]) >> 32)}) {
				return
			}
		}
	}
}

// checkUnsupported names what is well-formed and that the reader behind cannot
// express, in the words of who wrote the source.
func checkUnsupported(im *image) error {
	for i := range im.sections {
		s := &im.sections[i]
		if s.name == ".struct_ops" && s.size > 0 {
			return notSupported(s.String(), "struct_ops without a link", `put the variable in SEC(".struct_ops.link")`)
		}
		if s.kind != elf.SHT_REL || !im.sections[s.info].isProgram() {
			continue
		}
		for _, r := range im.relocations(s) {
			sym := &im.symbols[r.symbol]
			if sym.section == elf.SHN_UNDEF || sym.section >= elf.SHN_LORESERVE {
				continue
			}
			name := im.sections[sym.section].name
			if strings.HasPrefix(name, ".addr_space.") {
				return notSupported(fmt.Sprintf("%s, symbol %s", s, sym.name), "global variables in an address space other than 1, the arena's", "put them into address space 1")
			}
		}
	}
	return nil
}

// functions returns the functions of a program section by offset, chosen as the
// reader behind chooses them.
func (im *image) functions(s *section) []*symbol {
	at := make(map[uint64]*symbol)
	for i := range im.symbols {
		sym := &im.symbols[i]
		if int(sym.section) != s.index || sym.name == "" {
			continue
		}
		switch k := sym.kind(); {
		case k == elf.STT_FUNC, k == elf.STT_NOTYPE && sym.bind() != elf.STB_LOCAL:
			at[sym.value] = sym
		}
	}
	out := make([]*symbol, 0, len(at))
	for _, sym := range at {
		out = append(out, sym)
	}
	slices.SortFunc(out, byValue)
	return out
}

func byValue(a, b *symbol) int { return cmp.Compare(a.value, b.value) }
