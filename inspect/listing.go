package inspect

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/isa"
)

// Listing is a program's code with its source between the lines.
type Listing struct {
	Program   string           `json:"program"`
	Section   string           `json:"section"`
	Functions []ListedFunction `json:"functions"`
}

// ListedFunction is the code of one function.
type ListedFunction struct {
	Name      string `json:"name"`
	Prototype string `json:"prototype,omitempty"`
	Lines     []Line `json:"lines"`
}

// Line is one instruction.
type Line struct {
	Slot int `json:"slot"`
	// Label is set where jumps lead to.
	Label string `json:"label,omitempty"`
	// Source is set where another source line begins.
	Source *Source `json:"source,omitempty"`
	// Code holds the slot, or both of a 64-bit load.
	Code []isa.Instruction `json:"-"`
	Text string            `json:"text"`
	// Note says what the text cannot: what a CO-RE relocation is about.
	Note string `json:"note,omitempty"`
	// Native is what an engine made of the instruction, line by line, and Hits
	// how often it was run; both only if the caller put them there.
	Native []string `json:"native,omitempty"`
	Hits   *uint64  `json:"hits,omitempty"`
}

// List writes down the code of a program of a collection; an empty name means
// the only one.
func List(coll *ebpf.CollectionSpec, name string) (*Listing, error) {
	spec, err := find(coll, name)
	if err != nil {
		return nil, err
	}
	return ListProgram(spec, coll)
}

// ListProgram is [List] of a program that may stand alone: coll may be nil.
func ListProgram(spec *ebpf.ProgramSpec, coll *ebpf.CollectionSpec) (*Listing, error) {
	p, err := decode(spec, coll)
	if err != nil {
		return nil, err
	}
	notes := map[int]string{}
	for _, r := range p.relocations() {
		notes[r.Slot] = r.note()
	}
	out := &Listing{Program: clean(spec.Name), Section: clean(spec.SectionName)}
	printer := p.printer(p.targetName)
	lines := p.code.Lines
	for _, f := range p.funcs {
		lf := ListedFunction{Name: clean(f.name), Prototype: f.prototype}
		var shown Source
		for at := range p.slots(f) {
			text, width := printer.Text(p.code.Instructions, at)
			l := Line{Slot: at, Label: p.labels[at], Text: clean(text), Code: p.code.Instructions[at : at+width], Note: notes[at]}
			for len(lines) > 0 && lines[0].Slot < at {
				lines = lines[1:]
			}
			if len(lines) > 0 && lines[0].Slot == at {
				if src := p.lineAt(at, f.start); src != nil && !sameLine(*src, shown) {
					l.Source, shown = src, *src
				}
			}
			lf.Lines = append(lf.Lines, l)
		}
		out.Functions = append(out.Functions, lf)
	}
	return out, nil
}

// sameLine ignores columns: one line makes many.
func sameLine(a, b Source) bool { return a.File == b.File && a.Line == b.Line && a.Text == b.Text }

// note is "byte_off of struct task_struct.pid".
func (r Relocation) note() string {
	what := r.Type
	if r.Access != "" {
		what += "." + r.Access
	}
	return "CO-RE " + r.Kind + " of " + what
}

// TextOptions say how a listing is written.
type TextOptions struct {
	// NoSource leaves source lines out.
	NoSource bool
	// Opcodes adds the bytes of every slot.
	Opcodes bool
}

// WriteText writes the listing as text. A function starts at the margin, source
// lines with ";", labels end with ":", and instructions stand behind the number
// of their slot.
func (l *Listing) WriteText(w io.Writer, opts TextOptions) error {
	b := bufio.NewWriter(w)
	for i, f := range l.Functions {
		if i > 0 {
			b.WriteString("\n")
		}
		f.writeText(b, opts)
	}
	return b.Flush()
}

func (f *ListedFunction) writeText(b *bufio.Writer, opts TextOptions) {
	if f.Prototype != "" {
		fmt.Fprintf(b, "%s:\n", f.Prototype)
	} else {
		fmt.Fprintf(b, "%s:\n", f.Name)
	}
	hits := f.hitsWidth()
	for _, l := range f.Lines {
		if l.Label != "" {
			fmt.Fprintf(b, "%s:\n", l.Label)
		}
		if l.Source != nil && !opts.NoSource {
			fmt.Fprintf(b, "; %s\n", l.Source.short())
		}
		if hits > 0 && l.Hits != nil {
			fmt.Fprintf(b, "%*d ", hits, *l.Hits)
		}
		fmt.Fprintf(b, "%6d: ", l.Slot)
		if opts.Opcodes {
			b.WriteString(opcodes(l.Code))
		}
		b.WriteString(l.Text)
		if l.Note != "" {
			fmt.Fprintf(b, "  ; %s", l.Note)
		}
		b.WriteString("\n")
		for _, n := range l.Native {
			fmt.Fprintf(b, "            %s\n", n)
		}
	}
}

// hitsWidth is how wide the column of hits is, 0 if there are none.
func (f *ListedFunction) hitsWidth() (width int) {
	for _, l := range f.Lines {
		if l.Hits != nil {
			width = max(width, len(strconv.FormatUint(*l.Hits, 10)), 8)
		}
	}
	return width
}

// short is the line's text with its place behind it.
func (s *Source) short() string {
	text := clean(strings.TrimSpace(s.Text))
	if s.Line == 0 {
		return text
	}
	place := fmt.Sprintf("%s:%d", path.Base(clean(s.File)), s.Line)
	if text == "" {
		return place
	}
	return text + "  @ " + place
}

// opcodes are the bytes of the slots as they stand in little-endian memory, in
// a column as wide as a 64-bit load.
func opcodes(code []isa.Instruction) string {
	var b strings.Builder
	for _, ins := range code {
		fmt.Fprintf(&b, "%02x%x%x%04x%08x ", ins.Op, ins.Src&15, ins.Dst&15, swap16(uint16(ins.Off)), swap32(uint32(ins.Imm)))
	}
	return fmt.Sprintf("%-34s", b.String())
}

func swap16(v uint16) uint16 { return v<<8 | v>>8 }

func swap32(v uint32) uint32 { return uint32(swap16(uint16(v)))<<16 | uint32(swap16(uint16(v>>16))) }
