package object

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
)

// LinkFiles is [Link] of files.
func LinkFiles(paths ...string) ([]byte, error) {
	parts := make([]Part, len(paths))
	for i, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("link: %w", err)
		}
		if st.Size() > MaxFileSize {
			return nil, fmt.Errorf("link: object %s has %d bytes, more than the %d allowed", p, st.Size(), MaxFileSize)
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("link: %w", err)
		}
		parts[i] = Part{Name: p, Data: data}
	}
	return Link(parts...)
}

// Part is an object to be linked. Name is for errors.
type Part struct {
	Name string
	Data []byte
}

// Link makes one relocatable object of several, as bpftool gen object does:
// sections of one name follow each other, functions, maps and variables that one
// object declares extern are those that another defines, weak definitions give
// way, and types are kept once. The result is again an object for [Open], or for
// another Link. The parts are not changed.
func Link(parts ...Part) ([]byte, error) {
	if len(parts) == 0 {
		return nil, fmt.Errorf("link: no objects are given")
	}
	l := &linker{symbols: map[string]*outSymbol{}, locals: map[string]int{}}
	for _, p := range parts {
		if err := l.add(p); err != nil {
			return nil, fmt.Errorf("link %s: %w", p.Name, err)
		}
	}
	if len(l.sections) >= int(elf.SHN_LORESERVE)/2 {
		return nil, fmt.Errorf("link: %d sections are too many", len(l.sections))
	}
	return l.write()
}

// linker gathers the output. Its sections are those of the parts by name, without
// relocations, symbols and types.
type linker struct {
	order    appendOrder
	machine  elf.Machine
	sections []*outSection
	symbols  map[string]*outSymbol // global and weak ones
	all      []*outSymbol          // in order of appearance; with the local ones
	locals   map[string]int        // names of local functions, and how often
	parts    []*part
}

// appendOrder is a byte order that also appends.
type appendOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

type outSection struct {
	name   string
	kind   elf.SectionType
	flags  elf.SectionFlag
	align  uint64
	size   uint64
	data   []byte
	relocs []outReloc
	symbol *outSymbol // of the section itself
	index  int
}

type outReloc struct {
	offset uint64
	kind   uint32
	symbol *outSymbol
}

type outSymbol struct {
	name        string
	info, other byte
	section     *outSection // nil: undefined
	value, size uint64
	from        *part // what defines it
	index       int
}

func (s *outSymbol) weak() bool { return elf.ST_BIND(s.info) == elf.STB_WEAK }

// part is an object while it is added.
type part struct {
	im      *image
	name    string
	section []*outSection // by section, nil for those that are not kept
	at      []uint64      // where a section begins in its output
	symbol  []*outSymbol
	gone    map[string]bool // its definitions that gave way to others
	t       *rawTypes
	// firstType is where its types begin among those of all.
	firstType int
}

func (l *linker) add(in Part) error {
	data := slices.Clone(in.Data)
	im, err := readImage(data, true)
	if err != nil {
		return err
	}
	im.completeSizes()
	for _, check := range checks() {
		if err := check(im); err != nil {
			return err
		}
	}
	if l.order == nil {
		l.order, l.machine = im.order.(appendOrder), im.machine
	}
	if im.order != binary.ByteOrder(l.order) {
		return &Error{What: "is of another byte order than the objects before"}
	}
	p := &part{
		im: im, name: in.Name, section: make([]*outSection, len(im.sections)), at: make([]uint64, len(im.sections)),
		symbol: make([]*outSymbol, len(im.symbols)), gone: map[string]bool{},
		t: &rawTypes{order: im.order},
	}
	if b := im.section(".BTF"); b != nil && b.kind != elf.SHT_NOBITS && len(b.data) >= btfHeaderSize {
		p.t = newRawTypes(b.data)
	}
	l.parts = append(l.parts, p)
	for _, step := range []func(*part) error{l.addSections, l.addSymbols, l.addRelocs} {
		if err := step(p); err != nil {
			return err
		}
	}
	return nil
}

// keeps says whether a section goes into the output as it is.
func (s *section) keeps() bool {
	return s.index != 0 && (s.kind == elf.SHT_PROGBITS || s.kind == elf.SHT_NOBITS) && s.flags&elf.SHF_ALLOC != 0
}

func (l *linker) addSections(p *part) error {
	for i := range p.im.sections {
		s := &p.im.sections[i]
		if !s.keeps() {
			continue
		}
		out := l.section(s)
		p.section[i] = out
		if out.shared() {
			switch {
			case out.data == nil:
				out.data, out.size = s.data, s.size
			case string(out.data) != string(s.data):
				return &Error{Where: s.String(), What: fmt.Sprintf("is %q, and %q in the objects before", trimZero(s.data), trimZero(out.data)), Mend: "objects that are linked need the same"}
			}
			continue
		}
		align := max(s.align, 1)
		if align&(align-1) != 0 || align > 4096 {
			return malformed(s.String(), fmt.Sprintf("alignment of %d", s.align))
		}
		out.align = max(out.align, align)
		at := (out.size + align - 1) &^ (align - 1)
		if s.size > MaxFileSize || at+s.size > MaxFileSize {
			return malformed(s.String(), fmt.Sprintf("%d bytes behind %d are more than the %d allowed", s.size, at, MaxFileSize))
		}
		p.at[i] = at
		out.size = at + s.size
		if out.kind == elf.SHT_NOBITS && s.kind == elf.SHT_PROGBITS {
			out.kind = elf.SHT_PROGBITS
		}
		if s.kind == elf.SHT_PROGBITS || len(out.data) > 0 {
			out.data = append(out.data, make([]byte, int(out.size)-len(out.data))...)
			copy(out.data[at:], s.data)
		}
	}
	return nil
}

// shared says that all objects have the same in a section, which stands there
// once.
func (s *outSection) shared() bool { return s.name == "license" || s.name == "version" }

func trimZero(b []byte) string { return strings.TrimRight(string(b), "\x00") }

// section is the output section of s's name.
func (l *linker) section(s *section) *outSection {
	for _, o := range l.sections {
		if o.name == s.name {
			return o
		}
	}
	o := &outSection{name: s.name, kind: s.kind, flags: s.flags &^ (elf.SHF_MERGE | elf.SHF_STRINGS), align: 1, index: len(l.sections) + 1}
	o.symbol = &outSymbol{info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), section: o}
	l.sections = append(l.sections, o)
	l.all = append(l.all, o.symbol)
	return o
}

func (l *linker) addSymbols(p *part) error {
	for i := 1; i < len(p.im.symbols); i++ {
		s := &p.im.symbols[i]
		var sec *outSection
		var base uint64
		if s.section != elf.SHN_UNDEF && s.section < elf.SHN_LORESERVE {
			if sec = p.section[s.section]; sec == nil {
				continue // of what is not kept
			}
			base = p.at[s.section]
		}
		n := &outSymbol{name: s.name, info: s.info, other: s.other, section: sec, value: s.value + base, size: s.size, from: p}
		switch {
		case s.section >= elf.SHN_LORESERVE, sec == nil && (s.bind() == elf.STB_LOCAL || s.kind() == elf.STT_SECTION):
			continue // names of files, and what is nowhere
		case s.kind() == elf.STT_SECTION:
			p.symbol[i] = sec.symbol
		case s.bind() == elf.STB_LOCAL:
			if s.kind() == elf.STT_NOTYPE {
				break // labels of jumps, which are resolved
			}
			l.addLocal(n)
			p.symbol[i] = n
		default:
			var err error
			if p.symbol[i], err = l.resolve(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// addLocal keeps a symbol that no other object sees. A function's name is made
// one of its own: readers know functions by name.
func (l *linker) addLocal(n *outSymbol) {
	if n.section.flags&elf.SHF_EXECINSTR != 0 && elf.ST_TYPE(n.info) == elf.STT_FUNC {
		l.locals[n.name]++
		if k := l.locals[n.name]; k > 1 {
			n.name = fmt.Sprintf("%s.%d", n.name, k)
		}
	}
	l.all = append(l.all, n)
}

// resolve finds the one symbol for all global ones of a name.
func (l *linker) resolve(n *outSymbol) (*outSymbol, error) {
	old := l.symbols[n.name]
	switch {
	case old == nil:
		l.symbols[n.name] = n
		l.all = append(l.all, n)
		return n, nil
	case n.section == nil:
		if old.section == nil && !n.weak() {
			old.info = n.info // one strong use makes it needed
		}
		return old, nil
	case old.section == nil:
		*old = *n
		return old, nil
	case n.section == old.section && n.section.shared():
		n.from.gone[n.name] = true
		return old, nil
	case elf.ST_TYPE(old.info) != elf.ST_TYPE(n.info):
		return nil, &Error{Where: "symbol " + n.name, What: fmt.Sprintf("is a function here and none in %s, or the other way round", old.from.name)}
	case n.weak():
		n.from.gone[n.name] = true
		l.keepLoser(n)
		return old, nil
	case old.weak():
		// What gives way stays as a function of its own, so that its bytes do
		// not belong to the one before.
		loser := *old
		old.from.gone[n.name] = true
		*old = *n
		l.keepLoser(&loser)
		return old, nil
	}
	return nil, &Error{Where: "symbol " + n.name, What: "is defined here and in " + old.from.name, Mend: "make one of them extern, static or __weak"}
}

func (l *linker) keepLoser(n *outSymbol) {
	if elf.ST_TYPE(n.info) != elf.STT_FUNC {
		return
	}
	n.info = elf.ST_INFO(elf.STB_LOCAL, elf.STT_FUNC)
	n.name += ".weak"
	l.addLocal(n)
}

func (l *linker) addRelocs(p *part) error {
	for i := range p.im.sections {
		s := &p.im.sections[i]
		if s.kind != elf.SHT_REL || p.section[s.info] == nil {
			continue
		}
		out, base := p.section[s.info], p.at[s.info]
		for k, r := range p.im.relocations(s) {
			sym := p.symbol[r.symbol]
			if sym == nil {
				return malformed(s.String(), fmt.Sprintf("refers to symbol %d, which is not kept", r.symbol))
			}
			at := base + r.offset
			if from := &p.im.symbols[r.symbol]; from.kind() == elf.STT_SECTION && at+slotSize <= uint64(len(out.data)) {
				l.moveAddend(out, at, p.at[from.section], p.section[from.section])
			}
			out.relocs = append(out.relocs, outReloc{at, uint32(p.im.order.Uint64(s.data[k*relSize+8:])), sym})
		}
	}
	return nil
}

// moveAddend adds what a section was moved by to what is referred to in it: in
// the immediate of an instruction, or in data.
func (l *linker) moveAddend(out *outSection, at, by uint64, to *outSection) {
	const call = 0x85
	if out.flags&elf.SHF_EXECINSTR == 0 {
		l.order.PutUint64(out.data[at:], l.order.Uint64(out.data[at:])+by)
		return
	}
	if out.data[at] == call && to.flags&elf.SHF_EXECINSTR != 0 {
		by /= slotSize
	}
	l.order.PutUint32(out.data[at+4:], l.order.Uint32(out.data[at+4:])+uint32(by))
}
