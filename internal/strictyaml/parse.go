package strictyaml

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds. The reader below takes time in the square of the depth.
const (
	MaxBytes = 64 << 20
	MaxDepth = 64
)

// Error is a mistake in a document.
type Error struct {
	File string
	// Line and Column count from 1; 0 means unknown.
	Line, Column int
	// Path of the field as one would write it: spec.ports[1].port.
	Path   string
	Reason string
	// Hint is what may have been meant, and Picture the line with a caret
	// under the place. Either may be empty.
	Hint, Picture string
}

// Error is one line without the picture.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Reason)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Document is one document of a file, or a part of one.
type Document struct {
	file  string
	lines [][]byte
	// base is how many lines of the file come before the document.
	base int
	node ast.Node
	path string
}

// Parse splits text into documents; empty ones are left out. Errors are
// *[Error].
func Parse(file string, text []byte) (docs []*Document, err error) {
	if len(text) > MaxBytes {
		return nil, &Error{File: file, Reason: fmt.Sprintf("longer than %d MiB", MaxBytes>>20)}
	}
	if line := deepLine(text); line > 0 {
		return nil, &Error{File: file, Line: line, Column: 1, Reason: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	}
	// The reader panics on some documents that make no sense.
	defer func() {
		if r := recover(); r != nil {
			docs, err = nil, &Error{File: file, Reason: fmt.Sprintf("no YAML that can be read: %v", r)}
		}
	}()
	lines := bytes.Split(text, []byte("\n"))
	for start := 0; start < len(lines); {
		end := start + 1
		for end < len(lines) && !separator(lines[end]) {
			end++
		}
		if err := parseOne(file, lines, start, end, &docs); err != nil {
			return nil, err
		}
		start = end
	}
	return docs, nil
}

// separator says whether a line begins a new document. The reader is given
// one document at a time: it loses those that follow an empty one, and takes
// time that grows faster than the text.
func separator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\r' || rest[0] == '\t')
}

func parseOne(file string, lines [][]byte, start, end int, docs *[]*Document) error {
	parsed, err := parser.ParseBytes(bytes.Join(lines[start:end], []byte("\n")), 0)
	if err != nil {
		return syntaxError(file, lines, start, err)
	}
	for _, d := range parsed.Docs {
		if d.Body == nil || d.Body.Type() == ast.NullType || d.Body.Type() == ast.CommentType {
			continue
		}
		*docs = append(*docs, &Document{file: file, lines: lines, base: start, node: d.Body})
	}
	return nil
}

// syntaxError takes "[line:column] reason" from the reader's error.
func syntaxError(file string, lines [][]byte, base int, err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	e := &Error{File: file, Reason: text}
	var line, column int
	if n, _ := fmt.Sscanf(text, "[%d:%d]", &line, &column); n == 2 {
		_, e.Reason, _ = strings.Cut(text, "] ")
		e.Line, e.Column = line+base, column
		e.Picture = picture(lines, e.Line, column)
	}
	return e
}

// deepLine returns the number of the first line that may be nested too deep, by
// brackets, indentation or dashes, or 0. It errs on the side of too deep.
func deepLine(text []byte) int {
	brackets, number := 0, 0
	for line := range bytes.Lines(text) {
		number++
		trimmed := bytes.TrimLeft(line, " ")
		indent, dashes := len(line)-len(trimmed), 0
		for rest := trimmed; len(rest) > 1 && (rest[0] == '-' || rest[0] == '?') && rest[1] == ' '; dashes++ {
			rest = bytes.TrimLeft(rest[2:], " ")
		}
		if indent > 4*MaxDepth || dashes > MaxDepth {
			return number
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				brackets++
			case ']', '}':
				brackets = max(brackets-1, 0)
			}
			if brackets > MaxDepth {
				return number
			}
		}
	}
	return 0
}

// picture shows a line and a caret under the column.
func picture(lines [][]byte, line, column int) string {
	if line < 1 || line > len(lines) || column < 1 {
		return ""
	}
	text := strings.TrimRight(strings.ToValidUTF8(string(lines[line-1]), "?"), "\r")
	text = strings.ReplaceAll(text, "\t", " ")
	if len(text) > 160 {
		text = text[:160]
	}
	number := fmt.Sprint(line)
	return fmt.Sprintf("%s | %s\n%s | %s^", number, text, strings.Repeat(" ", len(number)), strings.Repeat(" ", column-1))
}

func (d *Document) fail(n ast.Node, path, reason, hint string) error {
	e := &Error{File: d.file, Path: path, Reason: reason, Hint: hint}
	// A mapping in lines begins at its first key, not at the colon.
	if kvs := pairs(n); len(kvs) > 0 && kvs[0].Key != nil && (n.GetToken() == nil || n.GetToken().Value != "{") {
		n = kvs[0].Key
	}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		p := n.GetToken().Position
		e.Line, e.Column = p.Line+d.base, p.Column
		e.Picture = picture(d.lines, e.Line, p.Column)
	}
	return e
}

// Fail returns an error at the field with the given path inside the document
// (names and indices, as in Get), or at its nearest parent that is there.
func (d *Document) Fail(reason, hint string, path ...any) error {
	n, name := d.node, d.path
	for _, p := range path {
		name = join(name, p)
		if next := child(n, p); next != nil {
			n = next
		}
	}
	return d.fail(n, name, reason, hint)
}

// String returns the text of a top-level scalar field, or "".
func (d *Document) String(field string) string {
	if s, ok := child(d.node, field).(ast.ScalarNode); ok {
		return fmt.Sprint(s.GetValue())
	}
	return ""
}

// Items returns the elements of a top-level list as documents of their own.
func (d *Document) Items(field string) []*Document {
	list, ok := child(d.node, field).(*ast.SequenceNode)
	if !ok {
		return nil
	}
	var items []*Document
	for i, v := range list.Values {
		items = append(items, &Document{d.file, d.lines, d.base, v, join(join(d.path, field), i)})
	}
	return items
}

func join(path string, p any) string {
	switch p := p.(type) {
	case int:
		return fmt.Sprintf("%s[%d]", path, p)
	case string:
		if path == "" {
			return p
		}
		return path + "." + p
	}
	panic(fmt.Sprintf("BUG: path element %T", p))
}

// child returns the value of a field or the element of a list, or nil.
func child(n ast.Node, p any) ast.Node {
	switch p := p.(type) {
	case int:
		if list, ok := n.(*ast.SequenceNode); ok && p >= 0 && p < len(list.Values) {
			return list.Values[p]
		}
	case string:
		for _, kv := range pairs(n) {
			if kv.Key != nil && keyText(kv) == p {
				return kv.Value
			}
		}
	}
	return nil
}

// pairs returns the entries of a mapping.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

func keyText(kv *ast.MappingValueNode) string {
	if s, ok := kv.Key.(ast.ScalarNode); ok {
		return fmt.Sprint(s.GetValue())
	}
	return kv.Key.String()
}
