package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// A case is a program in assembly and what becomes of it. Files of testdata hold
// cases one after the other:
//
//	=== name
//	type xdp
//	map array key 4 value 8 entries 1
//	---
//	r0 = 0
//	exit
//	---
//	ok
//
// Below the second line of dashes stands "ok", or "rule: words of the message".
type testCase struct {
	name, file string
	line       int
	setup      []string
	code       string
	want       string
}

func readCases(t testing.TB, file string) []testCase {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []testCase
	part, n := 0, 0
	for sc := bufio.NewScanner(f); sc.Scan(); {
		n++
		text := strings.TrimSpace(sc.Text())
		if name, ok := strings.CutPrefix(text, "=== "); ok {
			out = append(out, testCase{name: name, file: filepath.Base(file), line: n})
			part = 0
			continue
		}
		if len(out) == 0 || text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		c := &out[len(out)-1]
		switch {
		case text == "---":
			part++
		case part == 0:
			c.setup = append(c.setup, text)
		case part == 1:
			c.code += text + "\n"
		default:
			c.want += text
		}
	}
	return out
}

var testTypes = map[string]abi.ProgramType{
	"xdp": abi.ProgXDP, "tc": abi.ProgSchedCLS, "socket": abi.ProgSocketFilter, "tracepoint": abi.ProgTracepoint,
	"cgroup_skb": abi.ProgCgroupSKB, "kprobe": abi.ProgKprobe, "syscall": abi.ProgSyscall, "sk_lookup": abi.ProgSkLookup,
	"sock_ops": abi.ProgSockOps, "flow_dissector": abi.ProgFlowDissector, "cgroup_sock": abi.ProgCgroupSock, "sk_msg": abi.ProgSkMsg,
	"raw_tracepoint_writable": abi.ProgRawTracepointWritable, "perf_event": abi.ProgPerfEvent,
}

var testMaps = map[string]abi.MapType{
	"array": abi.MapArray, "hash": abi.MapHash, "ring": abi.MapRingBuf, "progs": abi.MapProgArray, "queue": abi.MapQueue,
	"sock": abi.MapSockMap, "cgrp_storage": abi.MapCgrpStorage, "arena": abi.MapArena,
	"stack": abi.MapStack, "xsk": abi.MapXSKMap, "dev": abi.MapDevMap, "cpu": abi.MapCPUMap, "lru": abi.MapLRUHash, "bloom": abi.MapBloomFilter,
	"user_ring": abi.MapUserRingBuf, "stacks": abi.MapStackTrace, "perf": abi.MapPerfEventArray,
}

// program makes what a case describes.
func (tc *testCase) program() (*Program, Options, error) {
	p := &Program{Name: "test", Type: abi.ProgXDP, License: "GPL"}
	var o Options
	for _, line := range tc.setup {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "type":
			p.Type = testTypes[rest]
		case "attach":
			var n uint32
			if _, err := fmt.Sscan(rest, &n); err != nil {
				return nil, o, err
			}
			p.AttachType = abi.AttachType(n)
		case "license":
			p.License = rest
		case "unprivileged":
			o.Unprivileged = true
		case "freq": // a checkpoint wherever one may be
			p.Flags |= flagTestStateFreq
		case "kernel":
			var major, minor uint32
			if _, err := fmt.Sscanf(rest, "%d.%d", &major, &minor); err != nil {
				return nil, o, err
			}
			o.Kernel = major<<16 | minor<<8
		case "map":
			m, err := parseMap(rest)
			if err != nil {
				return nil, o, err
			}
			p.Maps = append(p.Maps, m)
		case "func", "global", "globalctx":
			var f Func
			if _, err := fmt.Sscanf(rest, "%s %d", &f.Name, &f.Slot); err != nil {
				return nil, o, err
			}
			linkage := btf.StaticFunc
			if word != "func" {
				linkage = btf.GlobalFunc
			}
			var param btf.Type = &btf.Int{Size: 8}
			if word == "globalctx" {
				param = &btf.Pointer{Target: &btf.Struct{Name: "__sk_buff", Size: 192}}
			}
			f.Type = &btf.Func{Name: f.Name, Linkage: linkage, Type: &btf.FuncProto{
				Return: &btf.Int{Size: 4}, Params: []btf.FuncParam{{Name: "n", Type: param}},
			}}
			p.Funcs = append(p.Funcs, f)
		default:
			return nil, o, fmt.Errorf("%s:%d: unknown line %q", tc.file, tc.line, line)
		}
	}
	code, err := isa.Assemble(tc.code)
	p.Instructions = code
	return p, o, err
}

func parseMap(s string) (*Map, error) {
	words := strings.Fields(s)
	t, ok := testMaps[words[0]]
	if !ok {
		return nil, fmt.Errorf("no map type %q", words[0])
	}
	m := &Map{Name: words[0], Type: t, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "readonly":
			m.Flags |= abi.FlagRdonlyProg
			continue
		case "lock":
			m.Value = &btf.Struct{Name: "value", Size: 8, Members: []btf.Member{
				{Name: "lock", Type: &btf.Struct{Name: "bpf_spin_lock", Size: 4}},
				{Name: "n", Type: &btf.Int{Size: 4}, Offset: 32},
			}}
			continue
		}
		var n uint32
		if i+1 == len(words) {
			return nil, fmt.Errorf("%q wants a number", words[i])
		}
		if _, err := fmt.Sscan(words[i+1], &n); err != nil {
			return nil, err
		}
		switch words[i] {
		case "key":
			m.KeySize = n
		case "value":
			m.ValueSize = n
		case "entries":
			m.MaxEntries = n
		case "holds":
			m.Contents, m.Frozen = []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 0, 0, 0, 0}, true
			m.Flags |= abi.FlagRdonlyProg
		}
		i++
	}
	return m, nil
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	seen := make(map[string]bool)
	for _, file := range files {
		for _, tc := range readCases(t, file) {
			if seen[tc.name] {
				t.Errorf("%s:%d: there is another case %q", tc.file, tc.line, tc.name)
			}
			seen[tc.name] = true
			t.Run(tc.name, func(t *testing.T) { tc.run(t) })
		}
	}
}

func (tc *testCase) run(t *testing.T) {
	p, o, err := tc.program()
	if err != nil {
		t.Fatalf("%s:%d: %v", tc.file, tc.line, err)
	}
	_, err = Verify(context.Background(), p, o)
	var r *Rejection
	got := "ok"
	if errors.As(err, &r) {
		got = string(r.Rule) + ": " + r.Message
	} else if err != nil {
		got = err.Error()
	}
	rule, words, _ := strings.Cut(tc.want, ": ")
	gotRule, gotWords, _ := strings.Cut(got, ": ")
	if rule != gotRule || !strings.Contains(gotWords, words) {
		o.LogLevel, o.MaxLog = 2, 1<<16
		p, _, _ = tc.program()
		res, _ := Verify(context.Background(), p, o)
		t.Errorf("%s:%d: got  %s\nwant %s\n%s", tc.file, tc.line, got, tc.want, res.Log)
	}
}
