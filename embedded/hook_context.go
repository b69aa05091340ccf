package embedded

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/skepdev/skep/abi"
)

// Struct is a structure that C programs share with Go.
type Struct struct {
	// Name in C.
	Name string
	// Of is a value of the Go type: a structure of numbers and arrays of them.
	Of any
}

// maxContext bounds a context in bytes.
const maxContext = 32 << 10

// declaration is what a hook's configuration comes to.
type declaration struct {
	hook    *abi.Hook
	context *cStruct
	structs []*cStruct
	byName  map[string]*cStruct
	protos  []string
}

// declare reads a hook's declaration.
func declare[C any](name string, cfg *HookConfig) (*declaration, error) {
	t := reflect.TypeFor[C]()
	context := cfg.Context
	if context == "" {
		base, _, _ := strings.Cut(t.Name(), "[")
		context = snake(base)
	}
	d := &declaration{hook: &abi.Hook{Name: name, PacketWritable: cfg.WritableData}, byName: make(map[string]*cStruct)}
	var err error
	if d.context, err = d.add(context, t, true); err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	if d.context.size > maxContext {
		return nil, fmt.Errorf("context %s has %d bytes; at most %d", t, d.context.size, maxContext)
	}
	d.hook.Context = d.context.layout()
	for _, s := range cfg.Structs {
		c, err := d.add(s.Name, reflect.TypeOf(s.Of), false)
		if err != nil {
			return nil, err
		}
		d.structs = append(d.structs, c)
	}
	for _, h := range cfg.Helpers {
		f, err := d.parseProto(h.Proto)
		if err != nil {
			return nil, fmt.Errorf("helper %q: %w", h.Proto, err)
		}
		if d.hook.Func(f.Name) != nil {
			return nil, fmt.Errorf("helper %s stands there twice", f.Name)
		}
		if abi.KfuncByName(f.Name) != nil || abi.HelperByName(f.Name) != nil {
			return nil, fmt.Errorf("helper %s has the name of a function of Linux", f.Name)
		}
		d.hook.Funcs = append(d.hook.Funcs, *f)
		d.protos = append(d.protos, strings.TrimSuffix(strings.TrimSpace(h.Proto), ";"))
	}
	for i, r := range cfg.Results {
		if !isName(r.Name) {
			return nil, fmt.Errorf("result %q is no name in C", r.Name)
		}
		if i == 0 {
			d.hook.ReturnMin, d.hook.ReturnMax = r.Value, r.Value
		}
		d.hook.ReturnMin, d.hook.ReturnMax = min(d.hook.ReturnMin, r.Value), max(d.hook.ReturnMax, r.Value)
	}
	return d, nil
}

// cStruct is a Go structure as C sees it.
type cStruct struct {
	name   string
	size   uint32
	fields []cField
}

type cField struct {
	name                string
	typ                 string // of an element, in C
	offset, size, count uint32 // size of an element
	array, store, data  bool
}

// add reads a Go structure. context allows tags and Data.
func (d *declaration) add(name string, t reflect.Type, context bool) (*cStruct, error) {
	switch {
	case t == nil || t.Kind() != reflect.Struct:
		return nil, fmt.Errorf("%s is a %v, not a structure", name, t)
	case !isName(name):
		return nil, fmt.Errorf("%s: %q is no name in C", t, name)
	case d.byName[name] != nil:
		return nil, fmt.Errorf("struct %s stands there twice", name)
	case t.Size() == 0 || t.Size() > 1<<20:
		return nil, fmt.Errorf("%s has %d bytes", t, t.Size())
	}
	s := &cStruct{name: name, size: uint32(t.Size())}
	seen := make(map[string]bool)
	end, data := uint32(0), false
	for i := range t.NumField() {
		f, err := readField(t.Field(i), context)
		if err != nil {
			return nil, fmt.Errorf("%s: field %s: %w", t, t.Field(i).Name, err)
		}
		// C and Go place fields alike; what lies between them is padding of both.
		if f.offset < end || f.offset%f.size != 0 {
			return nil, fmt.Errorf("%s: field %s at byte %d would lie elsewhere in C", t, t.Field(i).Name, f.offset)
		}
		end = f.offset + f.size*f.count
		if f.name == "" {
			continue
		}
		names := []string{f.name}
		if f.data {
			names = append(names, f.name+"_end")
			if data {
				return nil, fmt.Errorf("%s: field %s: an event has bytes once", t, t.Field(i).Name)
			}
			data = true
		}
		for _, n := range names {
			if !isName(n) || seen[n] {
				return nil, fmt.Errorf("%s: field %s: %q is no name in C, or stands there twice", t, t.Field(i).Name, n)
			}
			seen[n] = true
		}
		s.fields = append(s.fields, f)
	}
	d.byName[name] = s
	return s, nil
}

// readField reads a field and its tag: `skep:"name,rw"`.
func readField(f reflect.StructField, context bool) (cField, error) {
	out := cField{name: snake(f.Name), offset: uint32(f.Offset), count: 1}
	tag, rest, _ := strings.Cut(f.Tag.Get("skep"), ",")
	if tag != "" {
		out.name = tag
	}
	switch {
	case rest == "rw" && context:
		out.store = true
	case rest != "":
		return out, fmt.Errorf("tag %q: a field of a context may be rw, and nothing else", f.Tag.Get("skep"))
	}
	if f.Name == "_" {
		out.name = ""
	}
	t := f.Type
	if t == reflect.TypeFor[Data]() {
		if !context || out.store {
			return out, fmt.Errorf("an event's bytes are a field of its context, which nobody writes")
		}
		out.data, out.typ, out.size, out.count = true, "void *", 8, 2
		return out, nil
	}
	if t.Kind() == reflect.Array {
		out.array, out.count = true, uint32(t.Len())
		t = t.Elem()
	}
	c, ok := cTypes[t.Kind()]
	if !ok || out.count == 0 {
		return out, fmt.Errorf("%s is neither a number of known size nor an array of them", f.Type)
	}
	out.typ, out.size = c, uint32(t.Size())
	return out, nil
}

// cTypes are the names of numbers in C.
var cTypes = map[reflect.Kind]string{
	reflect.Bool: "__u8", reflect.Uint8: "__u8", reflect.Uint16: "__u16", reflect.Uint32: "__u32", reflect.Uint64: "__u64",
	reflect.Int8: "__s8", reflect.Int16: "__s16", reflect.Int32: "__s32", reflect.Int64: "__s64",
}

// layout is what the verifier knows of a context.
func (s *cStruct) layout() *abi.Struct {
	out := &abi.Struct{Name: s.name, Size: s.size}
	for _, f := range s.fields {
		if f.data {
			out.Fields = append(out.Fields,
				abi.Field{Name: f.name, Offset: f.offset, Size: 8, Count: 1, Kind: abi.FieldPacketData, Load: 8},
				abi.Field{Name: f.name + "_end", Offset: f.offset + 8, Size: 8, Count: 1, Kind: abi.FieldPacketEnd, Load: 8})
			continue
		}
		widths := abi.Width(2*f.size - 1) // its own and narrower ones
		if f.array {
			widths = 1 | 2 | 4 | 8
		}
		a := abi.Field{Name: f.name, Offset: f.offset, Size: f.size * f.count, Count: f.count, Load: widths}
		if f.store {
			a.Store = widths
		}
		out.Fields = append(out.Fields, a)
	}
	return out
}

// snake is a Go name as C writes them: ClientIP is client_ip.
func snake(s string) string {
	var b strings.Builder
	r := []rune(s)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && (!unicode.IsUpper(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

func isName(s string) bool {
	for i, c := range s {
		switch {
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		case i > 0 && c >= '0' && c <= '9':
		default:
			return false
		}
	}
	return s != ""
}
