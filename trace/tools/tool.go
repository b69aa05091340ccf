package tools

import (
	"embed"
	"fmt"
	"sort"
	"strings"
	"sync"
)

//go:embed bt/*.bt
var files embed.FS

// Tool is a script with what is said about it.
type Tool struct {
	Name, Short, Long string
	// Columns are what a printed tuple holds, in order; none if the tool prints
	// maps, as the language draws them.
	Columns []Column
	// Sort is the column by which the rows of an interval are sorted, the
	// greatest first; "" leaves them as they come.
	Sort     string
	Options  []Option
	Examples []string
	// Script is the file, without filters.
	Script string
}

// Column is one value of a row.
type Column struct {
	// Name is the header, its unit in parentheses.
	Name string
	// Format says how a number is shown: "" as it is, "ms" and "us" from
	// nanoseconds, "kb" from bytes, "errno", "signal", "state" (of TCP), "hex",
	// "words" for a list of texts, or "stack".
	Format string
	// Width is the least width in a table.
	Width int
}

// Option is a parameter of one tool.
type Option struct {
	Name, Short string
	// Kind is bool, number, string, duration, interval or path. An interval and
	// a path stand in the script as Default and are replaced there; the others
	// are named parameters.
	Kind, Default, Help string
}

// Key is the column's name in JSON: "LAT(ms)" is lat_ms.
func (c Column) Key() string {
	var b strings.Builder
	for _, r := range strings.ToLower(c.Name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && r != ')':
			b.WriteByte('_')
		}
	}
	return b.String()
}

// widths of columns by name; others are as wide as their name, at least 6.
var widths = map[string]int{
	"TIME": 8, "PID": 7, "TID": 7, "PPID": 7, "UID": 6, "COMM": 16, "FD": 4, "ERR": 4, "RET": 4, "SIG": 10,
	"SADDR": 22, "DADDR": 22, "LADDR": 22, "RADDR": 22, "SYSCALL": 18, "DISK": 8,
}

var all = sync.OnceValues(func() ([]*Tool, error) {
	list, err := files.ReadDir("bt")
	if err != nil {
		return nil, err
	}
	var out []*Tool
	for _, e := range list {
		b, err := files.ReadFile("bt/" + e.Name())
		if err != nil {
			return nil, err
		}
		t, err := parse(string(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		if t.Name+".bt" != e.Name() {
			return nil, fmt.Errorf("%s: the tool is called %s", e.Name(), t.Name)
		}
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
})

// All are the tools by name. They are shared and not to be changed.
func All() []*Tool {
	list, err := all()
	if err != nil {
		panic("BUG: embedded tool: " + err.Error()) // a test reads them all
	}
	return list
}

// Find is a tool by name.
func Find(name string) (*Tool, bool) {
	for _, t := range All() {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}

// parse reads what a script's first comment lines say:
//
//	// opensnoop: files being opened
//	//
//	// More about it, until an empty comment line or a field.
//	//
//	// columns: TIME PID COMM LAT(ms)/ms:8 PATH
//	// option: failed x bool only calls that failed
//	// option: min - duration=10ms only what took this long
//	// example: skep trace opensnoop -x
func parse(text string) (*Tool, error) {
	t := &Tool{Script: text}
	var long []string
	for i, line := range strings.Split(text, "\n") {
		body, ok := strings.CutPrefix(line, "//")
		if !ok {
			break
		}
		body = strings.TrimPrefix(body, " ")
		field, rest, _ := strings.Cut(body, ": ")
		switch {
		case i == 0:
			t.Name, t.Short = field, rest
		case field == "columns":
			for _, w := range strings.Fields(rest) {
				c, err := parseColumn(w)
				if err != nil {
					return nil, err
				}
				t.Columns = append(t.Columns, c)
			}
		case field == "sort":
			t.Sort = rest
		case field == "example":
			t.Examples = append(t.Examples, rest)
		case field == "option":
			w := strings.SplitN(rest, " ", 4)
			if len(w) < 4 {
				return nil, fmt.Errorf("option %q: want NAME SHORT KIND=DEFAULT TEXT", rest)
			}
			o := Option{Name: w[0], Short: strings.Trim(w[1], "-"), Help: w[3]}
			o.Kind, o.Default, _ = strings.Cut(w[2], "=")
			t.Options = append(t.Options, o)
		default:
			long = append(long, body)
		}
	}
	t.Long = strings.TrimSpace(strings.Join(long, "\n"))
	if t.Name == "" || t.Short == "" || len(t.Examples) == 0 {
		return nil, fmt.Errorf("a tool needs a first line \"// NAME: TEXT\" and an example")
	}
	return t, nil
}

func parseColumn(s string) (Column, error) {
	var c Column
	head, width, hasWidth := strings.Cut(s, ":")
	c.Name, c.Format, _ = strings.Cut(head, "/")
	c.Width = max(widths[c.Name], len(c.Name), 6)
	if w, ok := widths[c.Name]; ok {
		c.Width = max(w, len(c.Name))
	}
	if hasWidth {
		if _, err := fmt.Sscanf(width, "%d", &c.Width); err != nil {
			return c, fmt.Errorf("column %q: the width is not a number", s)
		}
	}
	switch c.Format {
	case "", "ms", "us", "kb", "errno", "signal", "state", "hex", "stack", "words":
		return c, nil
	}
	return c, fmt.Errorf("column %q: no format of that name", s)
}
