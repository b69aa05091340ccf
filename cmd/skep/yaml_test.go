package main

import (
	"strings"
	"testing"
)

func TestYAMLBounds(t *testing.T) {
	bomb := "a0: &a0 [x, x]\na1: [*a0, *a0]\n"
	rows := map[string]string{
		strings.Repeat("[", 100):                   "[1:1] nested deeper than 64 levels",
		"a:\n" + strings.Repeat(" ", 300) + "b: 1": "[2:1] nested deeper than 64 levels",
		strings.Repeat("- ", 100) + "a":            "[1:1] nested deeper than 64 levels",
		bomb:                                       "[2:6] aliases (*name) are not supported",
		"a: !x 1":                                  "[1:4] tags (!name) are not supported",
		"a: 1\na: 2\n":                             `mapping key "a" already defined`,
		"a: 1\n---\nb: 2\n":                        "2 documents where one is wanted",
		strings.Repeat("#", maxYAML+1):             "longer than 4 MiB",
		"a: [1":                                    "[1:4]",
	}
	for text, want := range rows {
		var v any
		err := parseYAML("x.yaml", []byte(text), &v)
		if err == nil || !strings.HasPrefix(err.Error(), "x.yaml: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
	var v any
	if err := parseYAML("x.yaml", []byte("a: {b: [1, -2, \"x\"]}\n"), &v); err != nil {
		t.Error(err)
	}
	var lab labFile
	if err := parseYAML("x.yaml", nil, &lab); err != nil {
		t.Error(err)
	}
}

// FuzzLabFile reads arbitrary text as a lab's description.
func FuzzLabFile(f *testing.F) {
	f.Add([]byte("nodes: [left, right]\nlinks:\n  - [left, right]\nendpoints:\n  - {name: one, on: left, addrs: [10.0.0.1/24]}\n"))
	f.Add([]byte("programs:\n  - object: a.o\n    at: one\n    set: [x=1]\n    maps: {m: {1: {a: b}}}\ncaptures:\n  - {link: a-b, file: x}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p labFile
		if err := parseYAML("lab.yaml", text, &p); err == nil {
			_ = p.check()
		}
		var v any
		_ = parseYAML("map.yaml", text, &v)
	})
}

// FuzzAttach reads arbitrary text as a command line's parts.
func FuzzAttach(f *testing.F) {
	f.Add("prog.o:filter@e1:xdp")
	f.Add("2s:drop,4s:pass,6s:end")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parseAttach(s); err == nil && (p.Object == "" || p.At == "") {
			t.Errorf("%q is attached nowhere", s)
		}
		if sc, err := parseScript(s); err == nil && sc.Length <= 0 {
			t.Errorf("%q has no length", s)
		}
	})
}
