package housetest

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// buildSkep builds the binary as the release is built and returns its path and
// what the linker's -dumpdep printed.
func buildSkep(t *testing.T) (string, []byte) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the whole binary; not in -short")
	}
	bin := filepath.Join(t.TempDir(), "skep")
	// The go command keeps what the linker printed with the compiled package, and
	// prints it again at later builds that find their binary up to date. A
	// compiler flag that changes nothing makes this a package of its own.
	own := "-gcflags=" + module + "/cmd/skep=-e"
	cmd := exec.Command("go", "build", "-trimpath", own, "-ldflags=-s -w -dumpdep", "-o", bin, module+"/cmd/skep")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := cmd.CombinedOutput()
	if err != nil {
		tail := out[max(0, len(out)-2000):]
		t.Fatalf("go build: %v\n%s", err, tail)
	}
	return bin, out
}

// TestBinary holds the promises that README makes about the one binary.
func TestBinary(t *testing.T) {
	bin, dumpdep := buildSkep(t)

	t.Run("static", func(t *testing.T) {
		f, err := elf.Open(bin)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		libs, _ := f.ImportedLibraries()
		interp := slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
		if len(libs) > 0 || interp {
			t.Errorf("binary is not static: libraries %v, interpreter %v", libs, interp)
		}
	})
	t.Run("methods are pruned", func(t *testing.T) {
		for line := range bytes.Lines(dumpdep) {
			if bytes.Contains(line, []byte("<ReflectMethod>")) {
				t.Errorf("a reachable reflect.Value.MethodByName keeps every exported method in the binary: %s", line)
			}
		}
	})
	t.Run("size", func(t *testing.T) {
		st, err := os.Stat(bin)
		if err != nil {
			t.Fatal(err)
		}
		const limit = 30 << 20
		if st.Size() > limit {
			t.Errorf("binary has %d bytes, the mark is %d", st.Size(), limit)
		}
	})
	t.Run("starts fast", func(t *testing.T) {
		// The best of several starts: the machine is shared, and the question
		// is what start-up costs, not what else was running.
		best := time.Hour
		for range 10 {
			start := time.Now()
			if out, err := exec.Command(bin, "--help").CombinedOutput(); err != nil {
				t.Fatalf("skep --help: %v\n%s", err, out)
			}
			best = min(best, time.Since(start))
		}
		if best > 50*time.Millisecond {
			t.Errorf("skep --help took %v at best, the mark is 50 ms", best)
		}
	})
}
