package trace_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/lang"
	"github.com/skepdev/skep/lang/syntax"
	"github.com/skepdev/skep/trace"
	"github.com/skepdev/skep/verifier"
)

// TestToolsVerify: our verifier accepts the programs of bpftrace's tools as the
// kernels do that they are meant for.
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
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		obj, err := lang.Compile(syntax.NewFile(filepath.Base(name), string(text)), m, lang.Options{Unsafe: true})
		if err != nil {
			continue // TestTools says why
		}
		for prog := range obj.Spec.Programs {
			p, err := verifier.FromSpec(obj.Spec, prog, nil)
			if err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(name), prog, err)
				continue
			}
			programs++
			for _, kernel := range []string{"6.1", "6.12", "6.18"} {
				if _, err := verifier.Verify(t.Context(), p, verifier.Options{Kernel: kernel, KernelTypes: kt}); err != nil {
					t.Errorf("%s: %s as Linux %s: %v", filepath.Base(name), prog, kernel, err)
				}
			}
		}
	}
	if programs < 50 {
		t.Errorf("only %d programs were verified", programs)
	}
}
