package btfdump

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// AppendYAML appends v as a YAML document with a final newline. Strings that
// another reading could take for something else are quoted.
func (v Value) AppendYAML(dst []byte) []byte {
	if v.flat() {
		return append(v.appendYAMLScalar(dst), '\n')
	}
	return v.appendYAMLBlock(dst, 0, false)
}

// flat says whether v fits behind "key: ": scalars and empty or all-scalar
// short lists.
func (v Value) flat() bool {
	switch v.Kind {
	case Struct:
		return len(v.Fields) == 0
	case List:
		for _, e := range v.Elems {
			if e.Kind == Struct || e.Kind == List {
				return false
			}
		}
	}
	return true
}

func (v Value) appendYAMLScalar(dst []byte) []byte {
	switch v.Kind {
	case Text, Symbol:
		if yamlPlain(v.Str) {
			return append(dst, v.Str...)
		}
		return appendQuoted(dst, v.Str)
	case Float:
		return appendFloat(dst, v.Float64, true)
	case List:
		dst = append(dst, '[')
		for i, e := range v.Elems {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = e.appendYAMLScalar(dst)
		}
		return append(dst, ']')
	}
	return v.AppendJSON(dst)
}

// appendYAMLBlock writes fields or elements, one a line. inline says that the
// first one follows "- " on the line begun already.
func (v Value) appendYAMLBlock(dst []byte, indent int, inline bool) []byte {
	pad := func() {
		if !inline {
			dst = append(dst, strings.Repeat("  ", indent)...)
		}
		inline = false
	}
	if v.Kind == List {
		for _, e := range v.Elems {
			pad()
			dst = append(dst, "- "...)
			if e.flat() {
				dst = append(e.appendYAMLScalar(dst), '\n')
			} else {
				dst = e.appendYAMLBlock(dst, indent+1, true)
			}
		}
		return dst
	}
	for _, f := range v.Fields {
		pad()
		dst = String(f.Name).appendYAMLScalar(dst)
		dst = append(dst, ':')
		switch {
		case f.Value.flat():
			dst = append(dst, ' ')
			dst = append(f.Value.appendYAMLScalar(dst), '\n')
		default:
			dst = append(dst, '\n')
			dst = f.Value.appendYAMLBlock(dst, indent+1, false)
		}
	}
	return dst
}

// yamlPlain allows only strings that no YAML reader takes for a number, a
// truth value, a date, null or structure.
func yamlPlain(s string) bool {
	if s == "" || len(s) > 120 {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		inner := c >= '0' && c <= '9' || c == '-' || c == '.' || c == '/'
		if !letter && (!inner || i == 0) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return false
	}
	return true
}

// FromJSON parses JSON into a Value, keeping the order of fields: what has a
// JSON form has a YAML and a text form through it.
func FromJSON(data []byte) (Value, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := readJSON(dec, 0)
	if err != nil {
		return Value{}, fmt.Errorf("parse json: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Value{}, errors.New("parse json: more after the value")
	}
	return v, nil
}

func readJSON(dec *json.Decoder, depth int) (Value, error) {
	if depth > MaxDepth {
		return Value{}, fmt.Errorf("nested deeper than %d levels", MaxDepth)
	}
	t, err := dec.Token()
	if err != nil {
		return Value{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		return readJSONNest(dec, t, depth)
	case bool:
		return Boolean(t), nil
	case string:
		return String(t), nil
	case json.Number:
		return number(t.String()), nil
	}
	return Value{}, nil
}

func readJSONNest(dec *json.Decoder, open json.Delim, depth int) (Value, error) {
	v := Value{Kind: List}
	if open == '{' {
		v.Kind = Struct
	}
	for dec.More() {
		var name string
		if v.Kind == Struct {
			t, err := dec.Token()
			if err != nil {
				return Value{}, err
			}
			name, _ = t.(string)
		}
		e, err := readJSON(dec, depth+1)
		if err != nil {
			return Value{}, err
		}
		if v.Kind == Struct {
			v.Fields = append(v.Fields, Field{name, e})
		} else {
			v.Elems = append(v.Elems, e)
		}
	}
	_, err := dec.Token()
	return v, err
}

func number(s string) Value {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return Uint64(n)
	}
	// Only floats have a zero below zero.
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n != 0 {
		return Int64(n)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return String(s)
	}
	return Value{Kind: Float, Float64: f}
}
