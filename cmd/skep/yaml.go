package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds on YAML that people write for us. The reader below them takes time in
// the square of the depth, and aliases of aliases grow without bound.
const (
	maxYAML      = 4 << 20
	maxYAMLDepth = 64
)

// parseYAML reads a YAML document strictly: unknown fields and repeated keys
// are errors with line and column.
func parseYAML(path string, text []byte, into any) (err error) {
	if len(text) > maxYAML {
		return fmt.Errorf("%s: longer than %d MiB", path, maxYAML>>20)
	}
	if line := deepLine(text); line > 0 {
		return fmt.Errorf("%s: [%d:1] nested deeper than %d levels", path, line, maxYAMLDepth)
	}
	// The reader panics on some documents that make no sense; this is the one
	// place where it is called.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: no YAML that can be read: %v", path, r)
		}
	}()
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return describeYAML(path, err)
	}
	if len(file.Docs) > 1 {
		return fmt.Errorf("%s: %d documents where one is wanted", path, len(file.Docs))
	}
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		var v refused
		ast.Walk(&v, d.Body)
		if v.what != "" {
			return fmt.Errorf("%s: %s", path, v.what)
		}
		if err := yaml.NodeToValue(d.Body, into, yaml.Strict()); err != nil {
			return describeYAML(path, err)
		}
	}
	return nil
}

// describeYAML keeps the position and the reason in the error and leaves the
// picture of the place as a hint.
func describeYAML(path string, err error) error {
	line, picture, _ := strings.Cut(err.Error(), "\n")
	return withHint(fmt.Errorf("%s: %w", path, errors.New(line)), picture)
}

// refused finds the first thing that has no use here and can do harm: aliases
// and tags.
type refused struct{ what string }

func (v *refused) Visit(n ast.Node) ast.Visitor {
	name := ""
	switch n.Type() {
	case ast.AliasType:
		name = "aliases (*name)"
	case ast.TagType:
		name = "tags (!name)"
	}
	if p := n.GetToken().Position; name != "" && v.what == "" && p != nil {
		v.what = fmt.Sprintf("[%d:%d] %s are not supported", p.Line, p.Column, name)
	}
	return v
}

// deepLine returns the number of the first line that may be nested too deep, by
// brackets, indentation or dashes, or 0. It errs on the side of too deep: such
// files have no other use here.
func deepLine(text []byte) int {
	brackets, number := 0, 0
	for line := range bytes.Lines(text) {
		number++
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		dashes := 0
		for rest := bytes.TrimLeft(line, " "); len(rest) > 1 && (rest[0] == '-' || rest[0] == '?') && rest[1] == ' '; dashes++ {
			rest = bytes.TrimLeft(rest[2:], " ")
		}
		if indent > 4*maxYAMLDepth || dashes > maxYAMLDepth {
			return number
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				brackets++
			case ']', '}':
				brackets = max(brackets-1, 0)
			}
			if brackets > maxYAMLDepth {
				return number
			}
		}
	}
	return 0
}
