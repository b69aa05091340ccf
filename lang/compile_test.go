package lang

import (
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/lang/internal/codegen"
	"github.com/skepdev/skep/lang/syntax"
)

// fakeEnv is a machine with one tracepoint, two CPUs and no types.
type fakeEnv struct{}

func (fakeEnv) KernelTypes() (Types, error) { return nil, ErrUnknown }
func (fakeEnv) Match(p Attach) ([]Attach, error) {
	if p.Func == "missing" {
		return nil, ErrUnknown
	}
	return []Attach{p}, nil
}

func (fakeEnv) Tracepoint(group, name string) ([]TracepointField, error) {
	return []TracepointField{
		{Type: "const char *", Name: "filename", Offset: 24, Size: 8},
		{Type: "int", Name: "flags", Offset: 32, Size: 4, Signed: true},
		{Type: "char[16]", Name: "comm", Offset: 36, Size: 16},
		{Type: "__data_loc char[]", Name: "name", Offset: 52, Size: 4},
	}, nil
}
func (fakeEnv) UserFunc(string, string) (*btf.FuncProto, error)           { return nil, ErrUnknown }
func (fakeEnv) UserType(string, string, string) (btf.Type, error)         { return nil, ErrUnknown }
func (fakeEnv) USDTArgs(Attach) ([]string, error)                         { return []string{"8@%rdi -4@$5 4@-8(%rbp)"}, nil }
func (fakeEnv) KernelSymbol(string) (uint64, error)                       { return 0, ErrUnknown }
func (fakeEnv) UserSymbol(string, string) (address, size uint64, e error) { return 0, 0, ErrUnknown }
func (fakeEnv) CgroupID(string) (uint64, error)                           { return 0, ErrUnknown }
func (fakeEnv) Syscall(string) (int, bool)                                { return 0, false }
func (fakeEnv) CPUs() int                                                 { return 2 }
func (fakeEnv) ReadFile(string, bool) ([]byte, error)                     { return nil, os.ErrNotExist }

// TestMistakes: each chunk is a script and the message it gives.
func TestMistakes(t *testing.T) {
	b, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n---\n") {
		src, want, ok := strings.Cut(chunk, "\n### ")
		if !ok {
			t.Fatalf("no message in %q", chunk)
		}
		_, err := Compile(syntax.NewFile("t", src), fakeEnv{}, Options{})
		if err == nil {
			t.Errorf("%s: compiled", src)
			continue
		}
		if got := err.Error(); got != want {
			t.Errorf("%s\n got %s\nwant %s", src, got, want)
		}
	}
}

// TestTypes: each chunk is a script and the types it comes out with.
func TestTypes(t *testing.T) {
	b, err := os.ReadFile("testdata/types.txt")
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n---\n") {
		src, want, _ := strings.Cut(chunk, "\n=>\n")
		got := ""
		_, err := Compile(syntax.NewFile("t", src), fakeEnv{}, Options{Dump: func(pass, text string) {
			if pass == "types" {
				got = text
			}
		}})
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", src, diff)
		}
	}
}

// TestCode: programs of simple scripts, as text.
func TestCode(t *testing.T) {
	b, err := os.ReadFile("testdata/code.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, chunk := range strings.Split(strings.TrimSpace(string(b)), "\n---\n") {
		src, _, _ := strings.Cut(chunk, "\n=>")
		if i > 0 {
			out.WriteString("---\n")
		}
		out.WriteString(src + "\n=>\n")
		_, err := Compile(syntax.NewFile("t", src), fakeEnv{}, Options{Dump: func(pass, text string) {
			if pass == "asm" {
				out.WriteString(strings.TrimSpace(text) + "\n")
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("testdata/code.txt", []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(b), out.String()); diff != "" {
		t.Errorf("code changed; if that is meant, UPDATE_GOLDEN=1 go test ./lang (-golden +now):\n%s", diff)
	}
}

var scripts = []string{
	`begin { printf("%d %s\n", 1, "a"); @a[1, "x"] = count(); @h = hist(@b); @b++; }`,
	`t:a:b /args.flags > 3/ { @[str(args.filename), comm] = sum(args.flags); print(args.comm); print(str(args.name)); }`,
	`usdt:/x:p:q { printf("%d %d %d\n", arg0, arg1, arg2); }`,
	`struct s { int a:3; char c[7]; struct { int x; } in; }; u:/x:f { $s = (struct s *)arg0; print($s.in.x + $s.a); @[$s.c] = 1; }`,
	`begin { for ($k : @m) { print($k.0); } @m[1] = (1, "a"); for ($i : 0..@n) { @s += $i; } @n = 2; while (@n > 0) { @n--; } }`,
	`macro m(a, $b) { $b += a; } begin { $x = 1; m(2, $x); print({ $y = $x; $y }); unroll (3) { print($x); } exit(); }`,
	`begin { print(strcontains(str(0), "a")); @t = tseries(1, 1s, 5, "avg"); @[kstack(3), ustack] = lhist(1, 0, 10, 2); join(0); }`,
	`#define N (1 + 2)
config = { max_strlen = 20 } let @a = lruhash(3); begin { @a[N] = 1; print(sizeof(uint8[N])); }`,
}

// FuzzCompile: no script makes the compiler panic or run forever, and what it
// makes fits the stack.
func FuzzCompile(f *testing.F) {
	for _, s := range scripts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		obj, err := Compile(syntax.NewFile("t", src), fakeEnv{}, Options{Params: []string{"1", "x"}})
		if err == nil && (obj.Spec == nil || len(obj.Probes) == 0) {
			t.Errorf("%q: no programs", src)
		}
	})
}

func TestScriptsCompile(t *testing.T) {
	for _, s := range scripts {
		obj, err := Compile(syntax.NewFile("t", s), fakeEnv{}, Options{})
		if err != nil {
			t.Error(syntax.FormatError(err))
			continue
		}
		for _, p := range obj.Spec.Programs {
			if len(p.Instructions) == 0 {
				t.Errorf("%s: %s is empty", s, p.Name)
			}
		}
	}
}

func TestStackLimit(t *testing.T) {
	// Sixty objects of 32 bytes do not fit the stack: they go to scratch.
	src := "begin { "
	for range 60 {
		src += `$a = (1, 2, "abcdefghijklmnop"); @x[$a] = 1; `
	}
	src = strings.ReplaceAll(src, "$a", "$a") + "}"
	if _, err := Compile(syntax.NewFile("t", src), fakeEnv{}, Options{}); err != nil {
		t.Error(err)
	}
	if codegen.MaxFrame != 512 {
		t.Error("the kernel's limit is 512 bytes")
	}
}

func FuzzUSDTArg(f *testing.F) {
	for _, s := range []string{"8@%rdi", "-4@$5", "4@-8(%rbp,%rax,8)", "8@[sp, 12]", "8@x0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := parseUSDTArg(s); err == nil && o.size == 0 {
			t.Errorf("%q: no size", s)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	file := syntax.NewFile("t", scripts[1])
	for b.Loop() {
		if _, err := Compile(file, fakeEnv{}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
