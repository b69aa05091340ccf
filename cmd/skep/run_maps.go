package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/internal/btfdump"
	"github.com/skepdev/skep/replay"
)

// printMap prints a map as a table: a column for each field of keys and values
// that are flat structs, else one for the key and one for the value. Per-CPU
// values have a line for each CPU that has one, and one for their sum.
func printMap(s *streams, m *replay.MapDump) error {
	size := fmt.Sprintf("%d of %d entries", len(m.Entries)+m.Zero, m.MaxEntries)
	if m.More {
		size = fmt.Sprintf("the first %d entries", len(m.Entries))
	}
	fmt.Fprintf(s.out, "map %s (%s, %s)", s.paint(bold, m.Name), m.Type, size)
	if m.Note != "" {
		fmt.Fprintf(s.out, ": %s", m.Note)
	}
	fmt.Fprintln(s.out)
	if len(m.Entries) > 0 {
		if err := mapTable(m).write(s, s.out); err != nil {
			return err
		}
	}
	if m.Zero > 0 {
		fmt.Fprintf(s.out, "  and %d entries that are all zero\n", m.Zero)
	}
	return nil
}

func mapTable(m *replay.MapDump) *table {
	first := m.Entries[0]
	perCPU := first.PerCPU != nil
	keys := columns(first.Key, "key")
	var values []string
	if perCPU {
		values = columns(first.PerCPU[0], "value")
	} else {
		values = columns(first.Value, "value")
	}
	var headings []string
	headings = append(headings, headingsOf(keys, first.Key)...)
	if perCPU {
		headings = append(headings, "<CPU")
		headings = append(headings, headingsOf(values, first.PerCPU[0])...)
	} else {
		headings = append(headings, headingsOf(values, first.Value)...)
	}
	t := newTable(headings...)
	t.indent = "  "
	for _, e := range m.Entries {
		key := cells(e.Key, keys)
		if !perCPU {
			t.add(append(key, cells(e.Value, values)...)...)
			continue
		}
		lines := 0
		for cpu, v := range e.PerCPU {
			if zero(v) {
				continue
			}
			t.add(append(append(cells(e.Key, keys), strconv.Itoa(cpu)), cells(v, values)...)...)
			lines++
		}
		if lines != 1 && e.Total != nil {
			t.add(append(append(key, "all"), cells(e.Total, values)...)...)
		}
	}
	return t
}

// columns names the fields of a flat struct, or gives one name for all of it.
func columns(v replay.Value, whole string) []string {
	tree, ok := v.(btfdump.Value)
	if !ok || tree.Kind != btfdump.Struct || len(tree.Fields) == 0 || len(tree.Fields) > 8 {
		return []string{whole}
	}
	var names []string
	for _, f := range tree.Fields {
		if f.Value.Kind == btfdump.Struct || f.Value.Kind == btfdump.List {
			return []string{whole}
		}
		names = append(names, f.Name)
	}
	return names
}

func headingsOf(names []string, v replay.Value) []string {
	tree, _ := v.(btfdump.Value)
	var out []string
	for _, n := range names {
		sample := tree
		if f, ok := tree.Field(n); ok && tree.Kind == btfdump.Struct {
			sample = f
		}
		prefix := ""
		switch sample.Kind {
		case btfdump.Int, btfdump.Uint, btfdump.Float:
			prefix = "<"
		}
		out = append(out, prefix+strings.ToUpper(n))
	}
	return out
}

func cells(v replay.Value, names []string) []string {
	tree, ok := v.(btfdump.Value)
	if !ok || tree.Kind != btfdump.Struct || len(names) != len(tree.Fields) {
		return []string{v.String()}
	}
	var out []string
	for _, n := range names {
		f, _ := tree.Field(n)
		out = append(out, f.String())
	}
	return out
}

// zero says whether nothing in v is other than zero.
func zero(v replay.Value) bool {
	tree, ok := v.(btfdump.Value)
	if !ok {
		return false
	}
	for _, e := range tree.Elems {
		if !zero(e) {
			return false
		}
	}
	for _, f := range tree.Fields {
		if !zero(f.Value) {
			return false
		}
	}
	return tree.Uint == 0 && tree.Float64 == 0 && strings.Trim(tree.Str, "0x:.") == ""
}
