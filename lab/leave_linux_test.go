package lab_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
)

// childLab, if set, makes this test binary build a lab and wait to be killed,
// or run the embedded world's tests as another user.
const childLab = "SKEP_TEST_CHILD_LAB"

func TestMain(m *testing.M) {
	if how := os.Getenv(childLab); how != "" {
		os.Exit(child(how))
	}
	os.Exit(m.Run())
}

func child(how string) int {
	cfg := lab.Config{World: lab.Kernel, Visible: how == "visible", Name: "childlab"}
	l, a, _, err := lab.Pair(cfg)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	defer l.Close()
	// The command outlives its parent if nobody kills it.
	cmd := exec.Command("sh", "-c", "sleep 300 & echo $!; exec sleep 300")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = a.Start(cmd)
	}
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	grandchild, err := bufio.NewReader(out).ReadString('\n')
	fmt.Println(cmd.Process.Pid, strings.TrimSpace(grandchild), netnsID("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/ns/net"), err)
	switch how {
	case "panic":
		_, _ = os.Stdin.Read(make([]byte, 1))
		panic("on purpose")
	case "close":
		_, _ = os.Stdin.Read(make([]byte, 1))
		if err := l.Close(); err != nil {
			fmt.Println("error:", err)
			return 1
		}
		return 0
	}
	time.Sleep(time.Minute)
	return 0
}

func netnsID(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// traces lists what a lab of process pid could leave: names and state. The
// last traces of others are no concern.
func traces(t testing.TB, pid int) []string {
	t.Helper()
	var out []string
	for _, glob := range []string{"/run/netns/skep-%d-*", "/run/skep/lab/%d-*"} {
		found, err := filepath.Glob(fmt.Sprintf(glob, pid))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	return out
}

func interfaces(t testing.TB) string {
	t.Helper()
	ifs, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range ifs {
		names = append(names, i.Name)
	}
	return strings.Join(names, " ")
}

// insideNetNS lists the processes whose network namespace has this inode.
func insideNetNS(t testing.TB, id uint64) []string {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range procs {
		if netnsID(p+"/ns/net") == id {
			out = append(out, p)
		}
	}
	return out
}

// However a process with a lab ends, nothing of the lab stays: at once, or, of
// a killed one, after the next lab has started.
func TestLeavesNothing(t *testing.T) {
	needKernelWorld(t)
	before := interfaces(t)
	for _, c := range []struct {
		how string
		end func(p *os.Process, stdin io.Closer) error
	}{
		{"close", func(_ *os.Process, stdin io.Closer) error { return stdin.Close() }},
		{"panic", func(_ *os.Process, stdin io.Closer) error { return stdin.Close() }},
		{"interrupt", func(p *os.Process, _ io.Closer) error { return p.Signal(os.Interrupt) }},
		{"kill", func(p *os.Process, _ io.Closer) error { return p.Kill() }},
		{"visible", func(p *os.Process, _ io.Closer) error { return p.Kill() }},
	} {
		t.Run(c.how, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe, "-test.run=^$")
			cmd.Env = append(os.Environ(), childLab+"="+c.how)
			cmd.Stderr = io.Discard
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill() }()
			line, _ := bufio.NewReader(stdout).ReadString('\n')
			var command, grandchild int
			var inside uint64
			if _, err := fmt.Sscan(line, &command, &grandchild, &inside); err != nil {
				t.Fatalf("the child says %q", line)
			}
			if now := interfaces(t); now != before {
				t.Errorf("interfaces outside while the lab runs: %s; before: %s", now, before)
			}
			if len(insideNetNS(t, inside)) != 2 {
				t.Errorf("processes inside: %v, want 2", insideNetNS(t, inside))
			}
			alive := traces(t, cmd.Process.Pid)
			if want := map[bool]int{false: 1, true: 1 + 3}[c.how == "visible"]; len(alive) != want {
				t.Errorf("state and names while the lab runs: %v, want %d", alive, want)
			}
			// A lab that starts meanwhile sweeps nothing of a live one.
			newLab(t, lab.Config{World: lab.Kernel}).Close()
			if now := traces(t, cmd.Process.Pid); len(now) != len(alive) {
				t.Errorf("another lab's start left %v of %v", now, alive)
			}

			if err := c.end(cmd.Process, stdin); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if c.how != "close" {
				// The next start sweeps.
				newLab(t, lab.Config{World: lab.Kernel}).Close()
			}
			if left := traces(t, cmd.Process.Pid); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			eventually(t, "the commands are gone", func() bool { return len(insideNetNS(t, inside)) == 0 })
			if now := interfaces(t); now != before {
				t.Errorf("interfaces outside: %s; before: %s", now, before)
			}
		})
	}
}

// A sweep removes what its owner left and nothing else.
func TestSweepSparesOthers(t *testing.T) {
	needKernelWorld(t)
	foreign := filepath.Join("/run/netns", fmt.Sprintf("skep-test-foreign-%d", os.Getpid()))
	if err := os.MkdirAll(filepath.Dir(foreign), 0o755); err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join("/run/skep/lab", fmt.Sprintf("notes-of-somebody-%d", os.Getpid()))
	if err := os.MkdirAll(filepath.Dir(odd), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{foreign, odd} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(f)
	}
	newLab(t, lab.Config{World: lab.Kernel}).Close()
	for _, f := range []string{foreign, odd} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
}

func TestExec(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		var out bytes.Buffer
		cmd := exec.Command("cat", "/proc/net/dev")
		cmd.Stdout = &out
		err := client.Exec(cmd)
		ran := false
		doErr := client.Do(func() error { ran = true; return io.ErrUnexpectedEOF })
		if l.World() == lab.Embedded {
			for _, err := range []error{err, doErr} {
				if !errors.Is(err, engine.ErrNotSupported) || !strings.Contains(err.Error(), "kernel world") {
					t.Errorf("error %v", err)
				}
			}
			return
		}
		if err != nil || !strings.Contains(out.String(), "eth0") {
			t.Errorf("cat /proc/net/dev: %q, %v", out.String(), err)
		}
		if !ran || !errors.Is(doErr, io.ErrUnexpectedEOF) {
			t.Errorf("do: ran %v, error %v", ran, doErr)
		}
		var here, there net.Interface
		if i, err := net.InterfaceByName("lo"); err == nil {
			here = *i
		}
		if err := client.Do(func() error {
			i, err := net.InterfaceByName("eth0")
			if err == nil {
				there = *i
			}
			return err
		}); err != nil || there.Name != "eth0" || here.Name != "lo" {
			t.Errorf("interfaces: outside %v, inside %v, %v", here, there, err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a panic was swallowed")
				}
			}()
			_ = client.Do(func() error { panic("on purpose") })
		}()
		if _, err := net.InterfaceByName("eth0"); err == nil && !strings.Contains(interfaces(t), "eth0") {
			t.Error("the thread stayed inside after a panic")
		}
		if err := client.Exec(exec.Command("/does/not/exist")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("exec of nothing: %v", err)
		}
		// A command reaches another endpoint.
		ln, err := server.Listen(patient(t), "tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			c, err := ln.Accept()
			if err != nil {
				got <- err.Error()
				return
			}
			b, _ := io.ReadAll(c)
			got <- string(b)
		}()
		sh := exec.Command("bash", "-c", "echo hello > /dev/tcp/"+server.Addr4().String()+"/80")
		if err := client.Exec(sh); err != nil {
			t.Errorf("bash: %v", err)
		}
		if s := <-got; s != "hello\n" {
			t.Errorf("server got %q", s)
		}
		// Commands end with the lab.
		sleep := exec.Command("sleep", "300")
		if err := client.Start(sleep); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		var exit *exec.ExitError
		if err := sleep.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("sleep ended with %v", err)
		}
		if err := client.Exec(exec.Command("true")); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("exec after Close: %v", err)
		}
	})
}

// Namespaces of a visible lab can be entered by name.
func TestVisible(t *testing.T) {
	needKernelWorld(t)
	l := newLab(t, lab.Config{World: lab.Kernel, Visible: true, Name: "seen"})
	pair(t, l)
	var names []string
	for _, p := range traces(t, os.Getpid()) {
		if strings.HasPrefix(p, "/run/netns/") && strings.Contains(p, "-seen-") {
			names = append(names, p)
		}
	}
	if len(names) != 3 {
		t.Fatalf("names: %v, want 3", names)
	}
	if a, err := l.Lookup("client"); err != nil || netnsID(a.(*lab.Endpoint).NetNS()) != netnsID(names[0]) {
		t.Errorf("the name %s is not the client's namespace (%v)", names[0], err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for _, p := range names {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s after Close: %v", p, err)
		}
	}
}

// An ordinary user without capabilities gets the embedded world, with a
// reason, and all its tests pass for them.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The directory of a test binary is root's alone.
	dir, err := os.MkdirTemp("", "labtest")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "lab.test")
	b, err := os.ReadFile(exe)
	if err == nil {
		err = errors.Join(os.WriteFile(copied, b, 0o755), os.Chmod(dir, 0o755), os.Chmod(copied, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, copied, "-test.v")
	cmd.Dir = "/"
	cmd.Env = []string{"TMPDIR=/tmp", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"PASS: TestTCPEcho/embedded", "PASS: TestXDPDrop/embedded", "PASS: TestAutoWorld"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in the output\n%s", want, out)
		}
	}
}

func TestAutoWorld(t *testing.T) {
	l, client, server, err := lab.Pair(lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Log(l.Why())
	mustPing(t, client.Host, server.Host)
	want := lab.Embedded
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		want = lab.Kernel
	}
	if l.World() != want || !strings.HasPrefix(l.Why(), want.String()+" world: ") {
		t.Errorf("world %s, want %s; why: %s", l.World(), want, l.Why())
	}
	if l.Engine().Name() != want.String() {
		t.Errorf("engine %s in the %s world", l.Engine().Name(), want)
	}
	if want == lab.Embedded {
		_, err := lab.New(lab.Config{World: lab.Kernel})
		if err == nil || !strings.Contains(err.Error(), "need root") {
			t.Errorf("kernel world for an ordinary user: %v", err)
		}
	}
}
