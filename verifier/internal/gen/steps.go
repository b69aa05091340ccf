package gen

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// weighted is a step and how often it is made.
type weighted struct {
	weight int
	make   func(*writer)
}

func steps() []weighted {
	return []weighted{
		{6, (*writer).stepConstant},
		{12, (*writer).stepArithmetic},
		{4, (*writer).stepExtend},
		{6, (*writer).stepBound},
		{6, (*writer).stepCopy},
		{6, (*writer).stepPointerAdd},
		{8, (*writer).stepContext},
		{8, (*writer).stepStackStore},
		{8, (*writer).stepSpill},
		{8, (*writer).stepStackLoad},
		{14, (*writer).stepAccess},
		{3, (*writer).stepStackVariable},
		{4, (*writer).stepAtomic},
		{9, (*writer).stepLookup},
		{4, (*writer).stepMapAddress},
		{5, (*writer).stepPlainCall},
		{5, (*writer).stepMemoryCall},
		{3, (*writer).stepMapWrite},
		{4, (*writer).stepSample},
		{4, (*writer).stepSubprogram},
		{2, (*writer).stepCallback},
		{1, (*writer).stepTailCall},
		{2, (*writer).stepForEach},
		{3, (*writer).stepSocket},
		{3, (*writer).stepDynptr},
		{4, (*writer).stepDynptrUse},
		{1, (*writer).stepSampleDynptr},
		{3, (*writer).stepReshape},
		{2, (*writer).stepChecksum},
		{3, (*writer).stepQueue},
		{9, (*writer).stepBranch},
		{5, (*writer).stepPacket},
		{4, (*writer).stepLoop},
		{3, (*writer).stepLinked},
		{2, (*writer).stepOrdered},
		{2, (*writer).stepKnown},
		{2, (*writer).stepIterator},
		{2, (*writer).stepSection},
		{2, (*writer).stepTask},
		{2, (*writer).stepPacketDynptr},
		{4, (*writer).stepSlice},
		{1, (*writer).stepExit},
	}
}

func (w *writer) stepConstant() {
	r := w.any()
	switch w.rng.IntN(3) {
	case 0:
		v := w.rng.Uint64() >> w.rng.IntN(64)
		w.emit(isa.Instruction{Op: isa.LdImm64, Dst: r, Imm: int32(v)}, isa.Instruction{Imm: int32(v >> 32)})
		w.set(r, number(int64(v)))
	case 1:
		v := w.imm()
		w.emit(isa.Instruction{Op: isa.Mov32K, Dst: r, Imm: v})
		w.set(r, number(int64(uint32(v))))
	default:
		w.setImm(r, w.imm())
	}
}

// class is 64-bit arithmetic, or seldom 32-bit.
func (w *writer) class() uint8 {
	if w.rng.IntN(3) == 0 {
		return isa.ClassALU
	}
	return isa.ClassALU64
}

func (w *writer) stepArithmetic() {
	dst := w.pickKind(scalar)
	if w.seldom() {
		dst = w.rng.IntN(10)
	}
	if dst < 0 {
		return
	}
	ops := []uint8{isa.OpAdd, isa.OpSub, isa.OpMul, isa.OpDiv, isa.OpOr, isa.OpAnd, isa.OpLsh, isa.OpRsh, isa.OpNeg, isa.OpMod, isa.OpXor, isa.OpArsh}
	op, class := ops[w.rng.IntN(len(ops))], w.class()
	ins := isa.Instruction{Op: class | op, Dst: uint8(dst)}
	src := w.pickKind(scalar)
	switch {
	case op == isa.OpNeg:
	case src >= 0 && w.rng.IntN(2) == 0:
		ins.Op, ins.Src = ins.Op|isa.SrcX, uint8(src)
	default:
		ins.Imm = w.imm()
	}
	switch op {
	case isa.OpLsh, isa.OpRsh, isa.OpArsh:
		if ins.Source() == isa.SrcK {
			ins.Imm = int32(w.rng.IntN(32))
		}
	case isa.OpDiv, isa.OpMod:
		ins.Off = int16(w.rng.IntN(2))
		if ins.Source() == isa.SrcK && ins.Imm == 0 {
			ins.Imm = 7
		}
	}
	w.emit(ins)
	w.set(uint8(dst), reg{kind: scalar})
}

func (w *writer) stepExtend() {
	r := w.pickKind(scalar)
	if r < 0 {
		return
	}
	d := uint8(r)
	switch w.rng.IntN(4) {
	case 0:
		w.emit(isa.Instruction{Op: isa.MovX, Dst: w.scalarTarget(), Src: d, Off: int16(8 << w.rng.IntN(3))})
	case 1:
		w.emit(isa.Instruction{Op: isa.Mov32X, Dst: w.scalarTarget(), Src: d, Off: []int16{0, 8, 16}[w.rng.IntN(3)]})
	case 2:
		w.emit(isa.Instruction{Op: []uint8{isa.ToLE, isa.ToBE, isa.Bswap}[w.rng.IntN(3)], Dst: d, Imm: int32(16 << w.rng.IntN(3))})
		w.set(d, reg{kind: scalar})
	default:
		w.emit(isa.Instruction{Op: isa.ClassALU | isa.OpRsh, Dst: d, Imm: int32(w.rng.IntN(32))})
		w.set(d, reg{kind: scalar, max: 1<<32 - 1})
	}
}

// scalarTarget is a register that becomes a number.
func (w *writer) scalarTarget() uint8 {
	r := w.any()
	w.set(r, reg{kind: scalar})
	return r
}

// stepBound bounds a number so that it can be an offset.
func (w *writer) stepBound() {
	r := w.pickKind(scalar)
	if r < 0 {
		return
	}
	d, most := uint8(r), uint64(1)<<w.rng.IntN(7)-1
	switch w.rng.IntN(4) {
	case 0, 1:
		w.emit(isa.Instruction{Op: w.class() | isa.OpAnd, Dst: d, Imm: int32(most)})
	case 2:
		w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpMod, Dst: d, Imm: int32(most + 1)})
	default:
		most++
		at := w.hole(isa.Instruction{Op: isa.ClassJMP | isa.OpJLE, Dst: d, Imm: int32(most)})
		w.setImm(d, int32(w.rng.IntN(int(most)+1)))
		w.land(at)
	}
	w.set(d, reg{kind: scalar, max: most})
}

func (w *writer) stepCopy() {
	src := w.pick(func(r reg) bool { return r.kind != nothing })
	if src < 0 {
		return
	}
	w.copy(w.any(), uint8(src))
}

// stepPointerAdd moves a pointer by a constant or by a bounded number.
func (w *writer) stepPointerAdd() {
	p := w.pickKind(frame, value, packet, sample, slice, view)
	if p < 0 {
		return
	}
	src := w.regs[p]
	if src.loose > 512 {
		return
	}
	d := w.any()
	if d != uint8(p) {
		w.copy(d, uint8(p))
	}
	n := w.pick(func(r reg) bool { return r.kind == scalar && r.max > 0 && r.max <= 128 })
	if n >= 0 && n != int(d) && src.kind != frame && w.rng.IntN(3) > 0 {
		w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd | isa.SrcX, Dst: d, Src: uint8(n)})
		src.loose += w.regs[n].max
		if src.kind == packet {
			// A variable offset starts a packet pointer of its own, unchecked.
			src.size, src.id, src.off, src.loose = 0, w.newID(), 0, 0
		}
		w.set(d, src)
		return
	}
	by := int32(w.rng.IntN(17))
	if src.kind == frame {
		by = -by
	}
	w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd, Dst: d, Imm: by})
	src.off += by
	w.set(d, src)
}

// field is one of a context.
type field struct {
	off  int16
	size uint8
	kind kind
}

// fieldsOf are fields of a program type's context that programs may read.
func fieldsOf(t abi.ProgramType) []field {
	word := func(offs ...int16) []field {
		var out []field
		for _, o := range offs {
			out = append(out, field{o, isa.SizeW, scalar})
		}
		return out
	}
	switch t {
	case abi.ProgXDP:
		return append(word(12, 16), field{0, isa.SizeW, packet}, field{4, isa.SizeW, packetEnd})
	case abi.ProgSchedCLS, abi.ProgCgroupSKB:
		return append(word(0, 4, 8, 16, 32, 40, 48, 52, 68), field{76, isa.SizeW, packet}, field{80, isa.SizeW, packetEnd})
	case abi.ProgRawTracepoint:
		return []field{{0, isa.SizeDW, scalar}, {8, isa.SizeDW, scalar}, {16, isa.SizeW, scalar}}
	}
	return word(0, 4, 8, 16, 32, 40, 48, 52, 68)
}

// stepContext reads the context, seldom writes a field of it.
func (w *writer) stepContext() {
	c := w.pickKind(context)
	if c < 0 {
		return
	}
	fields := fieldsOf(w.typ)
	f := fields[w.rng.IntN(len(fields))]
	if w.rng.IntN(12) == 0 && f.kind == scalar {
		if s := w.pickKind(scalar); s >= 0 && (w.typ != abi.ProgRawTracepoint && w.typ != abi.ProgXDP || w.careless()) {
			w.emit(isa.Instruction{Op: isa.ClassSTX | isa.ModeMEM | isa.SizeW, Dst: uint8(c), Src: uint8(s), Off: 48 + 4*int16(w.rng.IntN(5))})
		}
		return
	}
	if w.careless() {
		f.off += int16(1 << w.rng.IntN(6))
	}
	d := w.any()
	w.emit(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | f.size, Dst: d, Src: uint8(c), Off: f.off})
	r := reg{kind: f.kind}
	if f.kind == packet {
		r.id = w.newID()
	}
	w.set(d, r)
}

func (w *writer) stepExit() {
	if w.depth < 2 || len(w.refs) > 0 && !w.careless() {
		return
	}
	w.exit()
	w.ended = true
}
