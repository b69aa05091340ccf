//go:build linux

package symbol_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skepdev/skep/trace/symbol"
)

// program is C (or C++) source that prints addresses, a line "NAME ADDRESS"
// each, then "ready", and lives until its input ends.
const program = `
#include <stdio.h>
#include <stdlib.h>
#ifdef __cplusplus
namespace bees { struct Hive { __attribute__((noinline)) static int fill(int x); }; 
int Hive::fill(int x) { asm volatile("" : "+r"(x)); return x + 1; } }
#endif
static __attribute__((noinline)) int hidden(int x) { volatile int y = x; return y * 3; }
__attribute__((noinline)) int shown(int x) { return hidden(x) + 1; }
int main(void)
{
	printf("hidden %p\nshown %p\nmain %p\nqsort %p\n", (void *)hidden, (void *)shown, (void *)main, (void *)qsort);
#ifdef __cplusplus
	printf("fill %p\n", (void *)bees::Hive::fill);
#endif
	printf("ready\n");
	fflush(stdout);
	return getchar() + shown(1);
}
`

// tool is the path of a program, or the test is skipped.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s", name)
	}
	return path
}

func command(t *testing.T, args ...string) {
	t.Helper()
	tool(t, args[0])
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// compile builds a program with gcc or g++.
func compile(t *testing.T, compiler, source string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, "program.c")
	if compiler == "g++" {
		src += "c"
	}
	if err := os.WriteFile(src, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "program")
	command(t, append([]string{compiler, "-O1", "-o", out, src}, flags...)...)
	return out
}

// running is a process that said where its functions are.
type running struct {
	pid   int
	addrs map[string]uint64
	stop  func()
}

func start(t *testing.T, path string) running {
	t.Helper()
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
	r := running{pid: cmd.Process.Pid, addrs: map[string]uint64{}, stop: func() { in.Close(); cmd.Wait() }}
	t.Cleanup(r.stop)
	sc := bufio.NewScanner(out)
	for sc.Scan() && sc.Text() != "ready" {
		var name string
		var addr uint64
		if _, err := fmt.Sscanf(sc.Text(), "%s 0x%x", &name, &addr); err != nil {
			t.Fatalf("%q: %v", sc.Text(), err)
		}
		r.addrs[name] = addr
	}
	return r
}

// names expects every address to have its name, at an offset of 2.
func (r running) names(t *testing.T, s *symbol.Symbolizer, want map[string]string) {
	t.Helper()
	for name, w := range want {
		got, off, _, _ := s.Symbolize(r.pid, r.addrs[name]+2)
		if got != w || (w != "" && off != 2) {
			t.Errorf("%s at %#x: got %s+%d, want %s+2", name, r.addrs[name], got, off, w)
		}
	}
}

func newSymbolizer(t *testing.T, o symbol.Options) *symbol.Symbolizer {
	s := symbol.New(o)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestNamesOfC(t *testing.T) {
	r := start(t, compile(t, "gcc", program))
	r.names(t, newSymbolizer(t, symbol.Options{}), map[string]string{"hidden": "hidden", "shown": "shown", "main": "main", "qsort": "qsort"})
}

func TestNamesOfCPlusPlus(t *testing.T) {
	r := start(t, compile(t, "g++", program))
	r.names(t, newSymbolizer(t, symbol.Options{}), map[string]string{"fill": "bees::Hive::fill", "main": "main"})
}

// A process that was looked at before its end keeps its names, though nothing of
// it was asked for before.
func TestNamesAfterTheEnd(t *testing.T) {
	r := start(t, compile(t, "gcc", program))
	s := newSymbolizer(t, symbol.Options{})
	s.Observe(r.pid)
	r.stop()
	r.names(t, s, map[string]string{"hidden": "hidden", "main": "main"})
}

func TestNamesOfDeletedFile(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: only root opens deleted files of a process")
	}
	path := compile(t, "gcc", program)
	r := start(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.names(t, newSymbolizer(t, symbol.Options{}), map[string]string{"hidden": "hidden"})
}

// Another file under the same name must not give its names.
func TestReplacedFileGivesNoWrongNames(t *testing.T) {
	path := compile(t, "gcc", program)
	r := start(t, path)
	other := compile(t, "gcc", strings.ReplaceAll(program, "hidden", "lurking"))
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	s := newSymbolizer(t, symbol.Options{})
	got, _, _, _ := s.Symbolize(r.pid, r.addrs["hidden"])
	if got == "lurking" || (os.Getuid() == 0 && got != "hidden") {
		t.Errorf("got %q", got)
	}
}

// A stripped binary has the names that separate files hold.
func TestSeparateDebugFiles(t *testing.T) {
	for _, how := range []string{"stripped", "debuglink", "build-id", "wrong build-id", "minidebuginfo"} {
		t.Run(strings.ReplaceAll(how, " ", "-"), func(t *testing.T) {
			path := compile(t, "gcc", program, "-g", "-Wl,--build-id=0x0123456789abcdef")
			dir := filepath.Dir(path)
			debug := filepath.Join(dir, "program.debug")
			command(t, "objcopy", "--only-keep-debug", path, debug)
			command(t, "strip", path)
			want := map[string]string{"hidden": "hidden", "qsort": "qsort"}
			switch how {
			case "stripped":
				want["hidden"] = ""
				os.Remove(debug)
			case "debuglink":
				command(t, "objcopy", "--add-gnu-debuglink="+debug, path)
			case "build-id", "wrong build-id":
				id := filepath.Join(dir, "debug", ".build-id", "01")
				if err := os.MkdirAll(id, 0o755); err != nil {
					t.Fatal(err)
				}
				if how != "build-id" {
					debug = compile(t, "gcc", program, "-g", "-Wl,--build-id=0xffff")
					want["hidden"] = ""
				}
				if err := os.Rename(debug, filepath.Join(id, "23456789abcdef.debug")); err != nil {
					t.Fatal(err)
				}
			case "minidebuginfo":
				command(t, "xz", "--keep", debug)
				command(t, "objcopy", "--add-section", ".gnu_debugdata="+debug+".xz", path)
				os.Remove(debug)
			}
			r := start(t, path)
			r.names(t, newSymbolizer(t, symbol.Options{DebugDirs: []string{filepath.Join(dir, "debug")}}), want)
		})
	}
}

func TestLinesAndInlined(t *testing.T) {
	src := strings.Replace(program, "static __attribute__((noinline)) int hidden", "static inline __attribute__((always_inline)) int hidden", 1)
	src = strings.ReplaceAll(src, "hidden %p\\n", "")
	src = strings.Replace(src, "(void *)hidden, ", "", 1)
	for _, dwarf := range []string{"-gdwarf-4", "-gdwarf-5"} {
		t.Run(dwarf[1:], func(t *testing.T) {
			r := start(t, compile(t, "gcc", src, dwarf))
			s := newSymbolizer(t, symbol.Options{Lines: true})
			wantLine := 1 + strings.Count(src[:strings.Index(src, "return hidden")], "\n")
			for off := uint64(0); off < 16; off++ {
				fs := s.Frames(r.pid, r.addrs["shown"]+off)
				if len(fs) == 2 && fs[0].Name == "hidden" && fs[0].Inlined && fs[1].Name == "shown" && !fs[1].Inlined {
					if fs[1].Line != wantLine || filepath.Base(fs[1].File) != "program.c" || fs[0].Line == 0 {
						t.Errorf("frames %+v, want the call at line %d", fs, wantLine)
					}
					return
				}
			}
			t.Errorf("no address of shown is in hidden: %+v", s.Frames(r.pid, r.addrs["shown"]))
		})
	}
}

// A Go binary has names and lines without symbol table and DWARF.
func TestStrippedGo(t *testing.T) {
	for _, mode := range []string{"exe", "pie"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			src := filepath.Join(dir, "main.go")
			if err := os.WriteFile(src, []byte(`package main

import (
	"fmt"
	"os"
	"reflect"
)

//go:noinline
func gather(x int) int { return x * x } // line 10

func main() {
	fmt.Printf("gather 0x%x\nready\n", reflect.ValueOf(gather).Pointer())
	os.Stdin.Read(make([]byte, gather(1)))
}
`), 0o644); err != nil {
				t.Fatal(err)
			}
			bin := filepath.Join(dir, "program")
			command(t, "go", "build", "-ldflags=-s -w", "-buildmode="+mode, "-o", bin, src)
			r := start(t, bin)
			fs := newSymbolizer(t, symbol.Options{Lines: true}).Frames(r.pid, r.addrs["gather"])
			if len(fs) != 1 || fs[0].Name != "main.gather" || fs[0].Line != 10 || filepath.Base(fs[0].File) != "main.go" {
				t.Errorf("frames %+v", fs)
			}
		})
	}
}

func TestJITMap(t *testing.T) {
	r := start(t, compile(t, "gcc", strings.Replace(program, "int main(void)\n{", `#include <sys/mman.h>
int main(void)
{
	char *code = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[64];
	sprintf(path, "/tmp/perf-%d.map", (int)getpid());
	FILE *f = fopen(path, "w");
	fprintf(f, "%lx 20 old\n%lx 20 LazyCompile:*work app.js:3:1\n", (long)code, (long)code);
	fclose(f);
	printf("code %p\n", code);`, 1), "-include", "unistd.h"))
	defer os.Remove(fmt.Sprintf("/tmp/perf-%d.map", r.pid))
	r.names(t, newSymbolizer(t, symbol.Options{}), map[string]string{"code": "LazyCompile:*work app.js:3:1", "main": "main"})
}

func TestVDSO(t *testing.T) {
	s := newSymbolizer(t, symbol.Options{})
	for _, m := range s.Mappings(os.Getpid()) {
		if m.Path != "[vdso]" {
			continue
		}
		for a := m.Start; a < m.End; a += 16 {
			if name, _, file, _ := s.Symbolize(os.Getpid(), a); strings.Contains(name, "clock_gettime") && file == "[vdso]" {
				return
			}
		}
		t.Error("clock_gettime is nowhere in the vdso")
	}
}

// The cache holds no more than it may, and answers stay right.
func TestBoundedCache(t *testing.T) {
	r := start(t, compile(t, "gcc", program))
	s := newSymbolizer(t, symbol.Options{CacheBytes: 1, Files: 1, Processes: 1})
	for range 3 {
		r.names(t, s, map[string]string{"hidden": "hidden", "qsort": "qsort"})
		s.Symbolize(os.Getpid(), 0)
	}
}

func TestParseMaps(t *testing.T) {
	got, err := symbol.ParseMaps(strings.NewReader(`55d0c0a00000-55d0c0a02000 r-xp 00002000 fe:01 1234                       /usr/bin/a b (deleted)
7ffd1000-7ffd2000 r-xp 00000000 00:00 0                          [vdso]
7f0000000000-7f0000001000 rw-p 00000000 00:00 0 
`))
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	want := symbol.Mapping{Start: 0x55d0c0a00000, End: 0x55d0c0a02000, Offset: 0x2000, Inode: 1234, Path: "/usr/bin/a b", Exec: true, Deleted: true}
	if got[1] != want {
		t.Errorf("got %+v", got[1])
	}
	if got[0].Path != "[vdso]" || got[0].IsFile() || got[2].Path != "" || got[2].Exec {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{"x", "2-1 r-xp 0 0:0 0", "1-2 rwx 0 0:0 0", "1-2 r-xp z 0:0 0", "1-2 r-xp 0 0:0 z", "1-2 r-xp 0"} {
		if _, err := symbol.ParseMaps(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestKernel(t *testing.T) {
	k := &symbol.Kernel{Reader: strings.NewReader("ffffffff81000000 T _text\nffffffff81000000 T alias\nffffffff81000100 t second\nffffffff81000180 d data\nffffffffc0000000 t inside\t[mod]\n")}
	for _, c := range []struct {
		addr      uint64
		name, mod string
		off       uint64
	}{
		{0xffffffff81000000, "_text", "", 0},
		{0xffffffff810000ff, "_text", "", 0xff},
		{0xffffffff81000190, "second", "", 0x90},
		{0xffffffffc0000004, "inside", "mod", 4},
	} {
		name, off, mod, ok := k.Find(c.addr)
		if name != c.name || off != c.off || mod != c.mod || !ok {
			t.Errorf("%#x: %s+%d [%s] %v", c.addr, name, off, mod, ok)
		}
	}
	if _, _, _, ok := k.Find(0x1000); ok {
		t.Error("an address before the kernel has a name")
	}
}

func TestDemangle(t *testing.T) {
	for in, want := range map[string]string{
		"_ZN4bees4Hive4fillEi":                           "bees::Hive::fill",
		"_ZNSt6vectorIiSaIiEE9push_backEOi@plt":          "std::vector<int, std::allocator<int> >::push_back@plt",
		"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE": "core::fmt::Formatter::pad",
		"_RNvCsbmNqQUJIY6D_4core3bar":                    "core::bar",
		"main":                                           "main",
		"_Zbroken":                                       "_Zbroken",
		"main.main":                                      "main.main",
		"memcpy@@GLIBC_2.14":                             "memcpy@@GLIBC_2.14",
	} {
		if got := symbol.Demangle(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzParseMaps(f *testing.F) {
	f.Add([]byte("55d0c0a00000-55d0c0a02000 r-xp 00002000 fe:01 1234 /usr/bin/a (deleted)\n"))
	f.Add([]byte("1-2 rwxp 0 0:0 0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, err := symbol.ParseMaps(bytes.NewReader(b))
		if err != nil {
			return
		}
		for i, m := range ms {
			if m.End <= m.Start || (i > 0 && m.Start < ms[i-1].Start) {
				t.Fatalf("mapping %+v", m)
			}
		}
	})
}

// A process that began and ended while nobody looked has names, if it was
// watched.
func TestWatch(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: only root is told of all mappings")
	}
	path := compile(t, "gcc", program)
	s := newSymbolizer(t, symbol.Options{})
	w, err := symbol.Watch(s, nil)
	if err != nil {
		t.Skip("needs perf events:", err)
	}
	defer w.Close()
	cmd := exec.Command("sh", "-c", path+" & echo shell $!; wait $!") // forks, then becomes another program
	cmd.Stdin = strings.NewReader("")
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	w.Drain()
	r := running{addrs: map[string]uint64{}}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[0] == "shell" {
			fmt.Sscan(fields[1], &r.pid)
		} else if len(fields) == 2 {
			var a uint64
			fmt.Sscanf(fields[1], "0x%x", &a)
			r.addrs[fields[0]] = a
		}
	}
	r.names(t, s, map[string]string{"hidden": "hidden", "main": "main", "qsort": "qsort"})
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if w.Lost() != 0 {
		t.Logf("%d reports were lost", w.Lost())
	}
}
