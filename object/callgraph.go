package object

import (
	"debug/elf"
	"fmt"
	"slices"
	"sort"
)

// checkCalls bounds what linking will make of the object: each program gets a
// copy of every subprogram it reaches, so a small file of many programs that
// all call each other would grow with the square of its size.
func checkCalls(im *image) error {
	g, err := newCallGraph(im)
	if err != nil {
		return err
	}
	return g.check()
}

type callGraph struct {
	funcs []function
	// byPlace finds functions by section and offset.
	byPlace map[place]int
}

type function struct {
	name     string
	section  *section
	start    uint64
	slots    uint64
	exported bool // gets its subprograms appended
	calls    []int
}

type place struct {
	section int
	offset  uint64
}

func newCallGraph(im *image) (*callGraph, error) {
	g := &callGraph{byPlace: make(map[place]int)}
	for i := range im.sections {
		s := &im.sections[i]
		if !s.isProgram() {
			continue
		}
		var last uint64
		for _, f := range im.functions(s) {
			if end := saturate(f.value, f.size); end > s.size || f.value%slotSize != 0 || f.size%slotSize != 0 {
				return nil, malformed(s.String(), fmt.Sprintf("function %s reaches from byte %d to %d of %d", f.name, f.value, end, s.size))
			}
			if len(g.funcs) == maxFunctions {
				return nil, malformed(s.String(), fmt.Sprintf("more than %d functions", maxFunctions))
			}
			if f.value < last {
				return nil, malformed(s.String(), fmt.Sprintf("function %s begins at byte %d, inside the one before", f.name, f.value))
			}
			last = f.value + f.size
			g.byPlace[place{i, f.value}] = len(g.funcs)
			g.funcs = append(g.funcs, function{name: f.name, section: s, start: f.value, slots: f.size / slotSize, exported: s.name != ".text"})
		}
	}
	relocated := g.addRelocated(im)
	g.addRelative(im, relocated)
	for i := range g.funcs {
		f := &g.funcs[i]
		slices.Sort(f.calls)
		f.calls = slices.Compact(f.calls)
	}
	return g, nil
}

// within returns the function that holds the slot at an offset, or -1.
func (g *callGraph) within(section int, offset uint64) int {
	// funcs are in order of section and offset.
	n := sort.Search(len(g.funcs), func(i int) bool {
		f := &g.funcs[i]
		return f.section.index > section || f.section.index == section && f.start > offset
	})
	if n > 0 {
		if f := &g.funcs[n-1]; f.section.index == section && offset < f.start+f.slots*slotSize {
			return n - 1
		}
	}
	return -1
}

func (g *callGraph) add(from, to int) {
	g.funcs[from].calls = append(g.funcs[from].calls, to)
}

// addRelocated follows calls and function pointers that carry a relocation,
// and returns the places of all relocations.
func (g *callGraph) addRelocated(im *image) map[place]bool {
	seen := make(map[place]bool)
	for i := range im.sections {
		s := &im.sections[i]
		if s.kind != elf.SHT_REL || !im.sections[s.info].isProgram() {
			continue
		}
		code := &im.sections[s.info]
		for _, r := range im.relocations(s) {
			seen[place{code.index, r.offset}] = true
			sym := &im.symbols[r.symbol]
			if sym.section >= elf.SHN_LORESERVE || !im.sections[sym.section].isProgram() {
				continue
			}
			from := g.within(code.index, r.offset)
			if from < 0 || len(code.data)-int(r.offset) < slotSize {
				continue
			}
			imm := int64(int32(im.order.Uint32(code.data[r.offset+4:])))
			target := sym.value
			switch {
			case code.data[r.offset] == opLoad64: // the offset stands in the instruction
				target = uint64(imm)
			case sym.kind() == elf.STT_SECTION:
				target = uint64((imm + 1) * slotSize)
			}
			if to, ok := g.byPlace[place{int(sym.section), target}]; ok {
				g.add(from, to)
			}
		}
	}
	return seen
}

const (
	opLoad64   = 0x18
	opCall     = 0x85
	pseudoCall = 1
)

// addRelative follows calls within a section that older compilers resolved
// themselves.
func (g *callGraph) addRelative(im *image, relocated map[place]bool) {
	for from := range g.funcs {
		f := &g.funcs[from]
		for off := f.start; off < f.start+f.slots*slotSize; off += slotSize {
			ins := f.section.data[off : off+slotSize]
			src := ins[1] >> 4
			if im.order.Uint16([]byte{1, 0}) != 1 {
				src = ins[1] & 15
			}
			if ins[0] != opCall || src != pseudoCall || relocated[place{f.section.index, off}] {
				continue
			}
			imm := int64(int32(im.order.Uint32(ins[4:])))
			target := uint64(int64(off) + (imm+1)*slotSize)
			if to, ok := g.byPlace[place{f.section.index, target}]; ok {
				g.add(from, to)
			}
		}
	}
}

// check adds up the slots of each exported function with all it reaches.
func (g *callGraph) check() error {
	var total uint64
	visited := make([]int, len(g.funcs))
	var stack []int
	for i := range g.funcs {
		if !g.funcs[i].exported {
			continue
		}
		stack = append(stack[:0], i)
		visited[i] = i + 1
		for len(stack) > 0 {
			f := &g.funcs[stack[len(stack)-1]]
			stack = stack[:len(stack)-1]
			if total += f.slots + 1; total > MaxInstructions {
				return malformed(g.funcs[i].section.String(), fmt.Sprintf("with the subprograms each calls, programs reach more than the %d instructions allowed", MaxInstructions))
			}
			for _, c := range f.calls {
				if visited[c] != i+1 {
					visited[c] = i + 1
					stack = append(stack, c)
				}
			}
		}
	}
	return nil
}
