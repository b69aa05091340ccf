package strictyaml

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/skepdev/skep/internal/btfdump"
)

// Decode fills into, a pointer to a struct. Beside structs, slices, pointers
// and maps with string keys it knows strings, booleans, numbers, any (which
// takes what is there as text) and what implements encoding.TextUnmarshaler.
func (d *Document) Decode(into any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{File: d.file, Reason: fmt.Sprintf("no YAML that can be read: %v", r)}
		}
	}()
	return d.value(d.node, d.path, reflect.ValueOf(into).Elem())
}

func (d *Document) value(n ast.Node, path string, v reflect.Value) error {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		return d.fail(n, path, "aliases, anchors, tags and merge keys are not supported", "write the value out")
	case *ast.NullNode:
		return nil
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if err := d.value(n, path, p.Elem()); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := n.(ast.ScalarNode)
		if !ok {
			return d.wants(n, path, "a single value")
		}
		if err := u.UnmarshalText([]byte(scalarText(s))); err != nil {
			return d.fail(n, path, err.Error(), "")
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.structure(n, path, v)
	case reflect.Slice:
		return d.slice(n, path, v)
	case reflect.Map:
		return d.mapping(n, path, v)
	case reflect.Interface:
		v.Set(reflect.ValueOf(n.String()))
		return nil
	}
	return d.scalar(n, path, v)
}

func scalarText(s ast.ScalarNode) string {
	if l, ok := s.(*ast.LiteralNode); ok {
		return l.Value.Value
	}
	if s, ok := s.(*ast.StringNode); ok {
		return s.Value
	}
	return s.GetToken().Value
}

func (d *Document) wants(n ast.Node, path, what string) error {
	have := map[ast.NodeType]string{
		ast.MappingType: "a mapping", ast.MappingValueType: "a mapping", ast.SequenceType: "a list",
		ast.StringType: "text", ast.LiteralType: "text", ast.IntegerType: "a number",
		ast.FloatType: "a number", ast.BoolType: "a boolean",
	}[n.Type()]
	if have == "" {
		have = "something else"
	}
	return d.fail(n, path, have+" where "+what+" is wanted", "")
}

func (d *Document) scalar(n ast.Node, path string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		switch s := n.(type) {
		case *ast.StringNode, *ast.LiteralNode:
			v.SetString(scalarText(s.(ast.ScalarNode)))
			return nil
		}
		return d.wants(n, path, "text")
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return nil
		}
		return d.wants(n, path, "true or false")
	}
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return d.wants(n, path, "a whole number")
	}
	return d.number(i, path, v)
}

func (d *Document) number(i *ast.IntegerNode, path string, v reflect.Value) error {
	var signed int64
	var unsigned uint64
	switch x := i.Value.(type) {
	case int64:
		signed, unsigned = x, uint64(x)
	case uint64:
		signed, unsigned = int64(min(x, math.MaxInt64)), x
	default:
		return d.wants(i, path, "a whole number")
	}
	if v.CanUint() {
		if signed < 0 && i.GetToken().Value[0] == '-' || v.OverflowUint(unsigned) {
			return d.fail(i, path, fmt.Sprintf("%s is out of range: 0 to %d", i.GetToken().Value, uint64(1)<<v.Type().Bits()-1), "")
		}
		v.SetUint(unsigned)
		return nil
	}
	if v.OverflowInt(signed) || unsigned > math.MaxInt64 && signed >= 0 {
		return d.fail(i, path, i.GetToken().Value+" is out of range", "")
	}
	v.SetInt(signed)
	return nil
}

func (d *Document) slice(n ast.Node, path string, v reflect.Value) error {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return d.wants(n, path, "a list")
	}
	out := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, e := range list.Values {
		if err := d.value(e, join(path, i), out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// entries calls f for each key, which must not repeat.
func (d *Document) entries(n ast.Node, path string, f func(kv *ast.MappingValueNode, key string) error) error {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return d.wants(n, path, "a mapping")
	}
	seen := map[string]bool{}
	for _, kv := range pairs(n) {
		s, ok := kv.Key.(ast.ScalarNode)
		if _, merge := kv.Key.(*ast.MergeKeyNode); !ok || merge {
			return d.fail(kv.Key, path, "a key must be a plain word", "")
		}
		key := scalarText(s)
		if seen[key] {
			return d.fail(kv.Key, join(path, key), "written twice", "")
		}
		seen[key] = true
		if err := f(kv, key); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) mapping(n ast.Node, path string, v reflect.Value) error {
	out := reflect.MakeMap(v.Type())
	err := d.entries(n, path, func(kv *ast.MappingValueNode, key string) error {
		k := reflect.New(v.Type().Key()).Elem()
		if u, ok := k.Addr().Interface().(encoding.TextUnmarshaler); ok {
			if err := u.UnmarshalText([]byte(key)); err != nil {
				return d.fail(kv.Key, join(path, key), err.Error(), "")
			}
		} else {
			k.SetString(key)
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(kv.Value, join(path, key), e); err != nil {
			return err
		}
		out.SetMapIndex(k, e)
		return nil
	})
	v.Set(out)
	return err
}

func (d *Document) structure(n ast.Node, path string, v reflect.Value) error {
	return d.entries(n, path, func(kv *ast.MappingValueNode, key string) error {
		i, names := field(v.Type(), key)
		if i < 0 {
			hint := ""
			if near := btfdump.Suggest(key, names); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			} else if len(names) <= 12 {
				hint = "there is " + strings.Join(names, ", ")
			}
			return d.fail(kv.Key, join(path, key), "unknown field", hint)
		}
		return d.value(kv.Value, join(path, key), v.Field(i))
	})
}

// field finds the field whose json tag is name, or returns -1; and all names.
func field(t reflect.Type, name string) (int, []string) {
	var names []string
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		if tag == name {
			return i, nil
		}
		names = append(names, tag)
	}
	return -1, names
}
