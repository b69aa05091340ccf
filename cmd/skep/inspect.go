package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/spf13/cobra"

	"github.com/skepdev/skep/inspect"
	"github.com/skepdev/skep/object"
)

const inspectLong = `Say what a compiled object holds, without loading it: programs with the helpers
they call and the stack they need, maps, global variables, CO-RE relocations;
with --listing the code with its source between the lines, with --asm what the
embedded engine compiles it to as well, with --types the types as C, with
--graph the flow of control as a drawing.

Objects for other machines and kernels can be inspected anywhere.`

const inspectExample = `  skep inspect prog.o
  skep inspect prog.o -o json
  skep inspect prog.o --listing --program filter
  skep inspect prog.o --asm amd64 --program filter
  skep inspect prog.o --graph svg --program filter --out filter.svg
  skep inspect prog.o --types`

// inspectFlags are the command line of skep inspect.
type inspectFlags struct {
	program, graph, out, asm          string
	listing, types, opcodes, noSource bool
	format                            format
}

func newInspectCommand(s *streams) *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:     "inspect OBJECT",
		Short:   "Say what an object holds",
		Long:    inspectLong,
		Example: inspectExample,
		Args:    args("an object file"),
		RunE:    func(_ *cobra.Command, a []string) error { return f.run(s, a[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.program, "program", "", "program to list or draw, if the object has several")
	fl.BoolVar(&f.listing, "listing", false, "print the code with its source")
	fl.BoolVar(&f.opcodes, "opcodes", false, "with --listing: the bytes of the instructions too")
	fl.BoolVar(&f.noSource, "no-source", false, "with --listing: leave the source out")
	addChoice(cmd, &f.asm, "asm", "", "", "list the code with what the embedded engine compiles it to", "amd64", "arm64")
	fl.BoolVar(&f.types, "types", false, "print the types as C")
	addChoice(cmd, &f.graph, "graph", "", "", "draw the flow of control", "dot", "svg")
	fl.StringVar(&f.out, "out", "", "write to a file instead of standard output")
	addFormat(cmd, &f.format)
	return cmd
}

func (f *inspectFlags) check() error {
	chosen := 0
	for _, b := range []bool{f.listing, f.types, f.graph != ""} {
		if b {
			chosen++
		}
	}
	switch {
	case chosen > 1:
		return usage(errors.New("--listing, --types and --graph exclude each other"))
	case f.program != "" && !f.listing && f.graph == "" && f.asm == "":
		return usage(errors.New("--program belongs to --listing or --graph"))
	case (f.opcodes || f.noSource) && !f.listing && f.asm == "":
		return usage(errors.New("--opcodes and --no-source belong to --listing"))
	case f.asm != "" && (f.types || f.graph != ""):
		return usage(errors.New("--asm is a listing, and --types and --graph are none"))
	}
	return nil
}

func (f *inspectFlags) run(s *streams, path string) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	f.listing = f.listing || f.asm != ""
	if err := keepInputs(f.out, path); err != nil {
		return err
	}
	spec, err := object.OpenFile(path, &object.Options{AllowUnresolved: true, AnyByteOrder: true})
	if err != nil {
		return err
	}
	if f.listing || f.graph != "" {
		if f.program, err = anyProgram(spec, f.program); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	w := *s
	if f.out != "" {
		file, err := os.Create(f.out)
		if err != nil {
			return err
		}
		b := bufio.NewWriter(file)
		w.out, w.colour = b, false
		defer func() { err = errors.Join(err, b.Flush(), file.Close()) }()
	}
	if err := f.print(&w, path, spec); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// anyProgram is the named program, or the only one.
func anyProgram(spec *ebpf.CollectionSpec, name string) (string, error) {
	if name == "" && len(spec.Programs) == 1 {
		for only := range spec.Programs {
			return only, nil
		}
	}
	return nameProgram(spec, name)
}

func (f *inspectFlags) print(s *streams, path string, spec *ebpf.CollectionSpec) error {
	switch {
	case f.graph != "":
		g, err := inspect.Flow(spec, f.program)
		if err != nil {
			return err
		}
		if f.graph == "svg" {
			return g.SVG(s.out)
		}
		return g.DOT(s.out)
	case f.listing:
		l, err := inspect.List(spec, f.program)
		if err != nil {
			return err
		}
		if f.asm != "" {
			if err := addNative(l, spec, f.program, f.asm); err != nil {
				return err
			}
		}
		if f.format != formatTable {
			return s.print(f.format, l)
		}
		return l.WriteText(s.out, inspect.TextOptions{NoSource: f.noSource, Opcodes: f.opcodes})
	}
	r := inspect.Describe(spec)
	switch {
	case f.types:
		_, err := io.WriteString(s.out, r.Types)
		return err
	case f.format != formatTable:
		return s.print(f.format, r)
	}
	return printObject(s, path, r)
}

func printObject(s *streams, path string, r *inspect.Report) error {
	fmt.Fprintf(s.out, "%s: %s-endian, %s, %s, %s\n", s.paint(bold, path), r.ByteOrder,
		plural(len(r.Programs), "program"), plural(len(r.Maps), "map"), plural(len(r.Globals), "global variable"))
	var tables []*table
	if len(r.Programs) > 0 {
		tables = append(tables, programTable(r))
	}
	if len(r.Maps) > 0 {
		tables = append(tables, mapsTable(r))
	}
	if len(r.Globals) > 0 {
		tables = append(tables, globalsTable(r))
	}
	if len(r.Relocations) > 0 {
		tables = append(tables, relocationTable(r))
	}
	for _, t := range tables {
		fmt.Fprintln(s.out)
		if err := t.write(s, s.out); err != nil {
			return err
		}
	}
	if len(r.Programs) > 0 {
		fmt.Fprintln(s.out)
	}
	for _, p := range r.Programs {
		fmt.Fprintf(s.out, "%s calls %s\n", s.paint(bold, p.Name), calls(p))
	}
	return problems(s, r)
}

func calls(p inspect.Program) string {
	var out []string
	for _, h := range p.Helpers {
		out = append(out, h.Name)
	}
	for _, k := range p.Kfuncs {
		out = append(out, k.Name+" (kfunc)")
	}
	if len(out) == 0 {
		return "no helpers"
	}
	return strings.Join(out, ", ")
}

// problems lists what makes no sense, or what Linux holds against it.
func problems(s *streams, r *inspect.Report) error {
	t := newTable("PROBLEM", "")
	for _, p := range r.Programs {
		if p.Problem != "" {
			t.add(p.Name, p.Problem)
		}
		for _, u := range append(append([]inspect.Use{}, p.Helpers...), p.Kfuncs...) {
			if u.Problem != "" {
				t.add(p.Name, u.Name+": "+u.Problem)
			}
		}
	}
	for _, v := range r.Globals {
		if v.Problem != "" {
			t.add(v.Name, v.Problem)
		}
	}
	if len(t.rows) == 1 {
		return nil
	}
	fmt.Fprintln(s.out)
	return t.write(s, s.out)
}

func programTable(r *inspect.Report) *table {
	t := newTable("PROGRAM", "SECTION", "TYPE", "ATTACH", "LICENSE", "<INSTRUCTIONS", "<FUNCTIONS", "<STACK", "MAPS")
	for _, p := range r.Programs {
		attach := p.AttachType
		if p.AttachTo != "" {
			attach = strings.TrimSpace(attach + " " + p.AttachTo)
		}
		t.add(p.Name, p.Section, p.Type, dash(attach), dash(p.License), fmt.Sprint(p.Instructions), fmt.Sprint(len(p.Functions)), fmt.Sprint(p.Stack), dash(strings.Join(p.Maps, " ")))
	}
	return t
}

func mapsTable(r *inspect.Report) *table {
	t := newTable("MAP", "TYPE", "KEY", "VALUE", "<ENTRIES", "FLAGS", "USED BY")
	for _, m := range r.Maps {
		t.add(m.Name, m.Type, typed(m.KeyType, m.KeySize), typed(m.ValueType, m.ValueSize), fmt.Sprint(m.MaxEntries), dash(strings.Join(m.Flags, " ")), dash(enumerate(m.UsedBy, 3)))
	}
	return t
}

func globalsTable(r *inspect.Report) *table {
	t := newTable("GLOBAL", "SECTION", "TYPE", "<SIZE", "VALUE")
	for _, v := range r.Globals {
		value := v.Value.String()
		if len(value) > maxValue {
			value = strings.ToValidUTF8(value[:maxValue], "") + " …"
		}
		t.add(v.Name, v.Section, dash(v.Type), fmt.Sprint(v.Size), value)
	}
	return t
}

// maxValue is how much of a value fits in a table; -o json has all of it.
const maxValue = 60

func relocationTable(r *inspect.Report) *table {
	t := newTable("RELOCATION", "<SLOT", "KIND", "OF")
	for _, c := range r.Relocations {
		of := c.Type
		if c.Access != "" {
			of += " " + c.Access
		}
		t.add(c.Program, fmt.Sprint(c.Slot), c.Kind, of)
	}
	return t
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func typed(name string, size uint32) string {
	switch {
	case size == 0:
		return "-"
	case name == "":
		return fmt.Sprintf("%d bytes", size)
	}
	return name
}
