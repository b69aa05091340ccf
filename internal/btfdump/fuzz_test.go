package btfdump

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// blob is types as an object carries them.
func blob(tb testing.TB, types ...btf.Type) []byte {
	b, err := btf.NewBuilder(types, nil)
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// FuzzDecode reads arbitrary bytes by arbitrary types: whatever comes out must
// be JSON and YAML, and go back in without harm.
func FuzzDecode(f *testing.F) {
	for _, row := range roundTrips {
		if _, section := row.t.(*btf.Datasec); row.t != nil && !section {
			f.Add(blob(f, row.t), []byte(row.data))
		}
	}
	f.Fuzz(func(t *testing.T, types, data []byte) {
		spec, err := btf.LoadSpecFromReader(bytes.NewReader(types))
		if err != nil {
			return
		}
		n := 0
		for typ, err := range spec.All() {
			if n++; err != nil || n > 64 {
				return
			}
			v, err := Decode(typ, data)
			if err != nil {
				continue
			}
			text := v.AppendJSON(nil)
			given, err := ParseJSON(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			again, err := FromJSON(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if diff := cmp.Diff(string(text), string(again.AppendJSON(nil))); diff != "" {
				t.Fatalf("json is not stable:\n%s", diff)
			}
			size, ok := sizeOf(typ)
			if !ok || size > len(data) {
				continue
			}
			dst := make([]byte, len(data))
			_ = Encode(typ, given, dst)
		}
	})
}

// FuzzEncode gives arbitrary JSON for a struct: an error or a value that reads
// back as itself.
func FuzzEncode(f *testing.F) {
	f.Add([]byte(`{"packets":3,"proto":"TCP","src":"10.0.0.1","sport":80,"name":"http"}`))
	f.Add([]byte(`{"word":1e3,"name":[1,2,3]}`))
	f.Add([]byte(`{"packets":"-1"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		given, err := ParseJSON(text)
		if err != nil {
			return
		}
		dst := make([]byte, 32)
		if Encode(tEntry, given, dst) != nil {
			return
		}
		v, err := Decode(tEntry, dst)
		if err != nil {
			t.Fatal(err)
		}
		given, err = ParseJSON(v.AppendJSON(nil))
		if err != nil {
			t.Fatal(err)
		}
		again := make([]byte, 32)
		if err := Encode(tEntry, given, again); err != nil {
			t.Fatalf("%s: %v", v.AppendJSON(nil), err)
		}
		if !bytes.Equal(dst, again) {
			t.Fatalf("%s: % x, then % x", v.AppendJSON(nil), dst, again)
		}
	})
}

// FuzzYAML compares what a YAML reader makes of our YAML with what was meant.
func FuzzYAML(f *testing.F) {
	f.Add([]byte(`{"name":"eth0","off":"off","n":-3,"list":[1,2],"sub":{"a":"x y","b":[{"c":1},{"d":"1e3"}]}}`))
	f.Add([]byte(`[[1,[2]],{"a":{}},"- x","2001-01-01","~","0o7",".5","a: b","\u0085"]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := FromJSON(text)
		if err != nil {
			return
		}
		want, ok := plain(v)
		if !ok {
			return
		}
		doc := v.AppendYAML(nil)
		var got any
		if err := yaml.Unmarshal(doc, &got); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s:\n%s", doc, diff)
		}
	})
}

// plain is v as a YAML reader would give it. ok is false where the two models
// differ: repeated and empty keys, and floats.
func plain(v Value) (out any, ok bool) {
	switch v.Kind {
	case Bool:
		return v.Uint != 0, true
	case Int:
		return int64(v.Uint), true
	case Uint:
		return v.Uint, true
	case Text, Symbol:
		return v.Str, true
	case List:
		list := []any{}
		for _, e := range v.Elems {
			p, ok := plain(e)
			if !ok {
				return nil, false
			}
			list = append(list, p)
		}
		return list, true
	case Struct:
		m := map[string]any{}
		for _, f := range v.Fields {
			p, ok := plain(f.Value)
			if _, twice := m[f.Name]; !ok || twice || f.Name == "" {
				return nil, false
			}
			m[f.Name] = p
		}
		return m, true
	}
	return nil, v.Kind == Null
}
