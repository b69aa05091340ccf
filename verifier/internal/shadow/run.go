package shadow

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/check"
)

const (
	frameSize = 512
	maxDepth  = 8
	// maxSteps ends a run without a verdict: loops of a million rounds are
	// allowed.
	maxSteps = 30_000
)

var (
	// ErrUnmodelled: the program does something that is not modelled here.
	ErrUnmodelled = errors.New("shadow: not modelled")
	// errOver ends a run early, as it should be.
	errOver = errors.New("over")
	// errReplaced ends a function as if it returned.
	errReplaced = errors.New("replaced")
)

type frame struct {
	site  int // the calling instruction, -1 for the entry
	saved [4]val
	stack *object
}

// run is one execution.
type run struct {
	j     *Judged
	rng   *rand.Rand
	pc    int
	steps int
	regs  [11]val
	// frames[:depth+1] are in use.
	frames [maxDepth]frame
	depth  int

	context, packet, end *object
	maps                 []*mapState
	held                 []*object // references
	in                   sections
	next                 uint64 // base of the next object

	// What the next instruction reads of a stack frame.
	readFrame *object
	readAt    int
	readSize  int
}

// Run executes the program once, with input from rng. It returns a *Violation,
// ErrUnmodelled, or nil.
func (j *Judged) Run(rng *rand.Rand) error {
	r := &run{j: j, rng: rng, next: 1 << 46}
	r.context = r.object(objContext, 4096)
	r.newPacket(rng.IntN(120))
	for i, m := range j.prog.Maps {
		r.maps = append(r.maps, r.newMap(i, m))
	}
	r.regs[1] = val{r.context.base, r.context}
	r.enter(-1)
	err := r.loop(0)
	if errors.Is(err, errOver) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.in.open() {
		return r.wrong("the program ends inside a section")
	}
	if len(r.held) > 0 {
		return r.wrong("the program ends with %d references", len(r.held))
	}
	return nil
}

func (r *run) object(k objectKind, size int) *object {
	o := &object{kind: k, base: r.next, data: make([]byte, size)}
	r.next += 1 << 34
	for i := range o.data {
		o.data[i] = byte(r.rng.Uint32())
	}
	return o
}

// newPacket replaces the packet; pointers into the old one are void.
func (r *run) newPacket(size int) {
	for _, o := range []*object{r.packet, r.end} {
		if o != nil {
			o.gone = "was moved"
		}
	}
	r.packet = r.object(objPacket, size)
	r.end = &object{kind: objSentinel, base: r.packet.base + uint64(size)}
}

// number is one that programs may well compare with.
func (r *run) number() uint64 {
	switch r.rng.IntN(4) {
	case 0:
		return r.rng.Uint64() >> r.rng.IntN(64)
	case 1:
		return uint64(r.rng.IntN(16))
	}
	return r.j.values[r.rng.IntN(len(r.j.values))]
}

// enter makes a frame.
func (r *run) enter(site int) {
	f := &r.frames[r.depth]
	f.site = site
	copy(f.saved[:], r.regs[6:10])
	f.stack = r.object(objFrame, frameSize)
	f.stack.index = r.depth
	r.regs[10] = val{f.stack.base + frameSize, f.stack}
}

// leave gives back the caller's registers and returns to it.
func (r *run) leave() {
	f := &r.frames[r.depth]
	f.stack.gone = "is of a function that returned"
	copy(r.regs[6:10], f.saved[:])
	r.depth--
	up := r.frames[r.depth].stack
	r.regs[10] = val{up.base + frameSize, up}
	r.clobber()
}

func (r *run) clobber() {
	for i := 1; i < 6; i++ {
		r.regs[i] = val{n: r.rng.Uint64()}
	}
}

// loop runs until the frame at floor exits.
func (r *run) loop(floor int) error {
	for {
		if r.steps++; r.steps > maxSteps {
			return errOver
		}
		if r.pc < 0 || r.pc >= len(r.j.prog.Instructions) {
			return r.wrong("the run leaves the program")
		}
		ins := r.j.prog.Instructions[r.pc]
		if err := r.checkFact(ins); err != nil {
			return err
		}
		if err := r.checkState(); err != nil {
			return err
		}
		var err error
		if ins.Op != isa.Exit {
			err = r.step(ins)
		}
		if ins.Op == isa.Exit || errors.Is(err, errReplaced) {
			if r.depth == floor {
				return nil
			}
			r.pc = r.frames[r.depth].site + 1
			r.leave()
			continue
		}
		if err != nil {
			return err
		}
	}
}

func (r *run) step(ins isa.Instruction) error {
	next := r.pc + ins.Width()
	switch ins.Class() {
	case isa.ClassALU, isa.ClassALU64:
		r.regs[ins.Dst] = r.arithmetic(ins)
	case isa.ClassLD:
		if ins.Op != isa.LdImm64 {
			return r.legacyLoad(next)
		}
		v, err := r.constant(ins)
		if err != nil {
			return err
		}
		r.regs[ins.Dst] = v
	case isa.ClassLDX:
		v, err := r.load(r.regs[ins.Src], int(ins.Off), ins.Bytes())
		if err != nil {
			return err
		}
		if ins.Mode() == isa.ModeMEMSX {
			v = val{n: extend(v.n, 8*ins.Bytes())}
		}
		r.regs[ins.Dst] = v
	case isa.ClassST, isa.ClassSTX:
		if err := r.write(ins); err != nil {
			return err
		}
	default:
		return r.jump(ins, next)
	}
	r.pc = next
	return nil
}

// arithmetic keeps track of what a pointer points into where it stays one.
func (r *run) arithmetic(ins isa.Instruction) val {
	dst, src := r.regs[ins.Dst], val{n: uint64(int64(ins.Imm))}
	if ins.Source() == isa.SrcX && ins.ALUOp() != isa.OpEnd {
		src = r.regs[ins.Src]
	}
	out := val{n: alu(ins, dst.n, src.n)}
	if ins.Class() == isa.ClassALU64 {
		switch op := ins.ALUOp(); {
		case op == isa.OpMov && ins.Off == 0:
			out.o = src.o
		case op == isa.OpAdd && src.o == nil, op == isa.OpSub && src.o == nil:
			out.o = dst.o
		case op == isa.OpAdd && dst.o == nil:
			out.o = src.o
		}
	}
	return out
}

func (r *run) constant(ins isa.Instruction) (val, error) {
	hi := r.j.prog.Instructions[r.pc+1]
	switch ins.Src {
	case 0:
		return val{n: isa.Imm64(ins, hi)}, nil
	case isa.PseudoFunc:
		o := r.object(objFunc, 0)
		o.index = r.pc + 1 + int(ins.Imm)
		return val{o.base, o}, nil
	case isa.PseudoMapIdx:
		o := r.maps[ins.Imm].self
		return val{o.base, o}, nil
	case isa.PseudoMapIdxValue:
		o := r.maps[ins.Imm].first()
		return val{o.base + uint64(uint32(hi.Imm)), o}, nil
	}
	return val{}, fmt.Errorf("%w: a constant of kind %d", ErrUnmodelled, ins.Src)
}

// legacyLoad of the packet ends the program if it fails.
func (r *run) legacyLoad(next int) error {
	if r.rng.IntN(2) == 0 {
		return errOver
	}
	r.clobber()
	r.regs[0] = val{n: uint64(r.rng.Uint32())}
	r.pc = next
	return nil
}

func (r *run) load(p val, off, size int) (val, error) {
	at, err := p.span(off, size)
	if err != nil {
		return val{}, r.wrong("%v", err)
	}
	if p.o.kind == objKernel {
		return val{n: r.number() & (1<<(8*size-1)<<1 - 1)}, nil
	}
	if p.o.kind == objContext {
		return r.contextField(at, size)
	}
	return p.o.load(at, size), nil
}

// contextField is what a program of this type finds in its context (struct xdp_md,
// struct __sk_buff).
func (r *run) contextField(at, size int) (val, error) {
	data := val{r.packet.base, r.packet}
	end := val{r.end.base, r.end}
	switch typ := r.j.prog.Type; {
	case typ == abi.ProgXDP && at == 0, typ != abi.ProgXDP && typ != abi.ProgRawTracepoint && at == 76:
		return data, nil
	case typ == abi.ProgXDP && at == 4, typ != abi.ProgXDP && typ != abi.ProgRawTracepoint && at == 80:
		return end, nil
	case typ == abi.ProgXDP && at == 8, typ != abi.ProgXDP && typ != abi.ProgRawTracepoint && at == 140:
		// No metadata: it begins where the packet does.
		return data, nil
	case typ == abi.ProgRawTracepoint, typ == abi.ProgXDP, at+size <= 144:
		return val{n: r.number() & (1<<(8*size-1)<<1 - 1)}, nil
	}
	return val{}, fmt.Errorf("%w: context at %d", ErrUnmodelled, at)
}

func (r *run) write(ins isa.Instruction) error {
	p, size := r.regs[ins.Dst], ins.Bytes()
	if ins.Mode() == isa.ModeATOMIC && ins.Imm == isa.AtomicLoadAcq {
		v, err := r.load(r.regs[ins.Src], int(ins.Off), size)
		r.regs[ins.Dst] = v
		return err
	}
	at, err := p.span(int(ins.Off), size)
	if err != nil {
		return r.wrong("%v", err)
	}
	if k := p.o.kind; k == objSocket || k == objMap || k == objKey || k == objKernel || p.o.readOnly || p.o.kind == objValue && r.maps[p.o.index].Frozen {
		return r.wrong("a %s is written to", k)
	}
	v := r.regs[ins.Src]
	switch {
	case ins.Class() == isa.ClassST:
		v = val{n: uint64(int64(ins.Imm))}
	case ins.Mode() == isa.ModeATOMIC && ins.Imm != isa.AtomicStoreRel:
		r.atomic(ins, p.o, at, size)
		return nil
	}
	if p.o.kind != objContext {
		p.o.store(at, size, v)
	}
	return nil
}

// atomic is RFC 9669, section 5.3.
func (r *run) atomic(ins isa.Instruction, o *object, at, size int) {
	was, src := o.load(at, size), r.regs[ins.Src]
	old := was.n
	mask := uint64(1)<<(8*size-1)<<1 - 1
	next, write := src.n, true
	switch ins.Imm &^ isa.AtomicFetch {
	case isa.AtomicAdd:
		next = old + src.n
	case isa.AtomicOr:
		next = old | src.n
	case isa.AtomicAnd:
		next = old & src.n
	case isa.AtomicXor:
		next = old ^ src.n
	case isa.AtomicCmpXchg &^ isa.AtomicFetch:
		write = old == r.regs[0].n&mask
		r.regs[0] = was
	}
	if write {
		o.store(at, size, val{n: next})
	} else if size < 8 {
		o.forget(at, size)
	}
	if ins.Imm&isa.AtomicFetch != 0 && ins.Imm != isa.AtomicCmpXchg {
		r.regs[ins.Src] = was
	}
}

func (r *run) jump(ins isa.Instruction, next int) error {
	switch {
	case ins.Op == isa.JA, ins.Op == isa.JA32:
		r.pc = next + ins.Displacement()
		return nil
	case ins.IsSubprogCall():
		if r.depth+1 >= maxDepth {
			return r.wrong("calls nest too deeply")
		}
		site := r.pc
		r.depth++
		r.pc = next + int(ins.Imm)
		r.enter(site)
		for i := 6; i < 10; i++ {
			r.regs[i] = val{n: r.rng.Uint64()}
		}
		return nil
	case ins.IsCall():
		if err := r.call(ins); err != nil {
			return err
		}
		r.pc = next
		return nil
	case ins.Op == isa.MayGoto:
		r.pc = next
		if r.rng.IntN(6) == 0 {
			r.pc += int(ins.Off)
		}
		return nil
	}
	y := uint64(int64(ins.Imm))
	if ins.Source() == isa.SrcX {
		y = r.regs[ins.Src].n
	}
	taken := holds(ins, r.regs[ins.Dst].n, y)
	f := r.j.Result.Facts[r.pc]
	if taken && !f.Taken && !f.Both || !taken && !f.NotTaken && !f.Both {
		return r.wrong("the jump goes (%v) where it is said never to", taken)
	}
	r.pc = next
	if taken {
		r.pc += int(ins.Off)
	}
	return nil
}

// accesses are the objects that facts name.
var accesses = map[check.AccessKind]objectKind{
	check.AccessStack: objFrame, check.AccessContext: objContext, check.AccessPacket: objPacket,
	check.AccessMapValue: objValue, check.AccessMapKey: objKey, check.AccessSocket: objSocket,
	check.AccessKernel: objKernel,
}

// checkFact compares what compilers are told of the next instruction, and notes
// what it reads of the stack.
func (r *run) checkFact(ins isa.Instruction) error {
	r.readSize = 0
	f := &r.j.Result.Facts[r.pc]
	if !f.Reached {
		return r.wrong("the run comes to code that is said not to be reached")
	}
	var p val
	switch c := ins.Class(); {
	case c == isa.ClassLDX:
		p = r.regs[ins.Src]
	case c == isa.ClassST, c == isa.ClassSTX:
		p = r.regs[ins.Dst]
		if ins.Mode() == isa.ModeATOMIC && ins.Imm == isa.AtomicLoadAcq {
			p = r.regs[ins.Src]
		}
	default:
		return nil
	}
	at, err := p.span(int(ins.Off), ins.Bytes())
	if err != nil {
		return r.wrong("%v", err)
	}
	if p.o.kind == objFrame && ins.Class() == isa.ClassLDX {
		r.readFrame, r.readAt, r.readSize = p.o, at, ins.Bytes()
	}
	if f.Access == check.AccessNone {
		return r.wrong("nothing is said of an access to a %s", p.o.kind)
	}
	if f.Mixed {
		return nil
	}
	if want, ok := accesses[f.Access]; ok && want != p.o.kind {
		return r.wrong("accesses a %s, said to be a %s", p.o.kind, want)
	}
	if f.Map > 0 && p.o.index != int(f.Map-1) {
		return r.wrong("accesses map %d, said to be %d", p.o.index, f.Map-1)
	}
	if p.o.kind == objFrame && f.Access == check.AccessStack && r.depth-p.o.index != int(f.Frame) {
		return r.wrong("accesses the frame %d above, said to be %d", r.depth-p.o.index, f.Frame)
	}
	if f.Access == check.AccessStack {
		at -= frameSize
	}
	if f.OffsetKnown && f.Access != check.AccessMem && at != int(f.Offset) {
		return r.wrong("accesses offset %d of a %s, said to be %d", at, p.o.kind, f.Offset)
	}
	return nil
}
