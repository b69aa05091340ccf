//go:build linux

package kernel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// fixture reads an object of testdata.
func fixture(t *testing.T, name string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpec(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// target is the process of testdata/target.c.
type target struct {
	path string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.Reader
}

func startTarget(t *testing.T) *target {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: testdata/target is a program for it")
	}
	// A copy of its own: the probes of other tests must not be in it.
	b, err := os.ReadFile(filepath.Join("testdata", "target"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &target{path, cmd, in, out}
}

// step makes the target pass its probes once and returns its semaphore.
func (p *target) step(t *testing.T) byte {
	t.Helper()
	b := []byte{1}
	if _, err := p.in.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.out, b); err != nil {
		t.Fatal(err)
	}
	return b[0]
}

// childEnv tells the test binary to do something else than to test.
const childEnv = "SKEP_KERNEL_TEST_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		if err := childMain(what); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs this binary as another process, in a cgroup if one is given.
func child(t *testing.T, what, cgroup string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	if cgroup != "" {
		dir, err := os.Open(cgroup)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		cmd.SysProcAttr = inCgroup(int(dir.Fd()))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("child %s: %v", what, err)
		}
		return errors.New(string(out))
	}
	return nil
}

// mustUpdate fails unless the link takes p.
func mustUpdate(t *testing.T, l engine.Link, p engine.Program) {
	t.Helper()
	if err := l.Update(p); err != nil {
		t.Fatalf("update: %v", err)
	}
}

// cannotUpdate fails unless the link says that Linux cannot.
func cannotUpdate(t *testing.T, l engine.Link, p engine.Program) {
	t.Helper()
	if err := l.Update(p); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("update: %v, want ErrNotSupported", err)
	}
}

// object reads an embedded object.
func object(t *testing.T, b []byte) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
