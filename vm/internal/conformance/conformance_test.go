package conformance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm"
)

func newMachine(t testing.TB, interpret bool) *vm.Machine {
	t.Helper()
	m, err := vm.New(vm.Config{CPUs: 1, MaxInstructions: 1 << 20, Interpret: interpret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func files(t testing.TB, dir string, want int) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.data"))
	if err != nil || len(paths) != want {
		t.Fatalf("%d files in %s, want %d (%v)", len(paths), dir, want, err)
	}
	return paths
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSuite runs every case, as native code where there is a compiler and on
// the interpreter. Calls by register, a conformance group of their own that
// Linux does not have either, must be refused.
func TestSuite(t *testing.T) {
	t.Run("native", func(t *testing.T) { suite(t, newMachine(t, false)) })
	t.Run("interpreted", func(t *testing.T) { suite(t, newMachine(t, true)) })
}

func suite(t *testing.T, m *vm.Machine) {
	passed := 0
	for _, path := range files(t, "tests", 313) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".data"), func(t *testing.T) {
			c, err := Parse(read(t, path))
			if err != nil {
				t.Fatal(err)
			}
			if c.Assembly != nil {
				if diff := cmp.Diff(c.Instructions, c.Assembly); diff != "" {
					t.Fatalf("the raw section is not what the assembly says:\n%s", diff)
				}
			}
			got, err := Run(m, c.Instructions, c.Memory)
			if slices.ContainsFunc(c.Instructions, func(in isa.Instruction) bool { return in.Op == isa.CallX }) {
				if err == nil {
					t.Fatal("a call by register was not refused")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != c.Result {
				t.Fatalf("r0 is %#x, want %#x", got, c.Result)
			}
			passed++
		})
	}
	if !t.Failed() && passed != 312 {
		t.Errorf("%d cases ran, want 312", passed)
	}
}

// accepted are the negative cases that run although they should not: a register
// is read before it is written, which takes a verifier to see.
var accepted = map[string]bool{"error": true}

// TestNegative wants each negative case but the accepted ones to be refused by
// its reader, by the loader or by its result.
func TestNegative(t *testing.T) {
	m := newMachine(t, true)
	for _, path := range files(t, "negative", 60) {
		name := strings.TrimSuffix(filepath.Base(path), ".data")
		t.Run(name, func(t *testing.T) {
			if got := runs(m, read(t, path)); got != accepted[name] {
				t.Errorf("accepted: %v, want %v", got, accepted[name])
			}
		})
	}
}

// runs says whether a case is read, loaded, and ends with the value it names.
func runs(m *vm.Machine, text []byte) bool {
	c, err := Parse(text)
	if err != nil {
		return false
	}
	got, err := Run(m, c.Instructions, c.Memory)
	return err == nil && (c.Fails || got == c.Result)
}

func TestParseErrors(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"-- asm\nexit\n", "0 results"},
		{"-- result\n1\n", "no instructions"},
		{"-- what\n", `line 1: unknown section "what"`},
		{"-- asm\nexit\n-- result\n0xx\n", "line 4"},
		{"-- asm\nexit\n-- mem\nabc\n-- result\n1\n", "line 4: \"abc\" are no bytes in hex"},
		{"-- asm\na:\na:\nexit\n-- result\n1\n", "line 3: a:: the label is there already"},
		{"-- asm\nja far\nexit\n-- result\n1\n", `line 2: no label "far"`},
		{"-- asm\nmov %r11, 1\nexit\n-- result\n1\n", `"%r11" is no register`},
		{"-- asm\nmovsx7 %r1, %r2\nexit\n-- result\n1\n", "no such instruction"},
		{"-- asm\nldxw %r1, [%r2+0x8000]\nexit\n-- result\n1\n", "does not fit in 16 bits"},
		{"-- asm\nmov %r1, 0x100000000\nexit\n-- result\n1\n", "does not fit in 32 bits"},
		{"-- asm\nlock nand [%r1], %r2\nexit\n-- result\n1\n", "no such atomic operation"},
		{"-- raw\n95 00\n-- result\n1\n", "not a multiple of 8"},
	} {
		if _, err := Parse([]byte(row.text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: %v, want %q", row.text, err, row.want)
		}
	}
}

// FuzzParse reads arbitrary cases and runs those that are well formed: errors,
// never a panic.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"tests/call_local", "tests/lock_cmpxchg", "tests/lddw", "tests/subnet", "negative/unused-neg-imm"} {
		f.Add(read(f, filepath.Join("testdata", filepath.FromSlash(name)+".data")))
	}
	m := newMachine(f, false)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		_, _ = Run(m, c.Instructions, c.Memory)
	})
}
