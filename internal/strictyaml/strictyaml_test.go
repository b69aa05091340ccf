package strictyaml

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type thing struct {
	Name   string            `json:"name"`
	Port   uint16            `json:"port,omitempty"`
	Count  *int32            `json:"count,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Addrs  []netip.Addr      `json:"addrs,omitempty"`
	Inner  []inner           `json:"inner,omitempty"`
	Raw    any               `json:"raw,omitempty"`
	On     bool              `json:"on,omitempty"`
}

type inner struct {
	Value int `json:"value"`
}

func one(t *testing.T, text string) (thing, error) {
	t.Helper()
	var out thing
	docs, err := Parse("f.yaml", []byte(text))
	if err != nil {
		return out, err
	}
	if len(docs) != 1 {
		t.Fatalf("%d documents", len(docs))
	}
	return out, docs[0].Decode(&out)
}

func TestDecode(t *testing.T) {
	got, err := one(t, `
# a comment
name: web
port: 80
count: -3
labels: {a: b, "c": d}
addrs:
- 10.0.0.1
- "fd00::1"
inner:
- value: 7
- value: 8
raw: {x: [1, 2]}
on: true
`)
	if err != nil {
		t.Fatal(err)
	}
	n := int32(-3)
	want := thing{
		Name: "web", Port: 80, Count: &n, Labels: map[string]string{"a": "b", "c": "d"},
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		Inner: []inner{{7}, {8}}, Raw: "{x: [1, 2]}", On: true,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if json, err := one(t, `{"name": "web", "inner": [{"value": 1}]}`); err != nil || json.Name != "web" || json.Inner[0].Value != 1 {
		t.Errorf("JSON: %+v, %v", json, err)
	}
}

func TestErrorsPointAtThePlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"name: web\nprot: 80", `f.yaml:2:1: prot: unknown field (did you mean "port"?)`},
		{"name: web\ninner:\n- vale: 1", `f.yaml:3:3: inner[0].vale: unknown field (did you mean "value"?)`},
		{"name: 1", "f.yaml:1:7: name: a number where text is wanted"},
		{"port: \"80\"", "f.yaml:1:7: port: text where a whole number is wanted"},
		{"port: 65536", "f.yaml:1:7: port: 65536 is out of range: 0 to 65535"},
		{"port: -1", "f.yaml:1:7: port: -1 is out of range: 0 to 65535"},
		{"on: yes", "f.yaml:1:5: on: text where true or false is wanted"},
		{"addrs: [10.0.0.300]", "f.yaml:1:9: addrs[0]: "},
		{"addrs: 10.0.0.1", "f.yaml:1:8: addrs: text where a list is wanted"},
		{"name: a\nname: b", "f.yaml:2:1: "},
		{"name: &x a", "f.yaml:1:7: name: aliases, anchors"},
		{"name: [", "f.yaml:1:7: "},
		{strings.Repeat("[", 70), "f.yaml:1:1: nested deeper than 64 levels"},
	} {
		_, err := one(t, c.text)
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q:\n have %v\n want %s…", c.text, err, c.want)
		}
	}
	_, err := one(t, "name: web\nprot: 80")
	var e *Error
	if errors.As(err, &e); e.Picture != "2 | prot: 80\n  | ^" {
		t.Errorf("picture %q", e.Picture)
	}
}

func TestDocumentsAndItems(t *testing.T) {
	docs, err := Parse("f", []byte("---\n---\nkind: A\n---\nkind: List\nitems:\n- name: x\n- name: y\n"))
	if err != nil || len(docs) != 2 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	if k := docs[0].String("kind"); k != "A" {
		t.Errorf("kind %q", k)
	}
	items := docs[1].Items("items")
	var out thing
	if len(items) != 2 || items[1].Decode(&out) != nil || out.Name != "y" {
		t.Errorf("items: %d, %+v", len(items), out)
	}
	if err := items[1].Fail("is bad", "", "name"); err.Error() != "f:8:9: items[1].name: is bad" {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"name: web", "{a: [b, *c]}", "- - -", "? x\n: y", "name: |\n  a\n", "<<: {a: b}", "port: 0x10", "count: .inf", "!!str a: b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := Parse("f", []byte(text))
		if err != nil {
			return
		}
		for _, d := range docs {
			var out thing
			_ = d.Decode(&out)
			_ = d.String("name")
			for _, i := range d.Items("inner") {
				_ = i.Decode(&out)
			}
		}
	})
}
