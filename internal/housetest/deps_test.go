package housetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/skepdev/skep"

// floors gives every package its floor; the longest prefix counts. Imports must
// point to a lower floor, or to the same room (the first path element).
var floors = []struct {
	prefix string
	floor  int
}{
	{"internal", 1},
	{"isa", 1},
	{"abi", 1},
	{"object", 1},
	{"bpf", 1},
	{"engine", 2},
	{"inspect", 2},
	{"verifier", 2},
	{"vm", 3},
	{"kernel", 3},
	{"net", 3},
	{"lang", 2},
	{"trace", 3},
	{"embedded", 4},
	{"client", 4},
	{"agent", 5},
	{"choose", 5},
	{"lab", 5},
	{"replay", 5},
	{"doctor", 5},
	{"demo", 5},
	{"cmd", 6},
	{"docs", 6},
}

// sameFloor lists the imports between rooms of one floor that are wanted, with
// the reason.
var sameFloor = map[[2]string]string{
	{"isa", "internal"}:    "ground rooms may stand on internal ground",
	{"abi", "internal"}:    "ground rooms may stand on internal ground",
	{"object", "internal"}: "ground rooms may stand on internal ground",
	{"bpf", "internal"}:    "ground rooms may stand on internal ground",
	{"object", "isa"}:      "object turns specs into isa's instructions",
	{"object", "abi"}:      "object names program and map types",
	{"bpf", "object"}:      "embedded objects are opened by the one reader there is",
	{"internal", "isa"}:    "internal ground may speak instructions",
	{"demo", "lab"}:        "the demo is a story told in a lab",
}

// banned names what a room must never reach, directly or through others, with
// the reason. A package prefix without a dot in its first element is ours.
var banned = []struct {
	from, to, reason string
}{
	{"isa", "github.com/cilium/ebpf", "the instruction set stands on nothing: the runtime below the spec speaks isa only"},
	{"abi", "github.com/cilium/ebpf", "prototypes are data; they must be readable without a kernel library"},
	{"vm", "github.com/cilium/ebpf", "below the seam the runtime speaks 8-byte instructions, not specs"},
	{"vm", "engine", "the runtime does not know the promise that embedded makes of it"},
	{"vm", "object", "linking is done before the runtime sees a program"},
	{"engine", "kernel", "the promise does not know who keeps it"},
	{"engine", "embedded", "the promise does not know who keeps it"},
	{"engine", "vm", "the promise does not know who keeps it"},
	{"kernel", "vm", "the engines are twins that do not know each other"},
	{"kernel", "embedded", "the engines are twins that do not know each other"},
	{"embedded", "kernel", "the engines are twins that do not know each other"},
	{"embedded", "github.com/vishvananda/netlink", "the embedded engine asks nothing of the kernel"},
	{"embedded", "github.com/cilium/ebpf/link", "the embedded engine asks nothing of the kernel"},
	{"replay", "kernel", "a room that is handed an engine must not see which one it got"},
	{"replay", "embedded", "a room that is handed an engine must not see which one it got"},
	{"doctor", "kernel", "a room that is handed an engine must not see which one it got"},
	{"doctor", "embedded", "a room that is handed an engine must not see which one it got"},
	{"agent", "kernel", "a room that is handed an engine must not see which one it got"},
	{"agent", "embedded", "a room that is handed an engine must not see which one it got"},
	{"net", "kernel", "a room that is handed an engine must not see which one it got"},
	{"net", "embedded", "a room that is handed an engine must not see which one it got"},
	{"net", "vm", "a room that is handed an engine must not see which one it got"},
	{"inspect", "vm", "describing an object needs no runtime"},
	{"lang", "engine", "the compiler asks nothing of the machine: it is given an Env"},
	{"trace", "kernel", "a room that is handed an engine must not see which one it got"},
	{"trace", "embedded", "a room that is handed an engine must not see which one it got"},
	{"cmd", "html/template", "keeps every exported method in the binary (method pruning off: +5 MiB)"},
	{"cmd", "testing", "production code does not import test code"},
	{"lab", "testing", "production code does not import test code"},
}

// edges that are banned directly only: what lies below may reach further.
var bannedDirect = []struct {
	from, to, reason string
}{
	{"demo", "kernel", "the demo gets its engine from the lab"},
	{"demo", "embedded", "the demo gets its engine from the lab"},
	{"cmd", "text/template", "keeps every exported method in the binary (method pruning off: +5 MiB); cobra's own use is pruned, which TestBinary sees"},
	{"cmd", "vm", "verbs go through the engine's promise"},
	{"cmd", "kernel", "choose opens engines; verbs do not"},
	{"cmd", "embedded", "choose opens engines; verbs do not"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

func rel(path string) (string, bool) {
	if path == module {
		return "", true
	}
	r, ok := strings.CutPrefix(path, module+"/")
	return r, ok
}

func room(r string) string {
	first, _, _ := strings.Cut(r, "/")
	return first
}

func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func floorOf(r string) (int, bool) {
	for _, f := range floors {
		if within(r, f.prefix) {
			return f.floor, true
		}
	}
	return 0, false
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t) {
		from, _ := rel(p.ImportPath)
		floor, ok := floorOf(from)
		if !ok {
			t.Errorf("%s stands on no floor: add it to floors and draw it into ARCHITECTURE.md", from)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := rel(imp)
			if !ours || room(to) == room(from) {
				continue
			}
			below, ok := floorOf(to)
			if !ok || below < floor {
				continue
			}
			if below == floor && sameFloor[[2]string{room(from), room(to)}] != "" {
				continue
			}
			t.Errorf("%s (floor %d) imports %s (floor %d): imports point strictly down", from, floor, to, below)
		}
	}
}

func TestBannedImports(t *testing.T) {
	check := func(from string, imports []string, rule struct{ from, to, reason string }, how string) {
		if !within(from, rule.from) {
			return
		}
		for _, imp := range imports {
			name := imp
			if r, ours := rel(imp); ours {
				name = r
			}
			if within(name, rule.to) {
				t.Errorf("%s %s %s: %s", from, how, name, rule.reason)
			}
		}
	}
	for _, p := range list(t) {
		from, _ := rel(p.ImportPath)
		if within(from, "engine/enginetest") {
			continue // test code; may import testing
		}
		for _, rule := range banned {
			check(from, p.Deps, rule, "reaches")
		}
		for _, rule := range bannedDirect {
			check(from, p.Imports, rule, "imports")
		}
	}
}

// TestRulesMatchSomething keeps the tables from rotting: a rule whose room is
// gone guards nothing.
func TestRulesMatchSomething(t *testing.T) {
	rooms := map[string]bool{}
	for _, p := range list(t) {
		r, _ := rel(p.ImportPath)
		rooms[room(r)] = true
	}
	for _, f := range floors {
		if !rooms[f.prefix] {
			t.Errorf("floors names %s, which does not exist", f.prefix)
		}
	}
	for _, b := range banned {
		if !rooms[room(b.from)] {
			t.Errorf("banned names %s, which does not exist", b.from)
		}
	}
}
