package process

import (
	"encoding/binary"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxCalls is beyond any system call's number.
const maxCalls = 512

// hooks are what is attached. Lists are changed before tracing starts.
type hooks struct {
	mu                sync.Mutex
	enter, exit       [maxCalls][]*hook
	enterAll, exitAll []*hook
	events            map[string][]*hook
	uprobes           []*uprobe
	record            record
	call              [64]byte
}

func pointerOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// anyCall says whether any system call is wanted.
func (s *hooks) anyCall() bool {
	if len(s.enterAll)+len(s.exitAll) > 0 {
		return true
	}
	for n := range s.enter {
		if len(s.enter[n])+len(s.exit[n]) > 0 {
			return true
		}
	}
	return len(s.uprobes) > 0
}

// wanted says whether a call's entry or exit is.
func (s *hooks) wanted(n int) bool {
	return len(s.enterAll)+len(s.exitAll)+len(s.enter[n])+len(s.exit[n]) > 0
}

// record is a tracepoint's record being made, little-endian.
type record struct {
	buf [512]byte
	n   int
}

func (r *record) u32(off int, v uint32) { binary.LittleEndian.PutUint32(r.buf[off:], v) }

// str puts a text behind the record and its place at off (__data_loc).
func (r *record) str(off int, s string) {
	s = s[:min(len(s), len(r.buf)-r.n-1)]
	r.u32(off, uint32(len(s)+1)<<16|uint32(r.n))
	copy(r.buf[r.n:], s)
	r.buf[r.n+len(s)] = 0
	r.n += len(s) + 1
}

// run runs the hooks of an event whose record has fixed size and is filled by
// fill.
func (s *hooks) run(th *thread, name string, fill func(*record), size int) {
	list := s.events[name]
	if len(list) == 0 {
		return
	}
	s.record = record{n: size}
	s.record.u32(4, uint32(th.tid))
	fill(&s.record)
	th.run(list, s.record.buf[:s.record.n])
}

// enter is a system call's beginning.
func (t *tracer) enter(th *thread) {
	if !th.loadRegs() {
		return
	}
	n := int(int32(th.regs.Orig_rax))
	th.nr = n
	if n < 0 || n >= maxCalls {
		return
	}
	s := &t.hooks
	th.inCall = t.filtered && (len(s.exit[n])+len(s.exitAll) > 0 || n == unix.SYS_MMAP && len(s.uprobes) > 0)
	if len(s.enter[n])+len(s.enterAll) == 0 {
		return
	}
	b := s.call[:64]
	binary.LittleEndian.PutUint64(b, uint64(th.tid)<<32)
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	for i, v := range [6]uint64{th.regs.Rdi, th.regs.Rsi, th.regs.Rdx, th.regs.R10, th.regs.R8, th.regs.R9} {
		binary.LittleEndian.PutUint64(b[16+8*i:], v)
	}
	th.run(s.enter[n], b)
	t.runAll(th, s.enterAll, b, uint64(n))
}

// leaveCall is a system call's end.
func (t *tracer) leaveCall(th *thread) {
	th.inCall = false
	s, n := &t.hooks, th.nr
	if n < 0 || n >= maxCalls || !th.loadRegs() {
		return
	}
	if n == unix.SYS_MMAP && len(s.uprobes) > 0 {
		t.place(th.space)
	}
	if len(s.exit[n])+len(s.exitAll) == 0 {
		return
	}
	b := s.call[:24]
	binary.LittleEndian.PutUint64(b, uint64(th.tid)<<32)
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	binary.LittleEndian.PutUint64(b[16:], th.regs.Rax)
	th.run(s.exit[n], b)
	t.runAll(th, s.exitAll, b, th.regs.Rax)
}

// runAll runs those that see every call: with the tracepoint's record, or with
// the raw tracepoint's two arguments.
func (t *tracer) runAll(th *thread, list []*hook, rec []byte, second uint64) {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:], regsAt)
	binary.LittleEndian.PutUint64(raw[8:], second)
	for _, h := range list {
		ctx := rec
		if h.raw {
			ctx = raw[:]
		}
		if h.gone.Load() {
			continue
		}
		if _, err := h.prog.RunTask(th, h.cookie, ctx); err != nil {
			t.report(err)
		}
	}
}
