package machine

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/internal/vmtest"
	"github.com/skepdev/skep/verifier/internal/corpus"
)

const object = "../testdata/expect.bpf.o"

// TestEmit: a record survives a serial port that ends lines in its own way, between
// lines of others.
func TestEmit(t *testing.T) {
	says := func(context.Context, *corpus.Case, *ebpf.CollectionSpec, string) corpus.Verdict {
		return corpus.Verdict{Accepted: true, Log: strings.Repeat("0: (b7) r0 = 0 \x1e\n", 2000)}
	}
	rep, err := corpus.Run(t.Context(), []string{object}, corpus.Options{Judges: []corpus.Named{{Name: corpus.KernelName, Judge: says}}})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := corpus.NewRecord("6.12", rep)
	if err != nil {
		t.Fatal(err)
	}
	var want, lines bytes.Buffer
	if err := rec.Write(&want); err != nil {
		t.Fatal(err)
	}
	if err := Emit(&lines, rec); err != nil {
		t.Fatal(err)
	}
	text := "the kernel says\r\n" + strings.ReplaceAll(lines.String(), "\n", "\r\n") + "done\r\n"
	for size := 1; size < 5000; size = size*3 + 1 {
		var progress strings.Builder
		s := &splitter{progress: &progress}
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			if _, err := s.Write([]byte(rest[:min(size, len(rest))])); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.record()
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("in pieces of %d: %d bytes of %d, %v", size, len(got), want.Len(), err)
		}
		if progress.String() != "the kernel says\ndone\n" {
			t.Errorf("passed on %q", progress.String())
		}
	}
	s := &splitter{}
	s.Write([]byte("no record\n"))
	if _, err := s.record(); err == nil || !strings.Contains(err.Error(), "no record") {
		t.Errorf("error %v", err)
	}
	s.Write([]byte(Mark + "not base64!\n"))
	if _, err := s.record(); err == nil {
		t.Error("took nonsense for a record")
	}
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	total, err := pack(dir, []string{object, object})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.o"))
	if err != nil || len(files) != 2 || total == 0 {
		t.Errorf("%v %v, %d bytes", files, err, total)
	}
}

// TestAsk asks Linux 6.12 about programs whose verdicts are known, with privileges
// and without.
func TestAsk(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a virtual machine: not with -short")
	}
	for _, tool := range []string{"qemu-system-x86_64", "apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	user, err := vmtest.CacheDir()
	if err != nil {
		t.Skipf("needs a folder for fetched kernels: %v", err)
	}
	kernels, err := filepath.Glob(filepath.Join(user, "linux-image-6.12.*"))
	if err != nil || len(kernels) == 0 {
		t.Skip("needs a fetched kernel: make test-vm fetches it")
	}
	// A cache of its own, so that the machine is really asked.
	cache := t.TempDir()
	for _, k := range kernels {
		if err := os.Symlink(k, filepath.Join(cache, filepath.Base(k))); err != nil {
			t.Fatal(err)
		}
	}
	var progress strings.Builder
	rec, err := Ask(t.Context(), "6.12", []string{object}, Options{Cache: cache, Progress: &progress, Timeout: 5 * time.Minute})
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	rep, err := corpus.Run(t.Context(), []string{object}, corpus.Options{Judges: []corpus.Named{{Name: "linux", Judge: rec.Judge()}}})
	if err != nil {
		t.Fatal(err)
	}
	a := rep.Agreements()[0]
	if a.Success != (corpus.Count{Of: 3, Same: 3}) || a.Failure.Of != 5 || a.CannotSay != 1 || !strings.HasPrefix(rec.Release, "6.12") {
		t.Errorf("Linux %s: %+v", rec.Release, a)
	}
	start := time.Now()
	if again, err := Ask(t.Context(), "6.12", []string{object}, Options{Cache: cache}); err != nil || again.Release != rec.Release || time.Since(start) > 2*time.Second {
		t.Errorf("asked again: %v after %v", err, time.Since(start))
	}
}
