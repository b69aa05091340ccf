package syntax_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/lang/syntax"
)

// oneLiners are those of bpftrace's tutorial, and shapes that are easy to get
// wrong.
var oneLiners = []string{
	`BEGIN { printf("hello world\n"); }`,
	`tracepoint:syscalls:sys_enter_openat { printf("%s %s\n", comm, str(args.filename)); }`,
	`tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }`,
	`tracepoint:syscalls:sys_exit_read /pid == 18644/ { @bytes = hist(args.ret); }`,
	`kretprobe:vfs_read { @bytes = lhist(retval, 0, 2000, 200); }`,
	`kprobe:vfs_read { @start[tid] = nsecs; } kretprobe:vfs_read /@start[tid]/ { @ns[comm] = hist(nsecs - @start[tid]); delete(@start, tid); }`,
	`tracepoint:sched:sched* { @[probe] = count(); } interval:s:5 { exit(); }`,
	`profile:hz:99 { @[kstack] = count(); }`,
	`tracepoint:block:block_rq_issue { @ = hist(args.bytes); }`,
	`kprobe:f/pid==1/{ @a / 2; }`,
	`i:s:1 { $y = (pid)*tid; $x = (myident)*$a; $w = (myident); }`,
	`uprobe:/bin/bash:"a b{":f+4, ur:./x*:y { }`,
	`begin { for ($i : 0..10) { if ($i > 3) { break } else { continue; } } for $kv : @m { print($kv.0.1) } }`,
	`begin { let $a : uint8[4] = (uint8[4])1; $p = &$a; print(*$p); $r = (a=1, b=(1,)); print(()) }`,
	`begin { $a = { let $b = 1; $b }; print($a ?: 3); @x[1,2]++; --@y; _ = @z ; return 1; }`,
	`begin { print(sizeof(struct task_struct *[4])); print(offsetof(struct x, a.b)); print(1..2 == 3) }`,
	`macro m($a, @b, c) { c + 1 } fn f($x: int32): void { } let @m = lruhash(10); begin { m!; }`,
}

func TestOneLiners(t *testing.T) {
	for i, src := range oneLiners {
		_, err := syntax.Parse(syntax.NewFile("t", src))
		// "1..2" is no expression, and macros are called without "!".
		if wrong := i == 15 || i == 16; wrong != (err != nil) {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// TestPrint: what Print writes parses, and prints the same again.
func TestPrint(t *testing.T) {
	sources := append([]string{}, oneLiners[:15]...)
	files, _ := filepath.Glob("testdata/tools/*.bt")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, string(b))
	}
	for _, src := range sources {
		p, err := syntax.Parse(syntax.NewFile("t", src))
		if err != nil {
			t.Fatal(err)
		}
		once := syntax.Print(p)
		p, err = syntax.Parse(syntax.NewFile("t", once))
		if err != nil {
			t.Fatalf("%s\n%s", once, syntax.FormatError(err))
		}
		if diff := cmp.Diff(once, syntax.Print(p)); diff != "" {
			t.Errorf("prints differently (-once +twice):\n%s", diff)
		}
	}
}

// TestErrors: place, reason and mark of each message.
func TestErrors(t *testing.T) {
	b, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range strings.SplitSeq(string(b), "\n---\n") {
		src, want, ok := strings.Cut(chunk, "\n### ")
		if !ok {
			t.Fatalf("no message in %q", chunk)
		}
		_, err := syntax.Parse(syntax.NewFile("t", src))
		if err == nil {
			t.Errorf("%s: parsed", src)
			continue
		}
		if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(syntax.FormatError(err))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", src, diff)
		}
	}
}

func TestParseInt(t *testing.T) {
	for in, want := range map[string]uint64{
		"0": 0, "017": 15, "0x1F": 31, "1e3": 1000, "1_000": 1000, "5ms": 5e6, "1m": 60e9, "12UL": 12,
		"18446744073709551615": 1<<64 - 1, "2d": 2 * 86400e9,
	} {
		if v, ok := syntax.ParseInt(in); !ok || v != want {
			t.Errorf("%s: %d, %v", in, v, ok)
		}
	}
	for _, in := range []string{"", "1_", "0x", "9q", "18446744073709551616", "1e20", "08", "99999999999999999999d"} {
		if v, ok := syntax.ParseInt(in); ok {
			t.Errorf("%s: %d", in, v)
		}
	}
}

func TestDepth(t *testing.T) {
	for _, s := range []string{"(", "{", "-", "!", "(int8)", "if 1 { ", "a(", "@[", "1+(", "(a[", "(a[(", "sizeof(a[", "(typeof("} {
		_, err := syntax.Parse(syntax.NewFile("t", "begin { $x = "+strings.Repeat(s, 100_000)))
		if err == nil {
			t.Errorf("%q a hundred thousand times: parsed", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range oneLiners {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := syntax.Parse(syntax.NewFile("t", src))
		if err != nil {
			syntax.FormatError(err)
			return
		}
		once := syntax.Print(p)
		p, err = syntax.Parse(syntax.NewFile("t", once))
		if err != nil {
			t.Fatalf("%q printed as %q: %v", src, once, err)
		}
		if twice := syntax.Print(p); twice != once {
			t.Fatalf("%q prints as %q and then as %q", src, once, twice)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text, err := os.ReadFile("testdata/tools/biosnoop.bt")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := syntax.Parse(syntax.NewFile("biosnoop.bt", string(text))); err != nil {
			b.Fatal(err)
		}
	}
}
