package btfdump

import (
	"encoding/json"
	"slices"
)

// Kind says what a [Value] is.
type Kind uint8

// The kinds of values.
const (
	Null   Kind = iota
	Bool        // Uint is 0 or 1
	Int         // negative integers: int64(Uint)
	Uint        // integers from zero up
	Float       // Float64
	Text        // a string: text, an address, hex
	Symbol      // an enumerator: Str its name, Uint its value
	List        // Elems
	Struct      // Fields, in declaration order
)

// Value is a decoded value: a plain tree that keeps the order of fields. The
// zero Value is null. Values may be read concurrently.
type Value struct {
	Kind    Kind
	Uint    uint64
	Float64 float64
	Str     string
	Elems   []Value
	Fields  []Field
}

// Field is a named member of a struct, union or data section.
type Field struct {
	Name  string
	Value Value
}

// Uint64 returns a number.
func Uint64(n uint64) Value { return Value{Kind: Uint, Uint: n} }

// Int64 returns a number.
func Int64(n int64) Value {
	if n >= 0 {
		return Uint64(uint64(n))
	}
	return Value{Kind: Int, Uint: uint64(n)}
}

// String returns a string.
func String(s string) Value { return Value{Kind: Text, Str: s} }

// Boolean returns a truth value.
func Boolean(b bool) Value {
	v := Value{Kind: Bool}
	if b {
		v.Uint = 1
	}
	return v
}

// Object returns a struct of the given fields.
func Object(fields ...Field) Value { return Value{Kind: Struct, Fields: fields} }

// Bytes returns bytes without a type: a hex string.
func Bytes(b []byte) Value { return String(hexString(b)) }

// Field returns the named field of a struct.
func (v Value) Field(name string) (Value, bool) {
	i := slices.IndexFunc(v.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Value{}, false
	}
	return v.Fields[i].Value, true
}

// Equal says whether two values are the same tree. Enumerators are compared by
// value and name.
func (v Value) Equal(w Value) bool {
	return v.Kind == w.Kind && v.Uint == w.Uint && v.Str == w.Str &&
		(v.Float64 == w.Float64 || v.Float64 != v.Float64 && w.Float64 != w.Float64) &&
		slices.EqualFunc(v.Elems, w.Elems, Value.Equal) &&
		slices.EqualFunc(v.Fields, w.Fields, func(a, b Field) bool {
			return a.Name == b.Name && a.Value.Equal(b.Value)
		})
}

// MarshalJSON is AppendJSON, for encoding/json.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

var _ json.Marshaler = Value{}
