package enginetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
)

// loadLeavesNothing: a program that is refused leaves the spec as it was.
func loadLeavesNothing(t *testing.T, eng engine.Engine, _ Options) {
	spec, err := Object("xdp")
	must(t, "object", err)
	keepOnly(spec, []string{"count"})
	before := spec.Copy()
	spec.Programs["bad"] = &ebpf.ProgramSpec{
		Name: "bad", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), {OpCode: 0xff}, asm.Return()},
	}
	if coll, err := eng.Load(t.Context(), spec, nil); err == nil {
		t.Error("an instruction that does not exist was loaded")
		_ = coll.Close()
	}
	delete(spec.Programs, "bad")
	for range 2 {
		coll, err := eng.Load(t.Context(), spec, nil)
		must(t, "load", err)
		must(t, "close", coll.Close())
	}
	for name, m := range before.Maps {
		if spec.Maps[name].MaxEntries != m.MaxEntries || len(spec.Maps[name].Contents) != len(m.Contents) {
			t.Errorf("loading changed the spec of %s", name)
		}
	}
}

func variables(t *testing.T, eng engine.Engine, _ Options) {
	coll := load(t, eng, "xdp", "longer", "count")
	v, err := coll.Variable("threshold")
	must(t, "variable", err)
	if v.Size() != 4 || v.ReadOnly() || v.Name() != "threshold" {
		t.Errorf("threshold: %d bytes, read-only %v", v.Size(), v.ReadOnly())
	}
	got := make([]byte, 4)
	must(t, "get", v.Get(got))
	if !bytes.Equal(got, u32(60)) {
		t.Errorf("threshold is %x", got)
	}
	for _, n := range []int{0, 3, 5} {
		if v.Get(make([]byte, n)) == nil || v.Set(make([]byte, n)) == nil {
			t.Errorf("%d bytes were taken for 4", n)
		}
	}
	c, err := coll.Variable("verdict")
	must(t, "variable", err)
	if !c.ReadOnly() {
		t.Error("verdict is not read-only")
	}
	isErr(t, "set a constant", c.Set(u32(1)), engine.ErrReadOnly)
	if _, err := coll.Variable("nowhere"); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("a variable that is not there: %v", err)
	}
	seen, err := coll.Variable("seen")
	must(t, "variable", err)
	p := program(t, coll, "longer")
	for range 3 {
		_, err := p.Run(&engine.RunInput{Data: make([]byte, 64)})
		must(t, "run", err)
	}
	val := make([]byte, 8)
	must(t, "get", seen.Get(val))
	if !bytes.Equal(val, u64(3)) {
		t.Errorf("seen is %x", val)
	}
}

func programInfo(t *testing.T, eng engine.Engine, _ Options) {
	a, b := load(t, eng, "xdp", "longer"), load(t, eng, "xdp", "longer")
	pa, pb := program(t, a, "longer").Info(), program(t, b, "longer").Info()
	if pa.Name != "longer" || pa.Type != ebpf.XDP || pa.Instructions == 0 {
		t.Errorf("info %+v", pa)
	}
	if pa.ID == 0 || pa.ID == pb.ID {
		t.Errorf("ids %d and %d", pa.ID, pb.ID)
	}
	if len(pa.Tag) != 16 || pa.Tag != pb.Tag {
		t.Errorf("tags %q and %q", pa.Tag, pb.Tag)
	}
	m := mapNamed(t, a, "by_type")
	if m != nil {
		i := m.Info()
		if i.Type != ebpf.Hash || i.KeySize != 4 || i.ValueSize != 16 || i.ValueBytes != 16 || i.MaxEntries != 8 || i.Name != "by_type" {
			t.Errorf("map info %+v", i)
		}
		if i.Key == nil || i.Value == nil {
			t.Error("no types of key and value")
		}
	}
}

// runConcurrent: runs at the same time do not disturb each other's packets,
// and atomic and per-CPU counters miss none of them.
func runConcurrent(t *testing.T, eng engine.Engine, _ Options) {
	coll := load(t, eng, "xdp", "count", "encapsulate")
	const workers, times = 4, 250
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	plain, err := buildPacket(`eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"`)
	must(t, "packet", err)
	tunnel, err := buildPacket(`eth / ip4 172.16.0.1 > 172.16.0.2 / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"`)
	must(t, "packet", err)
	count, encapsulate := program(t, coll, "count"), program(t, coll, "encapsulate")
	// The first run makes the entry: of two that found none, the program lets
	// the one that comes second to insert it go uncounted.
	_, err = count.Run(&engine.RunInput{Data: plain, NoDataOut: true})
	must(t, "first run", err)
	const runs = 1 + workers*times
	for range workers {
		wg.Go(func() {
			for range times {
				if _, err := count.Run(&engine.RunInput{Data: plain, NoDataOut: true}); err != nil {
					errs <- err
					return
				}
				res, err := encapsulate.Run(&engine.RunInput{Data: plain})
				if err == nil && !bytes.Equal(res.Data, tunnel) {
					err = fmt.Errorf("packet out %x", res.Data)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	val := make([]byte, 16)
	must(t, "lookup", mapNamed(t, coll, "by_type").Lookup(u32(0x800), val, 0))
	if n := binary.NativeEndian.Uint64(val); n != runs {
		t.Errorf("%d of %d runs counted", n, runs)
	}
	total := mapNamed(t, coll, "total")
	all := make([]byte, total.Info().ValueBytes)
	must(t, "lookup", total.Lookup(u32(0), all, 0))
	sum := uint64(0)
	for ; len(all) > 0; all = all[8:] {
		sum += binary.NativeEndian.Uint64(all)
	}
	if sum != runs {
		t.Errorf("%d of %d runs counted per CPU", sum, runs)
	}
}

// ring loads the program that writes records, and opens the ring.
func ring(t *testing.T, eng engine.Engine) (engine.RingReader, func()) {
	t.Helper()
	coll := load(t, eng, "events", "write_ring")
	r, err := mapNamed(t, coll, "ring").RingReader()
	must(t, "ring reader", err)
	t.Cleanup(func() { _ = r.Close() })
	p := program(t, coll, "write_ring")
	return r, func() {
		if _, err := p.Run(&engine.RunInput{Data: make([]byte, 64), NoDataOut: true}); err != nil {
			t.Error(err)
		}
	}
}

func ringDeadline(t *testing.T, eng engine.Engine, _ Options) {
	r, write := ring(t, eng)
	read := func() error { _, err := r.Read(); return err }
	r.SetDeadline(time.Now().Add(-time.Second))
	isErr(t, "read after its deadline", within(t, "read", read), errDeadline)
	start := time.Now()
	r.SetDeadline(start.Add(50 * time.Millisecond))
	isErr(t, "read until its deadline", within(t, "read", read), errDeadline)
	if d := time.Since(start); d < 40*time.Millisecond {
		t.Errorf("the deadline came after %v", d)
	}
	r.SetDeadline(time.Time{})
	write()
	for range 3 {
		isErr(t, "read without deadline", within(t, "read", read), nil)
	}
	if n := r.AvailableBytes(); n != 0 {
		t.Errorf("%d bytes left", n)
	}
	// A record wakes a reader that waits.
	done := make(chan error, 1)
	go func() { done <- read() }()
	time.Sleep(20 * time.Millisecond)
	write()
	isErr(t, "woken by a record", within(t, "read", func() error { return <-done }), nil)
	// So does a deadline that is set meanwhile.
	for range 2 {
		must(t, "drain", read())
	}
	go func() { done <- read() }()
	time.Sleep(20 * time.Millisecond)
	r.SetDeadline(time.Now())
	isErr(t, "woken by a deadline", within(t, "read", func() error { return <-done }), errDeadline)
}

func ringClose(t *testing.T, eng engine.Engine, _ Options) {
	r, _ := ring(t, eng)
	done := make(chan error, 1)
	go func() {
		_, err := r.Read()
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	must(t, "close", r.Close())
	isErr(t, "read while it closes", within(t, "read", func() error { return <-done }), engine.ErrClosed)
	_, err := r.Read()
	isErr(t, "read after close", err, engine.ErrClosed)
	must(t, "close twice", r.Close())
	m := newHash(t, eng, 1)
	if _, err := m.RingReader(); err == nil {
		t.Error("a hash was read as a ring")
	}
	if _, err := m.PerfReader(engine.PerfOptions{}); err == nil {
		t.Error("a hash was read as a perf event array")
	}
}

func ringNoAllocations(t *testing.T, eng engine.Engine, _ Options) {
	r, write := ring(t, eng)
	var rec engine.Record
	rec.Data = make([]byte, 0, 64)
	const rounds = 20
	for range rounds + 1 {
		write() // three records each
	}
	n := testing.AllocsPerRun(rounds, func() {
		if err := r.ReadInto(&rec); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// perfLost: samples that find no room are counted.
func perfLost(t *testing.T, eng engine.Engine, _ Options) {
	coll := load(t, eng, "events", "write_perf")
	r, err := mapNamed(t, coll, "perf").PerfReader(engine.PerfOptions{PerCPUBuffer: 4096})
	must(t, "perf reader", err)
	defer r.Close()
	p := program(t, coll, "write_perf")
	onOneCPU(t)
	const runs = 500
	_, err = p.Run(&engine.RunInput{Data: make([]byte, 64), NoDataOut: true, Repeat: runs})
	must(t, "run", err)
	got, lost := 0, uint64(0)
	r.SetDeadline(time.Now().Add(patience))
	// Linux says how many were lost in front of the next sample that fits.
	_, err = p.Run(&engine.RunInput{Data: make([]byte, 64), NoDataOut: true})
	must(t, "run", err)
	var rec engine.PerfRecord
	for uint64(got)+lost < runs {
		if err := r.ReadInto(&rec); err != nil {
			if errors.Is(err, errDeadline) {
				break
			}
			t.Fatal(err)
		}
		if rec.Lost > 0 {
			lost += rec.Lost
		}
		if rec.Data != nil {
			got++
		}
		if got > 0 && got%20 == 0 {
			// Room again: the next sample carries the count of the lost.
			_, err = p.Run(&engine.RunInput{Data: make([]byte, 64), NoDataOut: true})
			must(t, "run", err)
		}
	}
	if lost == 0 || got == 0 {
		t.Errorf("%d samples read, %d lost of %d", got, lost, runs)
	}
}

// notSupported: what an engine cannot do it says in one way.
func notSupported(t *testing.T, eng engine.Engine, _ Options) {
	for _, f := range []engine.Feature{
		{Program: 4000},
		{Map: 4000},
		{Helper: 4000, Program: ebpf.XDP},
		{Attach: "to the moon"},
		{Other: "a feature that is not"},
	} {
		err := eng.Supports(t.Context(), f)
		if !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("%s: %v", f, err)
			continue
		}
		var n *engine.NotSupportedError
		if !errors.As(err, &n) || n.Feature == "" {
			t.Errorf("%s: %v does not name what is missing", f, err)
		}
	}
	for _, f := range []engine.Feature{
		{Program: ebpf.XDP},
		{Program: ebpf.SchedCLS},
		{Program: ebpf.SocketFilter},
		{Map: ebpf.Hash},
		{Map: ebpf.RingBuf},
		{Helper: asm.FnMapLookupElem, Program: ebpf.XDP},
		{Other: engine.FeatureBoundedLoops},
		{Other: engine.FeatureISAv3},
	} {
		if err := eng.Supports(t.Context(), f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}
