package shadow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/skepdev/skep/verifier/internal/check"
)

// claim is a state that the verifier held before an instruction.
type claim struct {
	depth  int
	sites  [8]int
	regs   [11]check.Reg
	frames [][]check.Slot
	live   uint16
}

// Judged is an accepted program with all that was claimed of it.
type Judged struct {
	Result *check.Result
	prog   *check.Program
	exact  bool
	claims [][]claim
	cpus   int
	values []uint64 // numbers that comparisons in the program are about
}

// ErrTooMany: the program takes more simulated instructions than are noted here.
var ErrTooMany = errors.New("shadow: too many states")

const maxNoted = 20_000

// Judge verifies and notes the states. Refusals are returned as they are.
func Judge(ctx context.Context, p *check.Program, o check.Options) (*Judged, error) {
	if o.CPUs == 0 {
		o.CPUs = 8
	}
	j := &Judged{prog: p, exact: o.Exact, cpus: o.CPUs, claims: make([][]claim, len(p.Instructions))}
	if o.MaxInstructions == 0 {
		o.MaxInstructions = maxNoted
	}
	o.Observe = func(insn int, s *check.State, live uint16) { j.note(insn, s, live) }
	res, err := check.Verify(ctx, p, o)
	var r *check.Rejection
	if errors.As(err, &r) && r.Rule == check.RuleTooComplex {
		return nil, ErrTooMany
	}
	if err != nil {
		return nil, err
	}
	j.Result = res
	for _, ins := range p.Instructions {
		v := uint64(int64(ins.Imm))
		j.values = append(j.values, v, v-1, v+1, uint64(uint32(v)))
	}
	return j, nil
}

func (j *Judged) note(insn int, s *check.State, live uint16) {
	if s.Speculative {
		return // no run goes there
	}
	c := claim{depth: s.Cur, live: live, regs: s.Frames[s.Cur].Regs}
	for i := 0; i <= s.Cur; i++ {
		c.sites[i] = s.Frames[i].Callsite
		c.frames = append(c.frames, slices.Clone(s.Frames[i].Slots))
	}
	j.claims[insn] = append(j.claims[insn], c)
}

// Violation is something that the verifier claimed and that is not so.
type Violation struct {
	Insn int
	What string
}

func (v *Violation) Error() string { return fmt.Sprintf("instruction %d: %s", v.Insn, v.What) }

func (r *run) wrong(format string, args ...any) error {
	return &Violation{r.pc, fmt.Sprintf(format, args...)}
}

// checkState compares the machine with what was held at the next instruction.
func (r *run) checkState() error {
	claims := r.j.claims[r.pc]
	why := "no state was held here"
	for i := range claims {
		c := &claims[i]
		if c.depth != r.depth || !r.sameSites(c) {
			continue
		}
		if why = r.mismatch(c); why == "" {
			return nil
		}
	}
	return r.wrong("none of %d states covers the run; of the last: %s", len(claims), why)
}

func (r *run) sameSites(c *claim) bool {
	for i := 0; i <= r.depth; i++ {
		if c.sites[i] != r.frames[i].site {
			return false
		}
	}
	return true
}

// mismatch is what c says wrongly of the run, or "".
func (r *run) mismatch(c *claim) string {
	for i := range c.regs {
		if i < 10 && c.live>>i&1 == 0 {
			continue
		}
		if s := r.regWrong(&c.regs[i], r.regs[i]); s != "" {
			return fmt.Sprintf("R%d is %s: %s", i, r.regs[i], s)
		}
	}
	if r.j.exact {
		if s := r.linksWrong(c); s != "" {
			return s
		}
	}
	return r.readWrong(c)
}

// linksWrong compares numbers that are said to be the same.
func (r *run) linksWrong(c *claim) string {
	const linked = 3 << 30
	for i := range c.regs {
		a := &c.regs[i]
		if a.Kind != check.Scalar || a.ID == 0 || a.ID&linked != 0 || c.live>>i&1 == 0 {
			continue
		}
		for k := i + 1; k < 10; k++ {
			b := &c.regs[k]
			if b.Kind != check.Scalar || b.ID&^linked != a.ID || c.live>>k&1 == 0 {
				continue
			}
			want := r.regs[i].n + uint64(int64(b.Off))
			switch b.ID & linked {
			case 0:
				want = r.regs[i].n
			case 1 << 30:
				want = uint64(uint32(want))
			}
			if r.regs[k].n != want {
				return fmt.Sprintf("R%d is %#x and R%d %#x, said to be linked by %d", i, r.regs[i].n, k, r.regs[k].n, b.Off)
			}
		}
	}
	return ""
}

// kinds are the objects that pointers of a kind lead to.
var kinds = map[check.Kind]objectKind{
	check.Ctx: objContext, check.ConstMap: objMap, check.MapValue: objValue, check.MapKey: objKey, check.Stack: objFrame,
	check.PacketMeta: objPacket, check.Packet: objPacket, check.PacketEnd: objSentinel, check.Socket: objSocket,
	check.SockCommon: objSocket, check.TCPSock: objSocket, check.Mem: objMemory, check.FuncPtr: objFunc,
	check.BTFPtr: objKernel,
}

// regWrong is what a claim says wrongly of a value, or "".
func (r *run) regWrong(c *check.Reg, v val) string {
	switch c.Kind {
	case check.NotInit:
		return ""
	case check.Scalar:
		// A pointer counts as what it is as a number, which nothing is known of.
		if r.j.exact && !c.Has(v.n) {
			return "said to be " + c.Range.String()
		}
		return ""
	}
	want, ok := kinds[c.Kind]
	if !ok {
		return "a kind of pointer that is not modelled"
	}
	if v.o == nil {
		if v.n == 0 && c.Flags&check.MaybeNull != 0 {
			return ""
		}
		return fmt.Sprintf("said to point to a %s", want)
	}
	if v.o.kind != want && !(c.Kind == check.Mem && (v.o.kind == objFrame || v.o.kind == objValue || v.o.kind == objMemory || v.o.kind == objPacket)) {
		return fmt.Sprintf("said to point to a %s", want)
	}
	variable := v.n - v.o.base - uint64(int64(c.Off))
	if v.o.kind == objFrame && c.Kind == check.Stack {
		variable -= frameSize
	}
	switch c.Kind {
	case check.Stack:
		if v.o.index != int(c.Frame) {
			return fmt.Sprintf("said to be of frame %d, not %d", c.Frame, v.o.index)
		}
	case check.ConstMap, check.MapValue, check.MapKey:
		if v.o.index != int(c.Obj) {
			return fmt.Sprintf("said to be of map %d, not %d", c.Obj, v.o.index)
		}
	case check.Packet:
		if c.Aux > 0 && int64(variable)+int64(c.Aux) > int64(len(v.o.data)) {
			return fmt.Sprintf("said to have %d bytes of the packet behind %d, which has %d", c.Aux, int64(variable), len(v.o.data))
		}
	case check.Mem:
		if left := int64(len(v.o.data)) - int64(v.n-v.o.base) + int64(c.Off) + int64(c.SMax); int64(c.Aux) > left {
			return fmt.Sprintf("said to be of %d bytes, not %d", c.Aux, left)
		}
		if c.Flags&check.RingBuf == 0 {
			return "" // slices begin anywhere in their object
		}
	}
	if !c.Has(variable) {
		return fmt.Sprintf("its offset beyond %d said to be %s", c.Off, c.Range.String())
	}
	return ""
}

// readWrong compares the stack bytes that are read next.
func (r *run) readWrong(c *claim) string {
	if r.readSize == 0 || r.readFrame.index >= len(c.frames) {
		return ""
	}
	slots := c.frames[r.readFrame.index]
	for i := range r.readSize {
		off := r.readAt + i - frameSize // negative
		slot := (-off - 1) / 8
		if slot >= len(slots) {
			continue
		}
		s, at := &slots[slot], (-off-1)%8
		switch s.Types[at] {
		case check.SlotZero:
			if r.j.exact && r.readFrame.data[r.readAt+i] != 0 {
				return fmt.Sprintf("byte %d of the stack is %d, said to be 0", off, r.readFrame.data[r.readAt+i])
			}
		case check.SlotSpill:
			size := 0
			for size < 8 && s.Types[7-size] == check.SlotSpill {
				size++
			}
			begin := frameSize - 8*(slot+1)
			v := r.readFrame.load(begin, size)
			if size < 8 && s.Kind == check.Scalar && s.UMax>>(8*size) != 0 {
				continue // a part of a larger number
			}
			if why := r.regWrong(&s.Reg, v); why != "" {
				return fmt.Sprintf("the spill at %d is %s: %s", begin-frameSize, v, why)
			}
		}
	}
	return ""
}
