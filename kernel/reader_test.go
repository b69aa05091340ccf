//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// outputSpec is a program that sends 8 bytes, 7 in a word, through a ring
// buffer or perf event array "out".
func outputSpec(typ ebpf.MapType) *ebpf.CollectionSpec {
	m := &ebpf.MapSpec{Name: "out", Type: typ, MaxEntries: 1 << 16}
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.R10, -8, 7, asm.Word),
		asm.StoreImm(asm.R10, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, 0).WithReference("out"),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -8),
		asm.Mov.Imm(asm.R3, 8),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
	}
	if typ == ebpf.PerfEventArray {
		m.MaxEntries = 0
		code = asm.Instructions{
			asm.StoreImm(asm.R10, -8, 7, asm.Word),
			asm.StoreImm(asm.R10, -4, 0, asm.Word),
			asm.LoadMapPtr(asm.R2, 0).WithReference("out"),
			asm.LoadImm(asm.R3, 0xffffffff, asm.DWord), // this CPU
			asm.Mov.Reg(asm.R4, asm.R10),
			asm.Add.Imm(asm.R4, -8),
			asm.Mov.Imm(asm.R5, 8),
			asm.FnPerfEventOutput.Call(),
		}
	}
	code = append(code, asm.Mov.Imm(asm.R0, xdpPass), asm.Return())
	return &ebpf.CollectionSpec{
		Maps:     map[string]*ebpf.MapSpec{"out": m},
		Programs: map[string]*ebpf.ProgramSpec{"send": {Name: "send", Type: ebpf.XDP, License: "GPL", Instructions: code}},
	}
}

// reader is what ring and perf readers have in common.
type reader interface {
	SetDeadline(time.Time)
	Close() error
}

// testDeadlines: a deadline in the past, one that is moved while somebody
// waits, and closing.
func testDeadlines(t *testing.T, r reader, read func() error) {
	t.Helper()
	r.SetDeadline(time.Now().Add(-time.Second))
	if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline in the past: %v", err)
	}
	r.SetDeadline(time.Time{})
	done := make(chan error, 1)
	go func() { done <- read() }()
	time.Sleep(20 * time.Millisecond)
	r.SetDeadline(time.Now().Add(20 * time.Millisecond))
	select {
	case err := <-done:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline that came while waiting: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a deadline set while waiting has no effect")
	}
	r.SetDeadline(time.Now().Add(time.Hour))
	go func() { done <- read() }()
	time.Sleep(20 * time.Millisecond)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("read ended by close: %v", err)
	}
	if err := read(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestRingReader(t *testing.T) {
	e := newEngine(t)
	coll := load(t, e, outputSpec(ebpf.RingBuf), nil)
	r, err := coll.Maps["out"].RingReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	send := func(n int) {
		run(t, coll.Programs["send"], &engine.RunInput{Data: make([]byte, 64), Repeat: n})
	}
	send(3)
	if n := r.AvailableBytes(); n != 3*16 {
		t.Errorf("%d bytes wait, want three records of 8 and their headers", n)
	}
	for i := range 3 {
		rec, err := r.Read()
		if err != nil || binary.NativeEndian.Uint64(rec.Data) != 7 || rec.Remaining != (2-i)*16 {
			t.Errorf("record %+v %v", rec, err)
		}
	}
	send(200)
	rec := engine.Record{Data: make([]byte, 0, 64)}
	if n := testing.AllocsPerRun(100, func() {
		if err := r.ReadInto(&rec); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a read allocates %v times", n)
	}
	for r.AvailableBytes() > 0 {
		if _, err := r.Read(); err != nil {
			t.Fatal(err)
		}
	}
	testDeadlines(t, r, func() error { _, err := r.Read(); return err })
	if r.AvailableBytes() != 0 {
		t.Error("bytes wait after close")
	}
	if _, err := newMap(t, e, smallestMap(ebpf.Hash)).RingReader(); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("ring reader of a hash: %v", err)
	}
}

// onOneCPU keeps the calling thread where it is, so that all it sends goes
// into one buffer, until the test ends.
func onOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if unix.SchedSetaffinity(0, &before) == nil {
			runtime.UnlockOSThread()
		}
	})
}

func TestPerfReader(t *testing.T) {
	e := newEngine(t)
	onOneCPU(t)
	coll := load(t, e, outputSpec(ebpf.PerfEventArray), nil)
	send := func(n int) {
		run(t, coll.Programs["send"], &engine.RunInput{Data: make([]byte, 64), Repeat: n})
	}
	r, err := coll.Maps["out"].PerfReader(engine.PerfOptions{PerCPUBuffer: 4096})
	if err != nil {
		t.Fatal(err)
	}
	send(2)
	for range 2 {
		rec, err := r.Read()
		if err != nil || binary.NativeEndian.Uint64(rec.Data) != 7 || rec.Lost != 0 {
			t.Errorf("record %+v %v", rec, err)
		}
	}
	const flood = 2000 // more than a page holds
	send(flood)
	got, lost := drainPerf(t, r)
	send(1) // a loss is told with the first record that has room again
	more, lostNow := drainPerf(t, r)
	got, lost = got+more, lost+lostNow
	if lost == 0 || got+lost != flood+1 {
		t.Errorf("%d records and %d lost ones of %d", got, lost, flood+1)
	}
	testDeadlines(t, r, func() error { _, err := r.Read(); return err })
	if _, err := newMap(t, e, smallestMap(ebpf.Hash)).PerfReader(engine.PerfOptions{}); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("perf reader of a hash: %v", err)
	}
}

// drainPerf reads what there is: samples and the count of lost ones.
func drainPerf(t *testing.T, r engine.PerfReader) (got, lost uint64) {
	t.Helper()
	r.SetDeadline(time.Now().Add(50 * time.Millisecond))
	for {
		rec, err := r.Read()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return got, lost
		case err != nil:
			t.Fatal(err)
		case rec.Lost > 0:
			lost += rec.Lost
			if rec.Data != nil {
				t.Error("a loss has data")
			}
		default:
			got++
		}
	}
}

func TestPerfReaderOverwritable(t *testing.T) {
	e := newEngine(t)
	coll := load(t, e, outputSpec(ebpf.PerfEventArray), nil)
	r, err := coll.Maps["out"].PerfReader(engine.PerfOptions{PerCPUBuffer: 4096, Overwritable: true})
	if err != nil {
		t.Fatal(err)
	}
	run(t, coll.Programs["send"], &engine.RunInput{Data: make([]byte, 64), Repeat: 1000})
	rec, err := r.Read()
	if err != nil || binary.NativeEndian.Uint64(rec.Data) != 7 {
		t.Errorf("record %+v %v", rec, err)
	}
	for n := 0; ; n++ {
		r.SetDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := r.Read(); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if n > 1000 {
			t.Fatal("a page held more than was sent")
		}
	}
	testDeadlines(t, r, func() error { _, err := r.Read(); return err })
}
