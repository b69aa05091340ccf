package check

// SlotType is what one byte of the stack holds (enum bpf_stack_slot_type).
type SlotType uint8

const (
	SlotInvalid SlotType = iota // nothing written
	SlotSpill                   // part of a spilled register
	SlotMisc                    // some data
	SlotZero                    // zero
	SlotDyn                     // part of a dynptr
	SlotIt                      // part of an iterator
	SlotIrq                     // saved interrupt flags
)

var slotLetters = [...]byte{'?', 'r', 'm', '0', 'd', 'i', 'f'}

// Slot is 8 bytes of a stack frame. Types[0] is the byte at the highest
// address; a spill of n bytes fills Types[8-n:].
type Slot struct {
	Reg
	Types [8]SlotType
}

const slotBytes = 8

// spilled reports a slot that begins with a spilled register.
func (s *Slot) spilled() bool { return s.Types[7] == SlotSpill }

func (s *Slot) spilledScalar() bool { return s.spilled() && s.Kind == Scalar }

// spilledScalar64 reports a whole spilled number.
func (s *Slot) spilledScalar64() bool { return s.Types[0] == SlotSpill && s.Kind == Scalar }

// special reports slots that stand for objects with a state of their own.
func (s *Slot) special() bool {
	switch s.Types[7] {
	case SlotSpill, SlotDyn, SlotIt, SlotIrq:
		return true
	}
	return false
}

// Frame is one call's registers and stack (struct bpf_func_state).
type Frame struct {
	Regs  [11]Reg
	Slots []Slot // Slots[i] covers [fp-8*(i+1), fp-8*i)
	// Callsite is the calling instruction in the frame before, -1 for the
	// entry.
	Callsite int
	No       uint8
	Subprog  int
	// AsyncEntry counts entries into asynchronous callbacks.
	AsyncEntry int
	// Ret bounds what a callback may return.
	Ret         retRange
	InCallback  bool
	InAsync     bool
	InException bool
	// CallbackDepth counts simulated calls of the callback of a call here.
	CallbackDepth int
	// CallbacksPast counts the calls with callbacks that the function has left
	// behind: it tells a callback's return from the next round of a loop around
	// the call.
	CallbacksPast int
}

type retRange struct{ min, max int32 }

// Ref is an acquired reference, lock, or the like (struct bpf_reference_state).
type Ref struct {
	Kind RefKind
	ID   uint32
	Insn int // where it was acquired
	// Obj and UID tell which object a lock is in.
	Obj uint64
}

type RefKind uint8

const (
	RefPtr RefKind = 1 << iota
	RefIRQ
	RefLock
	RefResLock
	RefResLockIRQ

	refLocks = RefLock | RefResLock | RefResLockIRQ
)

// State is what is known before one instruction along one path (struct
// bpf_verifier_state).
type State struct {
	Frames [maxFrames]*Frame
	Cur    int // index of the running frame
	Refs   []Ref
	Locks  int    // locks held
	IRQ    uint32 // id of the newest saved interrupt flags
	RCU    int    // depth of RCU read sections
	// Preempt counts bpf_preempt_disable.
	Preempt   int
	Sleepable bool
	// Speculative paths are those a processor may take by mistake.
	Speculative bool

	// Parent is the checkpoint before this state; Branches counts the paths
	// from a checkpoint that are not done.
	Parent   *State
	Branches int
	Insn     int // where a checkpoint stands
	First    int // first instruction since the parent
	Last     int // instruction before the current one
	hist     []histEntry

	// Steps counts the instructions of the path from the entry.
	Steps int

	MayGotoDepth   int
	CallbackUnroll int
	depth          int // checkpoints above
	cleaned        bool
	// equal is the checkpoint that a back edge's state was found equal to.
	equal *State
}

func (s *State) frame() *Frame { return s.Frames[s.Cur] }

func (s *State) regs() *[11]Reg { return &s.Frames[s.Cur].Regs }

// eachReg visits every register and every spilled one.
func (s *State) eachReg(visit func(r *Reg)) {
	for i := 0; i <= s.Cur; i++ {
		f := s.Frames[i]
		for j := range f.Regs {
			visit(&f.Regs[j])
		}
		for j := range f.Slots {
			if f.Slots[j].spilled() {
				visit(&f.Slots[j].Reg)
			}
		}
	}
}

// grow makes the frame's stack reach down to fp-bytes.
func (f *Frame) grow(bytes int) {
	n := (bytes + slotBytes - 1) / slotBytes
	for len(f.Slots) < n {
		f.Slots = append(f.Slots, Slot{})
	}
}

// slotOf is the index of the slot that holds the byte at off (negative).
func slotOf(off int) int { return (-off - 1) / slotBytes }

// pool keeps frames and states for reuse: verification makes and drops them by
// the thousand.
type pool struct {
	frames []*Frame
	states []*State
	// live counts states in use, for the memory limit.
	live int
}

func (p *pool) newFrame() *Frame {
	if n := len(p.frames); n > 0 {
		f := p.frames[n-1]
		p.frames = p.frames[:n-1]
		return f
	}
	return &Frame{}
}

func (p *pool) freeFrame(f *Frame) { p.frames = append(p.frames, f) }

func (p *pool) newState() *State {
	p.live++
	if n := len(p.states); n > 0 {
		s := p.states[n-1]
		p.states = p.states[:n-1]
		return s
	}
	return &State{}
}

// free gives s and its frames back. Nobody may hold s as a parent.
func (p *pool) free(s *State) {
	for i := 0; i <= s.Cur; i++ {
		if s.Frames[i] != nil {
			p.freeFrame(s.Frames[i])
		}
	}
	refs, hist := s.Refs[:0], s.hist[:0]
	*s = State{Refs: refs, hist: hist}
	p.live--
	p.states = append(p.states, s)
}

func copyFrame(dst, src *Frame) {
	slots := append(dst.Slots[:0], src.Slots...)
	*dst = *src
	dst.Slots = slots
}

// copyState makes dst what src is, with the history since its parent.
func (p *pool) copyState(dst, src *State) {
	for i := src.Cur + 1; i <= dst.Cur; i++ {
		if dst.Frames[i] != nil {
			p.freeFrame(dst.Frames[i])
		}
	}
	frames := dst.Frames
	refs, hist := append(dst.Refs[:0], src.Refs...), append(dst.hist[:0], src.hist...)
	*dst = *src
	dst.Refs, dst.hist = refs, hist
	dst.Frames = [maxFrames]*Frame{}
	for i := 0; i <= src.Cur; i++ {
		if frames[i] == nil {
			frames[i] = p.newFrame()
		}
		copyFrame(frames[i], src.Frames[i])
		dst.Frames[i] = frames[i]
	}
}
