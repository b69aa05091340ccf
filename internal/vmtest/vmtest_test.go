package vmtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/internal/vmtest/guest"
)

func TestArchive(t *testing.T) {
	var b bytes.Buffer
	a := newArchive(&b)
	// Checked once with cpio -tv; the boot test shows that kernels read it.
	a.file("bin/sh", 0o755, []byte("hello"))
	a.file("/bin/x", 0o644, nil)
	a.device("dev/null", 1, 3)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if b.Len()%4 != 0 {
		t.Errorf("%d bytes", b.Len())
	}
	path := filepath.Join("testdata", "archive.cpio.hex")
	got := hex.Dump(b.Bytes())
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestArchiveError(t *testing.T) {
	a := newArchive(brokenWriter{})
	a.file("x", 0o644, nil)
	if err := a.close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

func TestNewest(t *testing.T) {
	names := []string{
		"linux-image-6.1.0-9-amd64", "linux-image-6.1.0-56-amd64", "linux-image-6.1.0-56-amd64-unsigned",
		"linux-image-6.1.0-57-rt-amd64", "linux-image-6.1.0-57-cloud-amd64", "linux-image-6.1.0-57-amd64-dbg",
		"linux-image-6.12.9+deb12-amd64", "linux-image-6.12.117+deb12-amd64", "linux-image-6.12-amd64",
		"linux-image-6.12.118+deb12-amd64-unsigned", "linux-image-6.12.117+deb12-arm64",
	}
	for version, want := range map[string]string{
		"6.1": "linux-image-6.1.0-56-amd64", "6.12": "linux-image-6.12.118+deb12-amd64-unsigned", "5.10": "",
	} {
		for range 5 {
			if got := newest(names, version); got != want {
				t.Errorf("newest %s is %q, want %q", version, got, want)
			}
			slices.Reverse(names)
		}
	}
}

func TestFetchRefusesNonsense(t *testing.T) {
	for _, version := range []string{"", "6", "6.1.0", "../6.1", "latest"} {
		if _, err := Fetch(t.Context(), version, t.TempDir()); err == nil {
			t.Errorf("fetched %q", version)
		}
	}
}

// TestFetchCached: what is in the cache is used without asking anybody.
func TestFetchCached(t *testing.T) {
	cache := t.TempDir()
	for _, name := range []string{"linux-image-6.1.0-9-amd64", "linux-image-6.1.0-10-amd64"} {
		dir := filepath.Join(cache, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		release := strings.TrimPrefix(name, "linux-image-")
		if err := os.WriteFile(filepath.Join(dir, "vmlinuz-"+release), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k, err := Fetch(t.Context(), "6.1", cache)
	if err != nil || k.Release != "6.1.0-10-amd64" {
		t.Errorf("%+v %v", k, err)
	}
}

func TestFetchWithoutTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Fetch(t.Context(), "6.1", t.TempDir()); err == nil || !strings.Contains(err.Error(), "apt-get is missing") {
		t.Errorf("error %v", err)
	}
	if _, err := (Machine{Kernel: &Kernel{}}).Run(t.Context(), nil, io.Discard); err == nil || !strings.Contains(err.Error(), "qemu-system-x86") {
		t.Errorf("error %v", err)
	}
}

func TestKeep(t *testing.T) {
	for name, want := range map[string]string{
		"./boot/vmlinuz-6.1.0-56-amd64":                                 "vmlinuz-6.1.0-56-amd64",
		"./lib/modules/6.1.0-56-amd64/kernel/net/sched/cls_bpf.ko":      "modules/cls_bpf.ko",
		"./usr/lib/modules/6.12/kernel/net/sched/cls_bpf.ko.xz":         "modules/cls_bpf.ko.xz",
		"./lib/modules/6.1.0-56-amd64/kernel/drivers/net/veth.ko":       "modules/veth.ko",
		"./lib/modules/6.1.0-56-amd64/kernel/drivers/net/wifi/x/ath.ko": "",
		"./lib/modules/6.1.0-56-amd64/modules.order":                    "",
		"./etc/passwd":    "",
		"./boot/../boot/": "",
		"./lib/modules/6.1/kernel/net/../../../../../etc/x.ko": "",
	} {
		got, ok := keep(name)
		if got != want || ok != (want != "") {
			t.Errorf("%s is kept as %q %v, want %q", name, got, ok, want)
		}
	}
}

func TestDependsOf(t *testing.T) {
	for in, want := range map[string][]string{
		"license=GPL\x00depends=a,b\x00name=x\x00": {"a", "b"},
		"depends=\x00": nil,
		"":             nil,
	} {
		if got := dependsOf([]byte(in)); !slices.Equal(got, want) {
			t.Errorf("%q needs %v, want %v", in, got, want)
		}
	}
}

func TestRelay(t *testing.T) {
	in := guest.JobLine(0, "x") + "one\ntwo\n" + guest.JobLine(1, "y") + "thr\x1eee\n" + guest.EndLine([]int{0, -1})
	var out strings.Builder
	codes, err := relay(strings.NewReader(in), &out)
	if err != nil || !slices.Equal(codes, []int{0, -1}) || out.String() != "one\ntwo\nthr\x1eee\n" {
		t.Errorf("%v %v %q", codes, err, out.String())
	}
	codes, err = relay(strings.NewReader("cut off"), &out)
	if err != nil || codes != nil {
		t.Errorf("%v %v without an end", codes, err)
	}
}

func FuzzGuestLines(f *testing.F) {
	f.Add(guest.JobLine(3, "a b"))
	f.Add(guest.EndLine([]int{1, 2}))
	f.Fuzz(func(t *testing.T, line string) {
		if i, name, ok := guest.ParseJobLine(line); ok {
			if j, again, ok := guest.ParseJobLine(guest.JobLine(i, name)); !ok || i != j || name != again {
				t.Errorf("job %d %q came back as %d %q", i, name, j, again)
			}
		}
		if codes, ok := guest.ParseEndLine(line); ok && codes != nil {
			if again, ok := guest.ParseEndLine(guest.EndLine(codes)); !ok || !slices.Equal(codes, again) {
				t.Errorf("codes %v came back as %v", codes, again)
			}
		}
	})
}

func TestSummary(t *testing.T) {
	in := `=== RUN   TestA
=== RUN   TestA/x
    a_test.go:1: noise of a test that passes
=== RUN   TestA/y
    a_test.go:2: needs a thing
--- PASS: TestA (0.01s)
    --- PASS: TestA/x (0.00s)
    --- SKIP: TestA/y (0.00s)
=== RUN   TestB
    b_test.go:3: broken
--- FAIL: TestB (0.02s)
--- PASS: TestC (0.02s)
FAIL
`
	for size := 1; size < 40; size += 13 {
		var out strings.Builder
		s := Summary{Out: &out}
		for rest := []byte(in); len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if _, err := s.Write(rest[:min(size, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		s.Flush()
		if s.String() != "ran 3, skipped 1, failed 1" {
			t.Errorf("%s", s.String())
		}
		if got := out.String(); !strings.Contains(got, "b_test.go:3: broken") || !strings.Contains(got, "--- SKIP: TestA/y") || strings.Contains(got, "TestC") {
			t.Errorf("printed %s", got)
		}
	}
	var out strings.Builder
	s := Summary{Out: &out}
	io.WriteString(&s, "=== RUN   TestX\npanic: oh\n\ngoroutine 1 [running]:\nmain.go:7\n")
	s.Flush()
	if !strings.Contains(out.String(), "main.go:7") {
		t.Errorf("the stack is missing: %q", out.String())
	}
}

// TestBoot boots a machine that runs a small program.
func TestBoot(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a virtual machine: not with -short")
	}
	for _, tool := range []string{qemu, "apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	cache, err := CacheDir()
	if err != nil {
		t.Skipf("needs a folder for fetched kernels: %v", err)
	}
	k := cached(cache, "6.1")
	if k == nil {
		t.Skip("needs a fetched kernel: make test-vm fetches it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	bin := filepath.Join(t.TempDir(), "hello")
	if err := Build(ctx, "build", "./testdata/hello", bin); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	res, err := Machine{Kernel: k, Modules: []string{"veth"}}.Run(ctx, []Job{
		{Name: "first", Binary: bin, Args: []string{"one"}, Dir: "."},
		{Name: "second", Binary: bin, Args: []string{"two", "7"}},
	}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(res.Codes, []int{0, 7}) {
		t.Errorf("codes %v", res.Codes)
	}
	want := "one on " + k.Release + ", testdata true\ntwo on " + k.Release + ", testdata false\n"
	if out.String() != want {
		t.Errorf("output %q, want %q", out.String(), want)
	}
}

// TestBootTimeout: a machine that hangs is ended.
func TestBootTimeout(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a virtual machine: not with -short")
	}
	if _, err := exec.LookPath(qemu); err != nil {
		t.Skipf("needs %s", qemu)
	}
	cache, err := CacheDir()
	if err != nil {
		t.Skipf("needs a folder for fetched kernels: %v", err)
	}
	k := cached(cache, "6.1")
	if k == nil {
		t.Skip("needs a fetched kernel: make test-vm fetches it")
	}
	bin := filepath.Join(t.TempDir(), "hello")
	if err := Build(t.Context(), "build", "./testdata/hello", bin); err != nil {
		t.Fatal(err)
	}
	_, err = Machine{Kernel: k, Timeout: time.Second}.Run(t.Context(), []Job{{Name: "x", Binary: bin}}, io.Discard)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want a deadline", err)
	}
}
