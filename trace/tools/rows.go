package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// Display says how rows are shown. The zero value is a table without times.
type Display struct {
	// JSON writes an object a row, with all columns.
	JSON bool
	// Time shows when, too.
	Time bool
	// Where, if not nil, says which container, pod and unit a process is in, and
	// adds columns for them.
	Where func(cgroup uint64, pid int) Place
	// Top is how many rows of an interval are shown; 0 means all.
	Top int
	// Warnings receives what is not a row.
	Warnings io.Writer
}

// Place is where a process runs; empty if it does not.
type Place struct{ Container, Pod, Unit string }

// Rows turns the JSON that a session writes into what the tool shows. It is used
// by one goroutine.
type Rows struct {
	t      *Tool
	d      Display
	out    io.Writer
	part   []byte
	batch  [][]any
	sortBy int
	begun  bool
	err    error
}

// Rows writes what the tool prints to w. Tools without columns need none.
func (t *Tool) Rows(w io.Writer, d Display) *Rows {
	r := &Rows{t: t, d: d, out: w, sortBy: -1}
	for i, c := range t.Columns {
		if c.Name == t.Sort {
			r.sortBy = i
		}
	}
	if d.Warnings == nil {
		r.d.Warnings = io.Discard
	}
	return r
}

// Begin writes the header.
func (r *Rows) Begin() {
	if r.begun || r.d.JSON {
		return
	}
	r.begun = true
	r.header()
}

// Write takes lines of JSON as a session prints them.
func (r *Rows) Write(b []byte) (int, error) {
	r.part = append(r.part, b...)
	for r.err == nil {
		line, rest, ok := bytes.Cut(r.part, []byte("\n"))
		if !ok {
			break
		}
		r.line(line)
		r.part = r.part[:copy(r.part, rest)]
	}
	return len(b), r.err
}

// message is what a session prints.
type message struct {
	Type  string          `json:"type"`
	Count uint64          `json:"count"`
	Msg   string          `json:"msg"`
	Data  json.RawMessage `json:"data"`
}

func (r *Rows) line(b []byte) {
	if len(b) == 0 {
		return
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		r.err = fmt.Errorf("read the output of %s: %w", r.t.Name, err)
		return
	}
	switch m.Type {
	case "value":
		var row []any
		d := json.NewDecoder(bytes.NewReader(m.Data))
		d.UseNumber()
		if err := d.Decode(&row); err != nil || len(row) != len(r.t.Columns) {
			r.err = fmt.Errorf("read the output of %s: %d values for %d columns (%v)", r.t.Name, len(row), len(r.t.Columns), err)
			return
		}
		if r.t.Sort != "" {
			r.batch = append(r.batch, row)
			return
		}
		r.Begin()
		r.row(row)
	case "printf":
		r.flush()
	case "lost_events":
		if r.d.JSON {
			r.write(fmt.Sprintf("{\"lost\": %d}\n", m.Count))
			return
		}
		fmt.Fprintf(r.d.Warnings, "WARNING: lost %d events\n", m.Count)
	case "attached_probes":
	default:
		if m.Msg != "" {
			fmt.Fprintf(r.d.Warnings, "WARNING: %s\n", m.Msg)
		}
	}
}

// flush ends an interval: its rows are shown, the greatest first.
func (r *Rows) flush() {
	if r.t.Sort == "" {
		return
	}
	if r.begun {
		r.write("\n")
	}
	r.begun = false
	r.Begin()
	sort.SliceStable(r.batch, func(i, j int) bool { return number(r.batch[i][r.sortBy]) > number(r.batch[j][r.sortBy]) })
	for i, row := range r.batch {
		if r.d.Top > 0 && i == r.d.Top {
			break
		}
		r.row(row)
	}
	r.batch = r.batch[:0]
}

// End shows what is left.
func (r *Rows) End() error {
	if len(r.batch) > 0 {
		r.flush()
	}
	return r.err
}

func (r *Rows) write(s string) {
	if _, err := io.WriteString(r.out, s); err != nil && r.err == nil {
		r.err = err
	}
}

// shown says whether a column is in the table.
func (r *Rows) shown(c Column) bool {
	switch c.Name {
	case "TIME":
		return r.d.Time
	case "CGROUP":
		return false
	}
	return true
}

const (
	containerWidth = 24
	unitWidth      = 24
)

func (r *Rows) header() {
	var cells []string
	var last string
	for _, c := range r.t.Columns {
		if r.shown(c) && c.Format != "stack" {
			cells, last = append(cells, fmt.Sprintf("%-*s", c.Width, c.Name)), c.Name
		}
		if c.Name == "CGROUP" && r.d.Where != nil {
			cells = append(cells, fmt.Sprintf("%-*s %-*s %-*s", containerWidth, "CONTAINER", containerWidth, "POD", unitWidth, "UNIT"))
		}
	}
	cells[len(cells)-1] = last
	r.write(strings.Join(cells, " ") + "\n")
}

func (r *Rows) row(row []any) {
	if r.d.JSON {
		r.object(row)
		return
	}
	var cells []string
	stack, last := "", ""
	for i, c := range r.t.Columns {
		if c.Format == "stack" {
			stack += indent(fmt.Sprint(row[i]))
			continue
		}
		if r.shown(c) {
			last = show(c, row[i])
			cells = append(cells, fmt.Sprintf("%-*s", c.Width, last))
		}
		if c.Name == "CGROUP" && r.d.Where != nil {
			p := r.place(row)
			cells = append(cells, fmt.Sprintf("%-*s %-*s %-*s", containerWidth, dash(p.Container), containerWidth, dash(p.Pod), unitWidth, dash(p.Unit)))
		}
	}
	cells[len(cells)-1] = last
	r.write(strings.Join(cells, " ") + "\n" + stack)
}

// place is where the process of a row runs.
func (r *Rows) place(row []any) Place {
	var cgroup uint64
	pid := 0
	for i, c := range r.t.Columns {
		switch c.Name {
		case "CGROUP":
			cgroup, _ = strconv.ParseUint(fmt.Sprint(row[i]), 10, 64)
		case "PID":
			pid = int(number(row[i]))
		}
	}
	return r.d.Where(cgroup, pid)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// object is a row as JSON.
func (r *Rows) object(row []any) {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range r.t.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		var v any = row[i]
		switch c.Format {
		case "", "hex", "errno", "kb":
		case "ms", "us":
			v = json.Number(show(c, row[i]))
		default:
			v = show(c, row[i])
		}
		text, err := json.Marshal(v)
		if err != nil {
			r.err = fmt.Errorf("write column %s: %w", c.Name, err)
			return
		}
		fmt.Fprintf(&b, "%q: %s", c.Key(), text)
		if c.Name == "CGROUP" && r.d.Where != nil {
			p := r.place(row)
			fmt.Fprintf(&b, ", \"container\": %s, \"pod\": %s, \"unit\": %s", quote(p.Container), quote(p.Pod), quote(p.Unit))
		}
	}
	r.write(b.String() + "}\n")
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
