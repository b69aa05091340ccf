package check

import "github.com/skepdev/skep/isa"

// stackLiveness says which stack slots may still be read. Reads and writes are
// noted, while paths are followed, per instruction and per chain of calls; the
// rest is data flow over the function's graph (Linux 6.18,
// kernel/bpf/liveness.c).
type stackLiveness struct {
	instances map[chainKey]*instance
	last      *instance // of the current state
	lastKey   chainKey
	// What the current instruction wrote whole.
	written [maxFrames]uint64
}

// chainKey is a chain of calls that ends in a subprogram.
type chainKey struct {
	calls   [maxFrames]int32
	depth   int8
	subprog int32
}

// instance is a subprogram as called along one chain. Masks are by frame and by
// instruction counted from the subprogram's start; bit i is slot i.
type instance struct {
	key    chainKey
	start  int
	seen   []bool // the instruction was committed
	frames [maxFrames]*slotMasks
	dirty  bool
}

type slotMasks struct {
	read    []uint64 // may be read by the instruction
	written []uint64 // is written by it, on every path seen
	live    []uint64 // may be read before it is written, from the instruction on
}

func keyOf(s *State, depth int) chainKey {
	k := chainKey{depth: int8(depth), subprog: int32(s.Frames[depth].Subprog)}
	for i := 1; i <= depth; i++ {
		k.calls[i] = int32(s.Frames[i].Callsite)
	}
	return k
}

func (l *stackLiveness) instance(c *Checker, s *State, depth int) *instance {
	k := keyOf(s, depth)
	if l.last != nil && l.lastKey == k {
		return l.last
	}
	if l.instances == nil {
		l.instances = make(map[chainKey]*instance)
	}
	in := l.instances[k]
	if in == nil {
		sub := &c.subs[k.subprog]
		in = &instance{key: k, start: sub.start, seen: make([]bool, sub.end-sub.start), dirty: true}
		l.instances[k] = in
	}
	l.last, l.lastKey = in, k
	return in
}

func (in *instance) masks(c *Checker, frame int) *slotMasks {
	m := in.frames[frame]
	if m == nil {
		s := &c.subs[in.key.subprog]
		n := s.end - s.start
		m = &slotMasks{read: make([]uint64, n), written: make([]uint64, n), live: make([]uint64, n)}
		in.frames[frame] = m
		in.dirty = true
	}
	return m
}

// begin starts an instruction.
func (l *stackLiveness) begin(c *Checker) { l.written = [maxFrames]uint64{} }

// noteRead notes that the current instruction reads a slot of a frame. If the
// frame is a caller's, the calls on the way read it as well.
func (l *stackLiveness) noteRead(c *Checker, frame, slot int) {
	at := c.insn
	for d := c.cur.Cur; d >= frame; d-- {
		in := l.instance(c, c.cur, d)
		m := in.masks(c, frame)
		if i := at - in.start; m.read[i]>>slot&1 == 0 {
			m.read[i] |= 1 << slot
			in.dirty = true
		}
		at = c.cur.Frames[d].Callsite
	}
}

// noteWrite notes that the current instruction overwrites a whole slot.
func (l *stackLiveness) noteWrite(frame, slot int) { l.written[frame] |= 1 << slot }

// commit ends the instruction at at: what it wrote this time and every time
// before, it always writes.
func (l *stackLiveness) commit(c *Checker, at int) {
	ins := c.insns[at]
	if cl := ins.Class(); cl != isa.ClassST && cl != isa.ClassSTX && !ins.IsCall() {
		return
	}
	if ins.IsCall() && c.insn != at+1 {
		return // in the callee: the call itself wrote nothing
	}
	in := l.instance(c, c.cur, c.cur.Cur)
	i := at - in.start
	for f := 0; f <= c.cur.Cur; f++ {
		if in.frames[f] == nil && l.written[f] == 0 {
			continue
		}
		m := in.masks(c, f)
		now := l.written[f]
		if in.seen[i] {
			now &= m.written[i]
		}
		if now != m.written[i] {
			m.written[i] = now
			in.dirty = true
		}
	}
	in.seen[i] = true
}

// alive reports whether a slot of a frame may be read by what follows s.
func (l *stackLiveness) alive(c *Checker, s *State, frame, slot int) bool {
	if l.liveAt(c, s, s.Cur, s.Insn, frame, slot) {
		return true
	}
	for d := frame; d < s.Cur; d++ {
		at := s.Frames[d+1].Callsite
		if !c.aux[at].callback {
			at++
		}
		if l.liveAt(c, s, d, at, frame, slot) {
			return true
		}
	}
	return false
}

func (l *stackLiveness) liveAt(c *Checker, s *State, depth, insn, frame, slot int) bool {
	in := l.instance(c, s, depth)
	l.solve(c, in)
	m := in.frames[frame]
	if m == nil {
		return false
	}
	at := insn - in.start
	return at >= 0 && at < len(m.live) && m.live[at]>>slot&1 != 0
}

// solve computes live.
func (l *stackLiveness) solve(c *Checker, in *instance) {
	if !in.dirty {
		return
	}
	in.dirty = false
	var buf [2]int
	order := c.subs[in.key.subprog].postorder
	for _, m := range in.frames {
		if m == nil {
			continue
		}
		for changed := true; changed; {
			changed = false
			for _, i := range order {
				var out uint64
				for _, to := range c.successors(i, buf[:0]) {
					out |= m.live[to-in.start]
				}
				at := i - in.start
				before := out&^m.written[at] | m.read[at]
				if before != m.live[at] {
					m.live[at] = before
					changed = true
				}
			}
		}
	}
}
