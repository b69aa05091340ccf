package interp

import "fmt"

// Stop says why a run ended before its program did.
type Stop struct {
	Program *Program
	PC      int
	// Budget says that the instruction budget was used up; otherwise it is a
	// bad access, or with Size 0 another mistake.
	Budget  bool
	Address uint64
	Size    int
	Write   bool
	Reason  string
	// Cause, if not nil, is why the host ended the run.
	Cause error
	// thrown says that the program ended itself by bpf_throw, with this result.
	thrown bool
	result uint64
}

func (s *Stop) Error() string { return s.Reason }

// Fail ends the run because of a mistake that is not a memory access.
func (t *Thread) Fail(format string, args ...any) {
	if t.stop == nil {
		t.stop = &Stop{PC: -1, Reason: fmt.Sprintf(format, args...)}
		t.place()
	}
}

// Throw ends the run, whatever function is running, with result (bpf_throw).
func (t *Thread) Throw(result uint64) {
	if t.stop == nil {
		t.stop = &t.throw
		t.throw = Stop{PC: -1, thrown: true, result: result}
		t.place()
	}
}

// Cancel ends the run because of what the host says.
func (t *Thread) Cancel(cause error) {
	if t.stop == nil {
		t.stop = &Stop{PC: -1, Reason: cause.Error(), Cause: cause}
		t.place()
	}
}

// refill takes the next part of the run's budget when one is used up; false, and
// the end of the run, if there is no more or the host wants it to end.
func (t *Thread) refill() bool {
	for t.budget < 0 && t.rest > 0 {
		if err := t.Done(); err != nil {
			t.Cancel(err)
			return false
		}
		part := min(t.rest, fuelSupply)
		t.rest -= part
		t.budget += part
	}
	if t.budget < 0 {
		t.outOfBudget()
		return false
	}
	return true
}

// Stopped says that a helper or callback ended the run.
func (t *Thread) Stopped() bool { return t.stop != nil }

func (t *Thread) outOfBudget() {
	if t.stop == nil {
		t.stop = &Stop{PC: -1, Budget: true, Reason: "instruction budget used up"}
		t.place()
	}
}

// place completes a stop with where the run is. exec keeps t.pc when it leaves
// for code that can stop.
func (t *Thread) place() { t.stop.Program, t.stop.PC = t.prog, t.pc }

func (t *Thread) fault(addr, size uint64, write bool, reason string) {
	if t.stop == nil {
		t.stop = &Stop{Address: addr, Size: int(size), Write: write, Reason: reason}
		t.place()
	}
}

// explain says in words why an access is not allowed.
func (t *Thread) explain(addr, size uint64, write bool) string {
	switch {
	case addr < 4096:
		return t.explainNull(addr)
	case addr&tagMask == mapTag:
		return "a reference to a map is not memory"
	case addr&tagMask == funcTag:
		return "the address of a function is not memory"
	}
	if off := addr - t.stackBase; off < stackSize {
		return t.explainStack(off, size)
	}
	if off := addr - t.ctxBase; off < ctxSize {
		if t.ctx != nil {
			return t.ctx.Explain(off, size, write)
		}
		return fmt.Sprintf("byte %d of the context, which has %d", off+size-1, t.ctxLen)
	}
	if why := t.explainPacket(addr, size, write); why != "" {
		return why
	}
	for _, m := range t.prog.Maps {
		if m.contains(addr) {
			return t.explainMap(m, addr, size, write)
		}
	}
	for _, m := range t.inner {
		if m.contains(addr) {
			return t.explainMap(m, addr, size, write)
		}
	}
	if start, typ := t.Env.Heap.Object(addr); typ != nil && t.prog.Heap {
		return fmt.Sprintf("byte %d of an object of type %s, which has %d", addr-start+size-1, typ.Name, typ.Size)
	}
	for _, r := range t.extra {
		if near(addr, r.at, r.n) {
			return fmt.Sprintf("byte %d of a %s of %d bytes", int64(addr-r.at+size-1), r.kind, r.n)
		}
	}
	return "the address belongs to nothing this run may touch"
}

func (t *Thread) explainNull(addr uint64) string {
	s := "null pointer"
	if addr != 0 {
		s = fmt.Sprintf("null pointer plus %d", addr)
	}
	for _, maps := range [2][]*Map{t.prog.Maps, t.inner} {
		for _, m := range maps {
			if t.missed == uint64(m.Handle()) {
				return s + "; the latest lookup in map " + m.Name + " found nothing"
			}
		}
	}
	return s
}

func near(addr, at, n uint64) bool { return addr-at < n+64 || at-addr <= 64 }

func (t *Thread) explainStack(off, size uint64) string {
	top := t.R[10] - t.stackBase
	switch {
	case off >= top:
		return fmt.Sprintf("%d bytes above the frame pointer, outside any stack frame", off-top+size)
	case off >= top-frameStride:
		return fmt.Sprintf("%d bytes below the frame pointer; a frame has 512", top-off)
	}
	return "outside the 512 bytes of a caller's stack frame"
}

func (t *Thread) explainPacket(addr, size uint64, write bool) string {
	b := t.Packet
	if b == nil || !b.Near(addr) {
		return ""
	}
	at, n := b.Window()
	switch {
	case addr < at:
		return fmt.Sprintf("%d bytes before the start of the packet", at-addr)
	case addr+size > at+n:
		return fmt.Sprintf("%d bytes past the end of the packet", addr+size-at-n)
	case write:
		return "packet data is read-only for " + t.prog.Type.String() + " programs"
	}
	return "packet data is not accessible to " + t.prog.Type.String() + " programs"
}

func (t *Thread) explainMap(m *Map, addr, size uint64, write bool) string {
	if write && !m.writable {
		return "map " + m.Name + " is read-only for programs"
	}
	if !write && !m.readable {
		return "map " + m.Name + " is write-only for programs"
	}
	if ok, why := m.Check(uintptr(addr), int(size), write); !ok {
		return "map " + m.Name + ": " + why
	}
	return "value of map " + m.Name
}
