//go:build linux

package profile_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/trace"
	"github.com/skepdev/skep/trace/profile"
)

func kernelEngine(t *testing.T) engine.Engine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: stacks are sampled in the kernel")
	}
	eng, err := choose.OpenUntried(choose.Kernel)
	if err != nil {
		t.Skip("needs the kernel's engine:", err)
	}
	t.Cleanup(func() { eng.Close() })
	return eng
}

// spin is this test's own binary, working until it is killed.
const spin = "SKEP_PROFILE_SPIN"

func TestMain(m *testing.M) {
	if os.Getenv(spin) != "" {
		for sum := 0; ; sum++ {
			if sum += busyOuter(1000); sum == 0 {
				break
			}
		}
	}
	os.Exit(m.Run())
}

//go:noinline
func busyOuter(n int) (sum int) {
	for i := range n {
		sum += busyInner(i)
	}
	return sum
}

//go:noinline
func busyInner(n int) (sum int) {
	for i := range 1000 {
		sum += i ^ n
	}
	return sum
}

// A Go program's stacks are complete: by its own table.
func TestVMGoProgram(t *testing.T) {
	t.Setenv(spin, "1")
	pid := start(t, os.Args[0])
	p := record(t, profile.Options{PIDs: []int{pid}, Frequency: 997}, 300*time.Millisecond)
	const pkg = "github.com/skepdev/skep/trace/profile_test."
	n, total := share(p, pkg+"busyInner", pkg+"TestMain")
	if total < 20 || n != total {
		for _, s := range p.Samples {
			t.Log(s.Values[0], pathOf(s))
		}
		t.Errorf("%d of %d stacks in busyInner reach TestMain", n, total)
	}
}

// The kernel's verifier takes the programs (make test-vm: of 6.1 and 6.12, too).
func TestVMProgramsLoad(t *testing.T) {
	eng := kernelEngine(t)
	spec, err := bpf.Profiler()
	if err != nil {
		t.Fatal(err)
	}
	coll, err := eng.Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	coll.Close()
}

// sorter sorts with the C library's qsort, which keeps no frame pointer, until
// it is killed; what it compares with is slow enough to be met.
const sorter = `#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) static int compare(const void *a, const void *b)
{
	volatile int n = 0;
	for (int i = 0; i < 200; i++)
		n += i;
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}
__attribute__((noinline, noclone)) void work(int *v, int n)
{
	for (int i = 0; i < n; i++)
		v[i] = rand();
	qsort(v, n, sizeof(*v), compare);
}
int main(void)
{
	static int v[1000];
	for (;;)
		work(v, 1000);
}
`

// compile builds a program with a compiler, or skips.
func compile(t *testing.T, compiler, name, source string, flags ...string) string {
	t.Helper()
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skip("needs", compiler)
	}
	dir := t.TempDir()
	src, out := filepath.Join(dir, name), filepath.Join(dir, "program")
	if err := os.WriteFile(src, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command(compiler, append(flags, "-o", out, src)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, b)
	}
	return out
}

// start runs a program until the test ends.
func start(t *testing.T, path string, args ...string) int {
	t.Helper()
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	time.Sleep(50 * time.Millisecond) // it has mapped its libraries
	return cmd.Process.Pid
}

// record profiles for a time, and checks the account.
func record(t *testing.T, opt profile.Options, d time.Duration) *profile.Profile {
	t.Helper()
	opt.Engine = kernelEngine(t)
	r, err := profile.Start(t.Context(), opt)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	time.Sleep(d)
	p, err := r.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", p.Stats)
	if s := p.Stats; s.Taken != s.Counted+s.LostFull+s.LostBusy {
		t.Errorf("%d samples taken, %d counted, %d and %d lost", s.Taken, s.Counted, s.LostFull, s.LostBusy)
	}
	return p
}

// pathOf is a stack's names from the outside in.
func pathOf(s profile.Sample) string {
	var names []string
	for _, f := range s.Stack {
		names = append(names, f.Name)
	}
	return strings.Join(names, ";")
}

// share is how much of the samples that hold one name hold another, too.
func share(p *profile.Profile, of, with string) (n, total int64) {
	for _, s := range p.Samples {
		names := ";" + pathOf(s) + ";"
		if !strings.Contains(names, ";"+of+";") {
			continue
		}
		total += s.Values[0]
		if strings.Contains(names, ";"+with+";") {
			n += s.Values[0]
		}
	}
	return n, total
}

// Without a frame pointer in the program and in the C library every stack
// reaches main, from the first sample on.
func TestEveryStackReachesMain(t *testing.T) {
	for _, flags := range [][]string{
		{"-O2", "-fomit-frame-pointer"},
		{"-O2", "-fomit-frame-pointer", "-static"},
		{"-O2", "-fomit-frame-pointer", "-no-pie"},
		{"-O2", "-fno-omit-frame-pointer"},
	} {
		t.Run(strings.Join(flags[1:], ""), func(t *testing.T) {
			pid := start(t, compile(t, "gcc", "sorter.c", sorter, flags...))
			p := record(t, profile.Options{PIDs: []int{pid}, Frequency: 997}, 500*time.Millisecond)
			n, total := share(p, "compare", "main")
			if total < 20 || n != total {
				for _, s := range p.Samples {
					t.Log(s.Values[0], pathOf(s))
				}
				t.Errorf("%d of %d stacks in compare reach main", n, total)
			}
			if p.Stats.Complete == 0 || p.Stats.Stopped+p.Stats.TooDeep > 0 {
				t.Errorf("walks: %+v", p.Stats)
			}
		})
	}
}

// Frame pointers alone do not get through the C library: what the tables are for.
func TestFramePointersDoNotReachMain(t *testing.T) {
	pid := start(t, compile(t, "gcc", "sorter.c", sorter, "-O2", "-fomit-frame-pointer"))
	p := record(t, profile.Options{PIDs: []int{pid}, Frequency: 997, NoUnwind: true}, 300*time.Millisecond)
	if n, total := share(p, "compare", "main"); total == 0 || n == total {
		t.Errorf("%d of %d stacks reach main", n, total)
	}
}

// From a signal's handler the walk goes on to what was interrupted, and from a
// stub of the linkage table and the vdso to their callers.
func TestSignalFrames(t *testing.T) {
	pid := start(t, compile(t, "gcc", "signal.c", `#include <signal.h>
#include <unistd.h>
#include <sys/time.h>
#include <time.h>
__attribute__((noinline)) void spin(volatile int n) { while (n--) { } }
__attribute__((noinline)) void handler(int s) { spin(300000); }
__attribute__((noinline)) void interrupted(void) { struct timespec t; for (;;) clock_gettime(CLOCK_MONOTONIC, &t); }
int main(void)
{
	struct itimerval every = {{0, 2000}, {0, 2000}};
	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &every, 0);
	interrupted();
}
`, "-O1", "-fomit-frame-pointer"))
	p := record(t, profile.Options{PIDs: []int{pid}, Frequency: 997}, 400*time.Millisecond)
	for _, of := range []string{"spin", "__vdso_clock_gettime"} {
		if n, total := share(p, of, "interrupted"); total < 5 || n != total {
			for _, s := range p.Samples {
				t.Log(s.Values[0], pathOf(s))
			}
			t.Errorf("%d of %d stacks in %s lead through interrupted", n, total, of)
		}
	}
}

// A command's children, which end before anybody looks, have names; the command
// is met before it has mapped its libraries.
func TestChildrenThatEnd(t *testing.T) {
	path := compile(t, "gcc", "fork.c", `#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noinline)) static void burn(void) { for (volatile int i = 0; i < 20000000; i++) { } }
int main(void)
{
	for (int i = 0; i < 10; i++) {
		if (fork() == 0) {
			burn();
			_exit(0);
		}
		wait(0);
	}
}
`, "-O1", "-fomit-frame-pointer")
	c, err := trace.StartChild([]string{path}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	r, err := profile.Start(t.Context(), profile.Options{Engine: kernelEngine(t), PIDs: []int{c.PID}, Follow: true, Frequency: 997})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-c.Done
	p, err := r.Stop()
	if err != nil {
		t.Fatal(err)
	}
	pids := map[int]bool{}
	for _, s := range p.Samples {
		if strings.Contains(pathOf(s), ";burn") {
			pids[s.PID] = true
		}
	}
	if len(pids) < 9 {
		t.Errorf("burn was met in %d processes of 10: %+v", len(pids), p.Stats)
	}
}

// Waits are counted with their time, those that have not ended too.
func TestOffCPU(t *testing.T) {
	pid := start(t, compile(t, "gcc", "sleeper.c", `#include <unistd.h>
#include <pthread.h>
__attribute__((noinline)) static void nap(void) { usleep(10000); }
static void *forever(void *p) { pause(); return p; }
int main(void)
{
	pthread_t t;
	pthread_create(&t, 0, forever, 0);
	for (;;)
		nap();
}
`, "-O1", "-fomit-frame-pointer", "-pthread"))
	p := record(t, profile.Options{Mode: profile.OffCPU, PIDs: []int{pid}}, 500*time.Millisecond)
	var count, ns int64
	for _, s := range p.Samples {
		if strings.Contains(pathOf(s), "main;nap;") {
			count += s.Values[0]
			ns += s.Values[1]
		}
	}
	if count < 10 || count > 60 || ns < int64(300*time.Millisecond) || ns > int64(700*time.Millisecond) {
		t.Errorf("%d waits in nap, %v", count, time.Duration(ns))
		for _, s := range p.Samples {
			t.Log(s.Values, pathOf(s))
		}
	}
}

func TestAllocations(t *testing.T) {
	pid := start(t, compile(t, "gcc", "alloc.c", `#include <stdlib.h>
#include <unistd.h>
__attribute__((noinline)) static void *get(void) { return malloc(1000); }
__attribute__((noinline)) static void *zeroed(void) { return calloc(3, 100); }
int main(void)
{
	for (;;) {
		free(get());
		free(zeroed());
		usleep(1000);
	}
}
`, "-O1", "-fomit-frame-pointer"))
	p := record(t, profile.Options{Mode: profile.Alloc, PIDs: []int{pid}}, 300*time.Millisecond)
	for name, size := range map[string]int64{"get": 1000, "zeroed": 300} {
		var count, bytes int64
		for _, s := range p.Samples {
			if strings.Contains(pathOf(s), "main;"+name+";") {
				count += s.Values[0]
				bytes += s.Values[1]
			}
		}
		if count < 10 || bytes != count*size {
			t.Errorf("%s: %d calls, %d bytes", name, count, bytes)
		}
	}
}

func TestProbes(t *testing.T) {
	path := compile(t, "gcc", "sorter.c", sorter, "-O2", "-fomit-frame-pointer")
	pid := start(t, path)
	for _, probe := range []string{"uprobe:" + path + ":work", "uretprobe:" + path + ":work", "software:task-clock:1000000"} {
		p := record(t, profile.Options{Mode: profile.Events, Probe: probe, PIDs: []int{pid}}, 300*time.Millisecond)
		if n, total := share(p, "main", "main"); total < 10 || n != total {
			t.Errorf("%s: %d of %d stacks reach main", probe, n, total)
		}
	}
	for _, bad := range []string{"", "uprobe:x", "tracepoint:sched", "software:nosuch", "software:page-faults:0", "kprobe:", "usdt:a:b", "x:y"} {
		if _, err := profile.Start(t.Context(), profile.Options{Engine: kernelEngine(t), Mode: profile.Events, Probe: bad}); err == nil {
			t.Errorf("probe %q was taken", bad)
		}
	}
}

// A full map loses samples, and says how many.
func TestLossesAreCounted(t *testing.T) {
	pid := start(t, compile(t, "gcc", "sorter.c", sorter, "-O2", "-fomit-frame-pointer"))
	p := record(t, profile.Options{PIDs: []int{pid}, Frequency: 997, Stacks: 2}, 300*time.Millisecond)
	if p.Stats.LostFull == 0 || p.Stats.Counted == 0 {
		t.Errorf("%+v", p.Stats)
	}
}

// Binaries without room for their tables are walked by frame pointers.
func TestRowsAreBounded(t *testing.T) {
	pid := start(t, compile(t, "gcc", "sorter.c", sorter, "-O2", "-fomit-frame-pointer"))
	p := record(t, profile.Options{PIDs: []int{pid}, Rows: 100}, 200*time.Millisecond)
	if p.Stats.Skipped == 0 || p.Stats.Rows > 100 {
		t.Errorf("%+v", p.Stats)
	}
}

// A cgroup's processes are sampled, and nobody else.
func TestCgroup(t *testing.T) {
	dir := newCgroup(t)
	prog := compile(t, "gcc", "sorter.c", sorter, "-O2", "-fomit-frame-pointer")
	in, out := start(t, prog), start(t, prog)
	if err := os.WriteFile(filepath.Join(dir, "inner", "cgroup.procs"), []byte(strconv.Itoa(in)), 0o644); err != nil {
		t.Skip("needs a cgroup that takes processes:", err)
	}
	p := record(t, profile.Options{Cgroup: dir, Frequency: 499}, 400*time.Millisecond)
	met := map[int]int64{}
	for _, s := range p.Samples {
		met[s.PID] += s.Values[0]
	}
	if met[in] < 10 || met[out] != 0 || len(met) != 1 {
		t.Errorf("samples by process: %v; %d is in the cgroup, %d is not", met, in, out)
	}
	if _, err := profile.Start(t.Context(), profile.Options{Engine: kernelEngine(t), Cgroup: t.TempDir()}); err == nil {
		t.Error("a directory that is no cgroup was taken")
	}
}

// newCgroup makes a cgroup of version 2, with another one in it, for the test.
func newCgroup(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if f[2] != "cgroup2" {
			continue
		}
		dir := filepath.Join(f[1], fmt.Sprintf("skep-profile-%d", os.Getpid()))
		if err := os.MkdirAll(filepath.Join(dir, "inner"), 0o755); err != nil {
			t.Skip("needs a cgroup:", err)
		}
		t.Cleanup(func() {
			for range 50 { // the kernel takes a moment to see the processes' ends
				os.Remove(filepath.Join(dir, "inner"))
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
		return dir
	}
	t.Skip("needs a cgroup hierarchy of version 2")
	return ""
}

// Of a command every stack is whole, from its first instruction on.
func TestCommandFromItsBeginning(t *testing.T) {
	short := strings.Replace(sorter, "for (;;)", "for (int i = 0; i < 3; i++)", 1) // some milliseconds in all
	path := compile(t, "gcc", "sorter.c", short, "-O2", "-fomit-frame-pointer")
	var n, total int64
	for range 8 {
		var out strings.Builder
		c, err := profile.StartCommand([]string{path}, &out, &out)
		if err != nil {
			t.Skip("needs ptrace:", err)
		}
		r, err := profile.Start(t.Context(), profile.Options{Engine: kernelEngine(t), PIDs: []int{c.PID}, Follow: true, Frequency: 4999})
		if err != nil {
			c.Stop()
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		<-c.Done
		c.Stop()
		p, err := r.Stop()
		if err != nil {
			t.Fatal(err)
		}
		a, b := share(p, "compare", "main")
		n, total = n+a, total+b
	}
	if total < 20 || n != total {
		t.Errorf("%d of %d stacks in compare reach main", n, total)
	}
}

// Commands that cannot run say why; one that is never let run is ended.
func TestCommandFails(t *testing.T) {
	for _, args := range [][]string{nil, {"/nonexistent/program"}, {"/etc/hostname"}} {
		if c, err := profile.StartCommand(args, nil, nil); err == nil {
			c.Stop()
			t.Errorf("%q began", args)
		}
	}
	c, err := profile.StartCommand([]string{"sleep", "100"}, nil, nil)
	if err != nil {
		t.Skip("needs ptrace:", err)
	}
	c.Stop()
	c.Stop()
	select {
	case <-c.Done:
	default:
		t.Error("the command still runs")
	}
}

// In a PID namespace of its own the profiler goes by the numbers that processes
// have there.
func TestPIDNamespace(t *testing.T) {
	kernelEngine(t)
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("needs unshare (util-linux)")
	}
	out, err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", os.Args[0], "-test.v", "-test.run", "^TestVMGoProgram$").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestVMGoProgram") {
		t.Errorf("%v\n%s", err, out)
	}
}
