package verifier

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

func explainUninitialized(s *story) {
	s.Advice = "set the variable on every path to this line; inline assembly that reads an operand names it \"+r\", not \"=r\""
	if s.instruction().Op == isa.Exit {
		s.Summary = "The function ends without a return value."
		s.Advice = "return a value on every path"
		return
	}
	s.Summary = fmt.Sprintf("A variable is used before it has a value (register r%d).", s.reg())
	s.Cause = "nothing on this path sets it"
	if at := s.trace.lastCall(func(isa.Instruction) bool { return true }); at >= 0 && s.reg() >= 1 && s.reg() <= 5 {
		s.Cause = fmt.Sprintf("calls lose r1 to r5: the last was on %s", s.lineOf(at))
	}
}

func explainUnbounded(s *story) {
	s.Summary = "A number without bounds is added to a pointer: the result could lie anywhere."
	s.Advice = "bound the number first: make it unsigned and compare it (if (i >= N) return 0;), or mask it (i &= N - 1)"
	if i := s.index(); i != "" {
		s.Cause = fmt.Sprintf("nothing bounds %s on this path", i)
	}
	s.lostBound()
}

func or(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

func explainNull(s *story) {
	s.Summary = "A pointer that may be NULL is used without a test."
	s.Advice = "test it first: if (!ptr) return 0;"
	if s.Variable != "" && !strings.ContainsAny(s.Variable, " (") {
		s.Advice = fmt.Sprintf("test it first: if (!%s) return 0;", s.Variable)
	}
	if s.reg() < 0 {
		return
	}
	if at := s.trace.origin(s.reg()); at >= 0 {
		if ins := s.r.code.Instructions[at]; ins.IsHelperCall() {
			s.Summary = fmt.Sprintf("The result of %s may be NULL and is used without a test.", helperName(ins.Imm))
			s.Cause = fmt.Sprintf("%s on %s returns NULL if there is nothing to return", helperName(ins.Imm), s.lineOf(at))
		} else if ins.Class() == isa.ClassLDX {
			s.Cause = fmt.Sprintf("it was read on %s and may be NULL there", s.lineOf(at))
		}
	}
}

func movesPacket(ins isa.Instruction) bool {
	if !ins.IsHelperCall() {
		return ins.IsSubprogCall()
	}
	h := abi.HelperByID(abi.HelperID(ins.Imm))
	return h != nil && h.Flags&abi.HelperMovesPacket != 0
}

func releases(ins isa.Instruction) bool {
	h := abi.HelperByID(abi.HelperID(ins.Imm))
	if !ins.IsHelperCall() || h == nil {
		return false
	}
	for _, a := range h.Args {
		if a.Has(abi.ArgReleased) {
			return true
		}
	}
	return false
}

func explainNotPointer(s *story) {
	s.Summary = "Memory is accessed through a number, not through a pointer."
	s.Advice = "keep the pointer in a variable of pointer type; read memory of the kernel or of users with bpf_probe_read_kernel or _user"
	if s.reg() < 0 {
		return
	}
	moved, origin := s.trace.lastCall(movesPacket), s.trace.origin(s.reg())
	if moved >= 0 && origin < moved && s.packetProgram() {
		s.Summary = "A pointer into the packet is used after a call that may have moved the packet."
		s.Known = s.name() + " is no pointer any more"
		s.Cause = "the call on " + s.lineOf(moved) + " makes all pointers into the packet invalid, " + s.name() + " too"
		s.Advice = "read ctx->data and ctx->data_end again after the call, and compare again"
		return
	}
	if released := s.trace.lastCall(releases); released >= 0 && origin < released {
		s.Summary = "A pointer is used after what it points to was given back."
		s.Known = s.name() + " is no pointer any more"
		s.Cause = s.name() + " was released on " + s.lineOf(released)
		s.Advice = "use it before it is released"
		return
	}
	if origin >= 0 {
		s.Cause = "the number comes from " + s.lineOf(origin)
	}
}

func (s *story) packetProgram() bool {
	switch s.r.typ {
	case abi.ProgXDP, abi.ProgSchedCLS, abi.ProgSchedACT, abi.ProgSkSKB, abi.ProgSkMsg, abi.ProgLWTXmit, abi.ProgLWTIn, abi.ProgLWTOut:
		return true
	}
	return false
}

func explainMapBounds(s *story) {
	o := s.operand()
	s.Summary = "The access goes beyond the value of a map."
	if o == nil {
		return
	}
	s.Summary = fmt.Sprintf("The access goes beyond a value of map %s, which has %s.", o.Map, plural(o.Size, "byte", "bytes"))
	index := or(s.index(), "the number added to the pointer")
	switch {
	case strings.Contains(s.Kernel, "min value is negative"):
		s.Cause = index + " may be negative"
		s.Advice = "make the index unsigned, or test it: if (i < 0 || i >= N) return 0;"
		s.lostBound()
	case o.Variable && o.UMax >= math.MaxUint32:
		s.Cause = "nothing bounds " + index
		s.Advice = fmt.Sprintf("compare the index with the number of elements first, or mask it: the last byte accessed must be before offset %d", o.Size)
		s.lostBound()
	case o.Variable:
		s.Cause = fmt.Sprintf("%s is %s, and the last byte accessed must be before offset %d", index, boundsText(o), o.Size)
		s.Advice = "make the bound smaller: if (i >= N) return 0; a comparison with > lets N itself pass"
		s.lostBound()
	default:
		s.Cause = fmt.Sprintf("%s are accessed at offset %d", plural(int64(s.instruction().Bytes()), "byte", "bytes"), int64(o.Offset)+int64(s.instruction().Off))
		s.Advice = "access fields of the value's own type; check the cast and the map's value size"
	}
}

func explainPacket(s *story) {
	o := s.operand()
	s.Summary = "The packet is accessed where it may not reach."
	s.Advice = "compare before the access: if (data + offset + size > data_end) return …;"
	if o == nil {
		return
	}
	if strings.Contains(s.Kernel, "helper access to the packet") {
		s.Summary = "This program type, or this helper, takes no pointer into the packet."
		s.Advice = "copy the bytes to the stack first"
		return
	}
	moved := s.trace.lastCall(movesPacket)
	short := s.tooShort()
	switch {
	case o.Range > 0 && !o.Variable:
		s.Cause = fmt.Sprintf("the comparison covers %s, and this access ends beyond", plural(o.Range, "byte", "bytes"))
		s.Advice = "compare for all the bytes that are accessed: data + offset + size > data_end"
	case o.Range > 0:
		s.Cause = fmt.Sprintf("the comparison covers %s from the pointer's start; the offset adds up to %d more", plural(o.Range, "byte", "bytes"), o.UMax)
	case moved >= 0:
		s.Cause = "an earlier comparison was lost with the call on " + s.lineOf(moved) + ", which may move the packet"
		s.Advice = "read ctx->data and ctx->data_end again after the call, and compare again"
	case o.Variable && o.UMax > math.MaxUint16:
		s.Cause = fmt.Sprintf("%s may be as large as %d, and comparisons count only up to 65535", or(s.index(), "the number added to the pointer"), o.UMax)
		s.Advice = "bound it before it is added: if (offset > 1500) return …; and compare the sum with data_end"
	case o.Variable:
		s.Cause = or(s.index(), "a variable number") + " was added to the pointer after the comparison, or to another copy of it"
		s.Advice = "compare the pointer that is accessed, after the last addition: if (ptr + size > data_end) return …;"
	case short >= 0:
		s.Cause = "the comparison on " + s.lineOf(short) + " leads here when the packet is too short"
		s.Advice = "turn the comparison round: the access belongs where data + size <= data_end"
	default:
		s.Cause = "the pointer was never compared with the end of the packet on this path"
	}
}

// dataEnd is the offset of data_end in the context, by program type.
func (s *story) dataEnd() int16 {
	if s.r.typ == abi.ProgXDP {
		return 4
	}
	return 80 // struct __sk_buff
}

// tooShort is the last comparison on the path with the end of the packet, or -1.
func (s *story) tooShort() int {
	t := s.trace
	for i := t.last() - 1; i >= 0; i-- {
		ins := t.ins(i)
		if !ins.IsConditional() || ins.Source() != isa.SrcX {
			continue
		}
		for _, reg := range []int{int(ins.Dst), int(ins.Src)} {
			if w := t.source(i, reg); w >= 0 && t.ins(w).Class() == isa.ClassLDX && t.ins(w).Off == s.dataEnd() {
				return t.run[i]
			}
		}
	}
	return -1
}

func explainMemory(s *story) {
	if o := s.operand(); o != nil && o.Size > 0 {
		s.Summary = fmt.Sprintf("The access goes beyond the %s that the pointer points to.", plural(o.Size, "byte", "bytes"))
	}
}

func explainStackBounds(s *story) {
	s.Summary = "The access leaves the function's stack frame of 512 bytes."
	s.Advice = "make the array larger or the index smaller; large buffers belong into a per-CPU array map"
	o := s.operand()
	if o == nil || !o.Variable {
		return
	}
	s.Summary = "The access may leave the variable on the stack, and the frame with it."
	s.Cause = fmt.Sprintf("%s is %s, and only %s lie between there and the frame's end", or(s.index(), "the number added"), boundsText(o),
		plural(-int64(o.Offset), "byte", "bytes"))
	s.lostBound()
}

func explainStackRead(s *story) {
	var off, at, size int
	_, _ = fmt.Sscanf(s.Kernel[strings.LastIndex(s.Kernel, " off ")+1:], "off %d+%d size %d", &off, &at, &size)
	switch {
	case strings.Contains(s.Kernel, "size of register fill"):
		s.Summary = "A part of a pointer that was saved on the stack is read."
		s.Advice = "read the pointer whole, as 8 bytes"
	case s.instruction().IsCall():
		s.Summary = "A helper reads bytes of the stack that were never written."
		s.Advice = "initialize the whole structure, padding too: struct key k = {}; or __builtin_memset(&k, 0, sizeof(k))"
		if size > 0 {
			s.Cause = fmt.Sprintf("byte %d of the %d was never written on this path", at, size)
		}
	default:
		s.Summary = "Bytes of the stack are read that were never written."
		s.Advice = "initialize the variable where it is declared"
	}
}

func explainContext(s *story) {
	name := s.r.typ.String()
	l := abi.ContextOf(s.r.typ, s.r.attach, cmp.Or(s.r.arch, "amd64"))
	if l != nil {
		name = "struct " + l.Name
	}
	s.Summary = fmt.Sprintf("The program may not access the context (%s) like this.", name)
	s.Advice = "use a field that programs of this type have, in its whole width; some can be read but not written"
	ins := s.instruction()
	if l == nil || ins.Class() == isa.ClassALU64 {
		return
	}
	off := uint32(int32(ins.Off))
	if o := s.operand(); o != nil {
		off += uint32(o.Offset)
	}
	for i := range l.Fields {
		f := &l.Fields[i]
		if off < f.Offset || off >= f.Offset+f.Size {
			continue
		}
		write := ins.Class() == isa.ClassST || ins.Class() == isa.ClassSTX
		switch {
		case write && f.Store == 0:
			s.Cause = fmt.Sprintf("field %s cannot be written by %s programs", f.Name, s.r.typ)
		case !write && f.Load == 0:
			s.Cause = fmt.Sprintf("field %s cannot be read by %s programs", f.Name, s.r.typ)
		default:
			s.Cause = fmt.Sprintf("field %s cannot be accessed as %d bytes at offset %d", f.Name, ins.Bytes(), off)
		}
		return
	}
	s.Cause = fmt.Sprintf("there is no field at offset %d", off)
}
