package profile

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/trace/symbol"
	"github.com/skepdev/skep/trace/unwind"
)

// tables keeps the unwind tables of binaries in the kernel's map of rows. They
// stay until the profile ends: a row's place never changes while it is used.
type tables struct {
	rows    []byte // the map's memory
	used    int    // rows
	binary  map[string]*table
	skipped int
}

// table is a binary's.
type table struct {
	*unwind.Table
	segments []elf.ProgHeader
	first, n int
}

func newTables(m engine.Map) (*tables, error) {
	mem, err := m.Memory()
	if err != nil {
		return nil, fmt.Errorf("map of unwind rows: %w", err)
	}
	return &tables{rows: mem, binary: map[string]*table{}}, nil
}

// add is the table of a binary, made when first asked for; nil if it has none.
func (t *tables) add(b *symbol.Binary) *table {
	if known, ok := t.binary[b.ID]; ok {
		return known
	}
	made, err := t.make(b)
	if errors.Is(err, engine.ErrFull) {
		t.skipped++
	}
	t.binary[b.ID] = made
	return made
}

func (t *tables) make(b *symbol.Binary) (*table, error) {
	u, err := unwind.Read(b)
	if err != nil {
		return nil, err
	}
	segments, err := unwind.Segments(b)
	if err != nil {
		return nil, err
	}
	if (t.used+len(u.Rows))*unwind.RowSize > len(t.rows) {
		return nil, engine.ErrFull
	}
	out := &table{Table: &unwind.Table{Base: u.Base}, segments: segments, first: t.used, n: len(u.Rows)}
	at := t.rows[t.used*unwind.RowSize:]
	for i, r := range u.Rows {
		putRow(at[i*unwind.RowSize:], r)
	}
	t.used += len(u.Rows)
	return out, nil
}

// putRow writes struct prof_row.
func putRow(b []byte, r unwind.Row) {
	binary.NativeEndian.PutUint32(b, r.PC)
	binary.NativeEndian.PutUint16(b[4:], r.Offset)
	b[6], b[7] = byte(r.Kind), byte(r.FP)
}

// process describes a process's code to the kernel. Without tables its frames
// are walked by frame pointer.
func (t *tables) process(pid int, s *symbol.Symbolizer) bpf.ProfProcess {
	var p bpf.ProfProcess
	for _, m := range s.Mappings(pid) {
		if !m.Exec || m.Path == "[vsyscall]" {
			continue
		}
		if int(p.Count) == len(p.Mappings) {
			break
		}
		pm := bpf.ProfMapping{Start: m.Start, End: m.End}
		if b, err := s.Open(pid, m); err == nil {
			if tab := t.add(b); tab != nil {
				if bias, ok := tab.Bias(tab.segments, m.Start, m.Offset); ok {
					pm.Bias, pm.First, pm.Rows = bias, uint32(tab.first), uint32(tab.n)
				}
			}
			b.Close()
		}
		p.Mappings[p.Count] = pm
		p.Count++
	}
	used := p.Mappings[:p.Count]
	sort.Slice(used, func(i, j int) bool { return used[i].Start < used[j].Start })
	return p
}

// binaries is how many have tables.
func (t *tables) binaries() (n int) {
	for _, b := range t.binary {
		if b != nil {
			n++
		}
	}
	return n
}
