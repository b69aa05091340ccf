package process_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/embedded/process"
	"github.com/skepdev/skep/engine"
)

// counting is a program that counts its runs in the map "n".
func counting(t *testing.T, eng *process.Engine, typ ebpf.ProgramType) *engine.Collection {
	t.Helper()
	coll, err := eng.Load(context.Background(), &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{"n": {Name: "n", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}},
		Programs: map[string]*ebpf.ProgramSpec{"count": {Name: "count", Type: typ, License: "GPL", Instructions: asm.Instructions{
			asm.LoadMapValue(asm.R1, 0, 0).WithReference("n"),
			asm.Mov.Imm(asm.R2, 1),
			asm.AddAtomic.Mem(asm.R1, asm.R2, asm.DWord, 0),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	return coll
}

func value(t *testing.T, coll *engine.Collection) int {
	t.Helper()
	b := make([]byte, 8)
	if err := coll.Maps["n"].Lookup(make([]byte, 4), b, 0); err != nil {
		t.Fatal(err)
	}
	return int(b[0]) | int(b[1])<<8 | int(b[2])<<16
}

func newEngine(t *testing.T) *process.Engine {
	t.Helper()
	eng, err := process.New(process.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	return eng
}

// TestCommand: the shell's children are followed, and each is executed once.
func TestCommand(t *testing.T) {
	for name, c := range map[string]struct {
		target engine.Target
		want   int
	}{
		"exec":    {engine.Tracepoint{Group: "sched", Name: "sched_process_exec"}, 3},
		"call":    {engine.Tracepoint{Group: "syscalls", Name: "sys_enter_execve"}, 3},
		"return":  {engine.Tracepoint{Group: "syscalls", Name: "sys_exit_execve"}, 3},
		"exit":    {engine.Tracepoint{Group: "sched", Name: "sched_process_exit"}, 4},
		"unasked": {engine.Tracepoint{Group: "syscalls", Name: "sys_enter_reboot"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			eng := newEngine(t)
			coll := counting(t, eng, ebpf.TracePoint)
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			if _, err := eng.Command([]string{"/bin/sh", "-c", "/bin/true; /bin/true; /bin/true; exit 0"}, null, null, null); err != nil {
				t.Skip("tracing of processes is refused here: " + err.Error())
			}
			if _, err := eng.Attach(coll.Programs["count"], c.target); err != nil {
				t.Fatal(err)
			}
			if err := eng.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-eng.Done():
			case <-time.After(20 * time.Second):
				t.Fatal("the command does not end")
			}
			if n := value(t, coll); n != c.want {
				t.Errorf("%d events, want %d", n, c.want)
			}
		})
	}
}

// TestProcess: a process goes on after it was traced.
func TestProcess(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "while read line; do echo $line; done")
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
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	say := func() {
		in.Write([]byte("word\n"))
		if !lines.Scan() || lines.Text() != "word" {
			t.Fatalf("the process said %q (%v)", lines.Text(), lines.Err())
		}
	}
	say()
	eng := newEngine(t)
	coll := counting(t, eng, ebpf.TracePoint)
	if err := eng.Process(cmd.Process.Pid); errors.Is(err, unix.EPERM) {
		t.Skip("tracing of processes is refused here: " + err.Error())
	} else if err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Attach(coll.Programs["count"], engine.Tracepoint{Group: "syscalls", Name: "sys_enter_write"}); err != nil {
		t.Fatal(err)
	}
	if err := eng.Start(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		say()
	}
	eng.End()
	if n := value(t, coll); n != 5 {
		t.Errorf("%d writes, want 5", n)
	}
	say()
}

// TestUnsupported: what needs the kernel says so by name.
func TestUnsupported(t *testing.T) {
	for _, target := range []engine.Target{
		engine.Kprobe{Symbol: "vfs_read"},
		engine.Tracepoint{Group: "sched", Name: "sched_switch"},
		engine.USDT{Path: "/bin/x", Name: "y"},
		engine.PerfEvent{Type: 1, CPU: -1, Frequency: 99},
	} {
		if err := process.Supported(target); !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("%s: %v", target, err)
		}
	}
	_, err := newEngine(t).Load(t.Context(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": {
		Name: "p", Type: ebpf.TracePoint, License: "GPL", Instructions: asm.Instructions{asm.FnGetCurrentTask.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}}}, nil)
	if !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("a program that looks at the current task: %v", err)
	}
}
