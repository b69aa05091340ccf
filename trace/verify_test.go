package trace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/lang"
	"github.com/skepdev/skep/lang/syntax"
	"github.com/skepdev/skep/trace"
	"github.com/skepdev/skep/verifier"
)

// TestToolsVerify: our verifier accepts the programs of bpftrace's tools, and the
// one-liners of its tutorial, as the kernels do that they are meant for.
func TestToolsVerify(t *testing.T) {
	kt, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("the kernel's types are needed: %v", err)
	}
	kernelEngine(t) // tracefs needs its privilege, too
	files, _ := filepath.Glob("../lang/syntax/testdata/tools/*.bt")
	m := trace.Open()
	defer m.Close()
	programs := 0
	check := func(name, text string) bool {
		obj, err := lang.Compile(syntax.NewFile(name, text), m, lang.Options{Unsafe: true})
		if err != nil {
			if !absent.MatchString(err.Error()) {
				t.Error(syntax.FormatError(err))
			}
			return false
		}
		for prog := range obj.Spec.Programs {
			p, err := verifier.FromSpec(obj.Spec, prog, nil)
			if err != nil {
				t.Errorf("%s: %s: %v", name, prog, err)
				continue
			}
			programs++
			for _, kernel := range []string{"6.1", "6.12", "6.18"} {
				if _, err := verifier.Verify(t.Context(), p, verifier.Options{Kernel: kernel, KernelTypes: kt}); err != nil {
					t.Errorf("%s: %s as Linux %s: %v", name, prog, kernel, err)
				}
			}
		}
		return true
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		check(filepath.Base(name), string(text))
	}
	lines, err := os.ReadFile("testdata/oneliners.txt")
	if err != nil {
		t.Fatal(err)
	}
	compiled := 0
	for i, line := range strings.Split(strings.TrimSpace(string(lines)), "\n") {
		if !strings.HasPrefix(line, "#") && check(fmt.Sprintf("line %d", i+1), line) {
			compiled++
		}
	}
	if programs < 50 || compiled < 9 {
		t.Errorf("only %d programs were verified, %d one-liners compiled", programs, compiled)
	}
}
