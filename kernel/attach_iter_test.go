//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// iterSpec writes two bytes for every object.
func iterSpec(kind string) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"walk": {
		Name: "walk", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter, AttachTo: kind, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord), // ctx->meta
			asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord), // meta->seq
			asm.StoreImm(asm.R10, -8, 'x'|'\n'<<8, asm.Half),
			asm.Mov.Reg(asm.R2, asm.R10),
			asm.Add.Imm(asm.R2, -8),
			asm.Mov.Imm(asm.R3, 2),
			asm.FnSeqWrite.Call(),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	}}}
}

func walk(t *testing.T, l engine.Link) int {
	t.Helper()
	r, err := l.(engine.IterLink).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("x\n"))
}

func TestIterator(t *testing.T) {
	e := newEngine(t)
	t.Run("task", func(t *testing.T) {
		p := load(t, e, iterSpec("task"), nil).Programs["walk"]
		l := attach(t, e, p, engine.Iterator{})
		all := walk(t, l)
		if again := walk(t, l); all < 3 || again < 3 {
			t.Errorf("%d tasks, then %d", all, again)
		}
		other := load(t, e, iterSpec("task"), nil).Programs["walk"]
		mustUpdate(t, l, other)
		if got := l.Info().ProgramID; got != other.Info().ID {
			t.Errorf("program %d walks, want %d", got, other.Info().ID)
		}
		one, err := e.Attach(p, engine.Iterator{PID: startTarget(t).cmd.Process.Pid})
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		if n := walk(t, one); n != 2 { // the task and the end
			t.Errorf("%d calls for one process with one thread, want 2", n)
		}
	})
	t.Run("map", func(t *testing.T) {
		m, err := e.NewMap(&ebpf.MapSpec{Name: "three", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 3})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		coll, err := e.Load(t.Context(), iterSpec("bpf_map_elem"), nil)
		skipRefused(t, err)
		defer coll.Close()
		l := attach(t, e, coll.Programs["walk"], engine.Iterator{Map: m})
		if n := walk(t, l); n != 4 { // the elements and the end
			t.Errorf("%d calls for 3 elements, want 4", n)
		}
	})
	t.Run("cgroup", func(t *testing.T) {
		dir := newCgroup(t)
		if err := os.Mkdir(dir+"/below", 0o755); err != nil {
			t.Fatal(err)
		}
		defer unix.Rmdir(dir + "/below")
		coll, err := e.Load(t.Context(), iterSpec("cgroup"), nil)
		if err != nil {
			t.Skipf("needs Linux 6.1: %v", err)
		}
		defer coll.Close()
		l := attach(t, e, coll.Programs["walk"], engine.Iterator{CgroupPath: dir})
		if n := walk(t, l); n != 3 { // it, the one below, and the end
			t.Errorf("%d calls for two cgroups, want 3", n)
		}
	})
	if _, err := e.Attach(load(t, e, iterSpec("task"), nil).Programs["walk"], engine.Iterator{PID: 1, CgroupPath: "/"}); err == nil {
		t.Error("narrowed twice")
	}
}

// TestSyscallProgram: syscall programs only run; their argument comes back.
func TestSyscallProgram(t *testing.T) {
	e := newEngine(t)
	coll := load(t, e, &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"add": {
		Name: "add", Type: ebpf.Syscall, Flags: unix.BPF_F_SLEEPABLE, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord),
			asm.Add.Imm(asm.R2, 1),
			asm.StoreMem(asm.R1, 8, asm.R2, asm.DWord),
			asm.Mov.Imm(asm.R0, 5),
			asm.Return(),
		},
	}}}, nil)
	ctx := make([]byte, 16)
	binary.NativeEndian.PutUint64(ctx, 41)
	res, err := coll.Programs["add"].Run(&engine.RunInput{Context: ctx, WantContext: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.NativeEndian.Uint64(res.Context[8:]); got != 42 || res.Return != 5 {
		t.Errorf("returned %d and wrote %d, want 5 and 42", res.Return, got)
	}
	if binary.NativeEndian.Uint64(ctx[8:]) != 0 {
		t.Error("the caller's context was modified")
	}
	if _, err := e.Attach(coll.Programs["add"], engine.Tracing{}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("attach a syscall program: %v", err)
	}
}

func ExampleNew() {
	e, err := New(Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()
	fmt.Println(e.Name())
	// Output: kernel
}
