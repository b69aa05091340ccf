package maps

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

func makeRing(t testing.TB, size int) RingBuffer {
	t.Helper()
	return makeMap(t, testEnv(t), Spec{Type: abi.MapRingBuf, MaxEntries: uint32(size)}).(RingBuffer)
}

func drain(m RingBuffer) (out []string) {
	m.Consume(func(b []byte) bool {
		out = append(out, string(b))
		return true
	})
	return out
}

func TestRingOrder(t *testing.T) {
	m := makeRing(t, host.PageSize())
	a, b, c := m.Reserve(8, 0), m.Reserve(3, 0), m.Reserve(0, 0)
	if a == 0 || b == 0 || c == 0 || a%8 != 0 || b-a != 16 || c-b != 16 {
		t.Fatalf("records at %#x %#x %#x", a, b, c)
	}
	copy(bytesOf(a, 8), "aaaaaaaa")
	copy(bytesOf(b, 3), "bbb")
	// What was reserved first comes first, whoever is done first.
	m.Submit(b, 0)
	m.Submit(c, 0)
	if got := drain(m); got != nil {
		t.Errorf("before the first is done: %q", got)
	}
	if n := m.Query(0); n != 40 {
		t.Errorf("available data: %d", n)
	}
	m.Submit(a, 0)
	if got := drain(m); !slices.Equal(got, []string{"aaaaaaaa", "bbb", ""}) {
		t.Errorf("records: %q", got)
	}
	if m.Query(0) != 0 || m.Query(1) != uint64(host.PageSize()) || m.Query(2) != 40 || m.Query(3) != 40 || m.Query(4) != 0 {
		t.Errorf("query: %d %d %d %d %d", m.Query(0), m.Query(1), m.Query(2), m.Query(3), m.Query(4))
	}
	d := m.Reserve(8, 0)
	want(t, "output", m.Output([]byte("after"), 0), 0)
	m.Discard(d, 0)
	if got := drain(m); !slices.Equal(got, []string{"after"}) {
		t.Errorf("after a discard: %q", got)
	}
}

func TestRingLimits(t *testing.T) {
	size := host.PageSize()
	m := makeRing(t, size)
	for _, n := range []uint64{uint64(size) - 7, uint64(size), 1 << 32, 1 << 63, ^uint64(0)} {
		if a := m.Reserve(n, 0); a != 0 {
			t.Errorf("%d bytes were reserved", n)
		}
	}
	// As in Linux a record as large as the ring passes the size check, but one
	// byte always stays free.
	if m.Reserve(uint64(size)-8, 0) != 0 {
		t.Error("the whole ring was reserved")
	}
	if m.Reserve(8, 1) != 0 {
		t.Error("reserved with flags")
	}
	want(t, "flags", m.Output([]byte("x"), 4), syscall.EINVAL)
	n := 0
	for m.Output(make([]byte, 8), 0) == 0 {
		n++
	}
	if n != size/16-1 {
		t.Errorf("%d records of 16 bytes in %d", n, size)
	}
	want(t, "full", m.Output(nil, 0), 0) // 8 bytes are left
	want(t, "full", m.Output(nil, 0), syscall.EAGAIN)
	stop := 0
	if got := m.Consume(func([]byte) bool { stop++; return stop < 3 }); got != 3 {
		t.Errorf("%d consumed, should stop at 3", got)
	}
	want(t, "after reading", m.Output(nil, 0), 0)
	// Addresses that are no reservation are ignored.
	lo := m.Reserve(8, 0)
	before := m.Query(0)
	for _, a := range []uintptr{0, 1, lo + 1, lo - 8, lo + 1<<30, ^uintptr(0)} {
		m.Submit(a, 0)
	}
	m.Submit(lo, 0)
	m.Submit(lo, 0)
	m.Discard(lo, 0)
	if m.Query(0) != before {
		t.Error("the ring was changed")
	}
}

// TestRingModel: random reservations, completed in any order, come out as a
// queue; records that wrap are whole; with and without a mirror.
func TestRingModel(t *testing.T) {
	env := testEnv(t)
	for _, mirrored := range []bool{true, false} {
		rapid.Check(t, func(r *rapid.T) {
			mm, err := New(Spec{Type: abi.MapRingBuf, MaxEntries: uint32(host.PageSize())}, env)
			if err != nil {
				r.Fatal(err)
			}
			defer mm.Close()
			m := mm.(*ring)
			if !mirrored {
				_ = m.mem.Unmap()
				mem, err := host.Map(2 * host.PageSize())
				if err != nil {
					r.Fatal(err)
				}
				m.mem = &host.Ring{Data: mem[:cap(mem)], Size: host.PageSize()}
				m.base = pointerTo(mem)
			}
			type record struct {
				addr uintptr
				data []byte
				done bool
				drop bool
			}
			var queue []*record
			next := byte(0)
			for range rapid.IntRange(1, 60).Draw(r, "steps") {
				if rapid.Bool().Draw(r, "reserve") {
					n := rapid.IntRange(0, 1500).Draw(r, "size")
					if a := m.Reserve(uint64(n), 0); a != 0 {
						next++
						rec := &record{addr: a, data: bytes.Repeat([]byte{next}, n)}
						copy(bytesOf(a, n), rec.data)
						queue = append(queue, rec)
					}
				}
				for _, rec := range queue {
					if !rec.done && rapid.IntRange(0, 2).Draw(r, "finish") > 0 {
						rec.done, rec.drop = true, rapid.IntRange(0, 4).Draw(r, "discard") == 0
						if rec.drop {
							m.Discard(rec.addr, 0)
						} else {
							m.Submit(rec.addr, 0)
						}
					}
				}
				if rapid.IntRange(0, 2).Draw(r, "consume") == 0 {
					var wanted []string
					for len(queue) > 0 && queue[0].done {
						if !queue[0].drop {
							wanted = append(wanted, string(queue[0].data))
						}
						queue = queue[1:]
					}
					if got := drain(m); !slices.Equal(got, wanted) {
						r.Fatalf("got %d records, want %d, or other contents", len(got), len(wanted))
					}
				}
			}
		})
	}
}

func TestRingReader(t *testing.T) {
	m := makeRing(t, host.PageSize())
	r, e := m.NewReader()
	want(t, "reader", e, 0)
	if _, e := m.NewReader(); e != syscall.EBUSY {
		t.Errorf("second reader: %v", e)
	}
	r.SetDeadline(time.Now().Add(-time.Second))
	if _, _, err := r.ReadInto(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past deadline: %v", err)
	}
	want(t, "output", m.Output([]byte("one"), 0), 0)
	want(t, "output", m.Output([]byte("two"), 0), 0)
	data, left, err := r.ReadInto(nil)
	if string(data) != "one" || left != 16 || err != nil || r.AvailableBytes() != 16 {
		t.Errorf("read past the deadline: %q, %d left, %v", data, left, err)
	}
	r.SetDeadline(time.Time{})
	data, _, _ = r.ReadInto(data)
	if string(data) != "two" {
		t.Errorf("read %q", data)
	}

	// A sleeping reader is woken by a record, …
	got := make(chan string)
	read := func() {
		data, _, err := r.ReadInto(nil)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(data)
	}
	go read()
	sleeping(t, m)
	want(t, "output", m.Output([]byte("wake"), 0), 0)
	if s := <-got; s != "wake" {
		t.Errorf("woken with %q", s)
	}
	// … not by one that asks for no wake-up, but by the next that does, …
	go read()
	sleeping(t, m)
	want(t, "output", m.Output([]byte("quiet"), rbNoWakeup), 0)
	select {
	case s := <-got:
		t.Errorf("woken by %q", s)
	case <-time.After(20 * time.Millisecond):
	}
	want(t, "output", m.Output([]byte("loud"), rbForceWakeup), 0)
	if s := <-got; s != "quiet" {
		t.Errorf("woken with %q", s)
	}
	_ = drain(m)
	// … by a deadline that is set meanwhile, which still delivers quiet
	// records, …
	go read()
	sleeping(t, m)
	want(t, "output", m.Output([]byte("late"), rbNoWakeup), 0)
	r.SetDeadline(time.Now().Add(10 * time.Millisecond))
	if s := <-got; s != "late" {
		t.Errorf("at the deadline: %q", s)
	}
	go read()
	if s := <-got; s != os.ErrDeadlineExceeded.Error() {
		t.Errorf("at the deadline: %q", s)
	}
	// … and by Close.
	r.SetDeadline(time.Time{})
	go read()
	sleeping(t, m)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if s := <-got; s != os.ErrClosed.Error() {
		t.Errorf("after Close: %q", s)
	}
	_ = r.Close()
	if _, e := m.NewReader(); e != 0 {
		t.Errorf("reader after Close: %v", e)
	}
}

// sleeping waits until the ring's reader sleeps.
func sleeping(t *testing.T, m RingBuffer) {
	t.Helper()
	for range 5000 {
		if r := m.(*ring).reader.Load(); r != nil && r.asleep.Load() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the reader does not sleep")
}

func TestRingMapCloseUnblocks(t *testing.T) {
	m := makeRing(t, host.PageSize())
	r, _ := m.NewReader()
	done := make(chan error)
	go func() {
		_, _, err := r.ReadInto(nil)
		done <- err
	}()
	sleeping(t, m)
	m.Close()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("reader of a closed map: %v", err)
	}
}

// TestRingStress: several producers, one reader; each producer's records come
// complete and in its order.
func TestRingStress(t *testing.T) {
	m := makeRing(t, 16*host.PageSize())
	r, _ := m.NewReader()
	const producers, each = 4, 20000
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := range each {
				rec := append(u32(uint32(p)), u32(uint32(i))...)
				rec = append(rec, bytes.Repeat([]byte{byte(i)}, i%50)...)
				for m.Output(rec, 0) != 0 {
					time.Sleep(10 * time.Microsecond)
				}
			}
		})
	}
	var next [producers]uint32
	var buf []byte
	r.SetDeadline(time.Now().Add(60 * time.Second))
	for range producers * each {
		var err error
		if buf, _, err = r.ReadInto(buf); err != nil {
			t.Fatal(err)
		}
		p, i := read32(pointerTo(buf)), read32(pointerTo(buf[4:]))
		if i != next[p] || len(buf) != 8+int(i)%50 || bytes.Count(buf[8:], []byte{byte(i)}) != len(buf)-8 {
			t.Fatalf("producer %d: record %d of %d bytes, want %d", p, i, len(buf), next[p])
		}
		next[p]++
	}
	wg.Wait()
}

func TestRingDoesNotAllocate(t *testing.T) {
	m := makeRing(t, host.PageSize())
	r, _ := m.NewReader()
	data, buf := make([]byte, 64), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() {
		m.Output(data, 0)
		buf, _, _ = r.ReadInto(buf)
		m.Submit(m.Reserve(16, 0), 0)
		buf, _, _ = r.ReadInto(buf)
	}); n != 0 || len(buf) != 16 {
		t.Errorf("%v allocations, %d bytes read", n, len(buf))
	}
}

func makePerf(t testing.TB, cpus int) PerfArray {
	t.Helper()
	env := testEnv(t)
	env.CPUs = cpus
	return makeMap(t, env, Spec{Type: abi.MapPerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: uint32(cpus)}).(PerfArray)
}

func TestPerf(t *testing.T) {
	m := makePerf(t, 2)
	want(t, "without a reader", m.Output(0, currentCPU, []byte("x")), syscall.ENOENT)
	r, err := m.NewReader(PerfOptions{PerCPUBuffer: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewReader(PerfOptions{}); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("second reader: %v", err)
	}
	want(t, "beyond the array", m.Output(0, 2, []byte("x")), syscall.E2BIG)
	want(t, "another CPU", m.Output(0, 1, []byte("x")), syscall.EOPNOTSUPP)
	want(t, "too large", m.Output(0, currentCPU, make([]byte, 1<<16)), syscall.E2BIG)
	want(t, "parts", m.Output(1, 1, []byte("head"), []byte("packet")), 0)
	var s PerfSample
	if err := r.ReadInto(&s); err != nil || s.CPU != 1 || string(s.Data) != "headpacket\x00\x00" || s.Lost != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	// The ring of a page fills up; what does not fit is counted.
	written := 0
	for m.Output(0, currentCPU, u64(uint64(written))) == 0 {
		written++
	}
	want(t, "full", m.Output(0, currentCPU, u64(0)), syscall.ENOSPC)
	if written != host.PageSize()/24 {
		t.Errorf("%d samples of 24 bytes in a page", written)
	}
	for i := range written {
		if err := r.ReadInto(&s); err != nil || s.CPU != 0 || !bytes.HasPrefix(s.Data, u64(uint64(i))) || len(s.Data) != 12 {
			t.Fatalf("sample %d: %+v, %v", i, s, err)
		}
	}
	want(t, "after reading", m.Output(0, currentCPU, []byte("again")), 0)
	if err := r.ReadInto(&s); err != nil || s.Lost != 2 || len(s.Data) != 0 {
		t.Errorf("loss: %+v, %v", s, err)
	}
	if err := r.ReadInto(&s); err != nil || s.Lost != 0 || string(s.Data) != "again\x00\x00\x00\x00\x00\x00\x00" {
		t.Errorf("after the loss: %+v, %v", s, err)
	}
	r.SetDeadline(time.Now().Add(time.Millisecond))
	if err := r.ReadInto(&s); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	r.SetDeadline(time.Time{})
	done := make(chan error)
	go func() { done <- r.ReadInto(&s) }()
	time.Sleep(5 * time.Millisecond)
	_ = r.Close()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Close: %v", err)
	}
	want(t, "closed reader", m.Output(0, currentCPU, []byte("x")), syscall.ENOENT)
}

func TestPerfOverwrite(t *testing.T) {
	m := makePerf(t, 1)
	r, err := m.NewReader(PerfOptions{PerCPUBuffer: 1, Overwritable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 1000 {
		want(t, "output", m.Output(0, 0, u64(uint64(i))), 0)
	}
	var s PerfSample
	n := host.PageSize() / 24
	for i := 1000 - n; i < 1000; i++ {
		if err := r.ReadInto(&s); err != nil || !bytes.HasPrefix(s.Data, u64(uint64(i))) {
			t.Fatalf("sample %d: %+v, %v", i, s, err)
		}
	}
}

func TestPerfOptions(t *testing.T) {
	m := makePerf(t, 1)
	for _, o := range []PerfOptions{{PerCPUBuffer: -1}, {PerCPUBuffer: maxPerfBuffer + 1}, {Watermark: -1}, {PerCPUBuffer: 1, Watermark: host.PageSize()}} {
		if _, err := m.NewReader(o); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	// Below the watermark the reader sleeps on.
	r, err := m.NewReader(PerfOptions{Watermark: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	done := make(chan PerfSample)
	go func() {
		var s PerfSample
		_ = r.ReadInto(&s)
		done <- s
	}()
	for !m.(*perfArray).reader.Load().asleep.Load() {
		time.Sleep(time.Millisecond)
	}
	for range 3 { // 72 bytes
		want(t, "output", m.Output(0, 0, u64(1)), 0)
	}
	select {
	case <-done:
		t.Error("woken below the watermark")
	case <-time.After(10 * time.Millisecond):
	}
	for range 2 {
		want(t, "output", m.Output(0, 0, u64(1)), 0)
	}
	<-done
}

func TestPerfStress(t *testing.T) {
	m := makePerf(t, 2)
	r, err := m.NewReader(PerfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const each = 20000
	var wg sync.WaitGroup
	var lost [2]uint64
	for cpu := range 2 {
		wg.Go(func() {
			for i := range each {
				if m.Output(cpu, currentCPU, u64(uint64(i))) == syscall.ENOSPC {
					lost[cpu]++
				}
			}
		})
	}
	go func() {
		wg.Wait()
		r.SetDeadline(time.Now())
	}()
	var got, reported, last [2]uint64
	for {
		var s PerfSample
		if err := r.ReadInto(&s); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			break
		}
		if reported[s.CPU] += s.Lost; s.Lost > 0 {
			continue
		}
		v := read64(pointerTo(s.Data))
		if got[s.CPU] > 0 && v <= last[s.CPU] {
			t.Fatalf("cpu %d: %d after %d", s.CPU, v, last[s.CPU])
		}
		last[s.CPU] = v
		got[s.CPU]++
	}
	for cpu := range 2 {
		if got[cpu]+lost[cpu] != each || reported[cpu] > lost[cpu] {
			t.Errorf("cpu %d: %d read, %d lost of which %d reported, %d written", cpu, got[cpu], lost[cpu], reported[cpu], each)
		}
	}
	_ = r.Close()
}
