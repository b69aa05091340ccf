package syntax

import (
	"fmt"
	"sort"
	"strings"
)

// File is a script's text and its name in messages.
type File struct {
	Name  string
	Text  string
	lines []int // offsets of line starts
}

// NewFile prepares text for parsing.
func NewFile(name, text string) *File {
	f := &File{Name: name, Text: text, lines: []int{0}}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	return f
}

// Span is a range of bytes of a file, End exclusive.
type Span struct{ Start, End int }

// Pos returns the span itself; nodes embed it.
func (s Span) Pos() Span { return s }

// Position is the line and column of a byte offset, both from 1; columns count
// bytes.
func (f *File) Position(off int) (line, col int) {
	off = max(0, min(off, len(f.Text)))
	line = sort.Search(len(f.lines), func(i int) bool { return f.lines[i] > off })
	return line, off - f.lines[line-1] + 1
}

// Line is the text of a line (from 1), without its end.
func (f *File) Line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	s := f.Text[f.lines[n-1]:]
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	return s
}

// Where names a span as bpftrace does: "name:line:from-to", or
// "name:line-line" if it has several lines.
func (f *File) Where(s Span) string {
	l1, c1 := f.Position(s.Start)
	l2, c2 := f.Position(s.End)
	if l1 != l2 {
		return fmt.Sprintf("%s:%d-%d", f.Name, l1, l2)
	}
	return fmt.Sprintf("%s:%d:%d-%d", f.Name, l1, c1, c2)
}

// Context is the source of a span and a line of tildes below it.
func (f *File) Context(s Span) []string {
	l1, c1 := f.Position(s.Start)
	l2, c2 := f.Position(s.End)
	if l1 != l2 {
		var out []string
		for i := l1; i <= l2; i++ {
			out = append(out, f.Line(i))
		}
		return out
	}
	var text, mark strings.Builder
	for i, c := range []byte(f.Line(l1)) {
		width := 1
		if c == '\t' {
			width = 4
			text.WriteString("    ")
		} else {
			text.WriteByte(c)
		}
		switch {
		case i < c1-1:
			mark.WriteString(strings.Repeat(" ", width))
		case i < max(c2, c1+1)-1:
			mark.WriteString(strings.Repeat("~", width))
		}
	}
	if c1 > len(f.Line(l1)) {
		mark.WriteByte('~') // at the line's end
	}
	return []string{text.String(), mark.String()}
}
