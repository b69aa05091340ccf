package verifier

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/check"
)

// story is an explanation while it is put together.
type story struct {
	*Explanation
	r     *Rejection
	trace *trace
}

// rule says what a rule is about: in a sentence, with advice that fits most
// cases, and with a function for what depends on the case.
type rule struct {
	summary, advice string
	explain         func(*story)
}

// rules by name (verifier/internal/check/rules.go).
var rules = map[string]rule{
	string(check.RuleStructure): {
		summary: "The code is not a sound program: some of it cannot be reached, or control leaves it.",
		advice:  "remove code behind an endless loop or an unconditional return; end every function with a return",
	},
	string(check.RuleEncoding): {
		summary: "An instruction does not exist in this kernel.",
		advice:  "compile for an older instruction set (clang -mcpu=v3), or judge for a newer kernel",
	},
	string(check.RuleUninitialized): {explain: explainUninitialized},
	string(check.RuleFramePointer): {
		summary: "The frame pointer r10 cannot be changed.",
		advice:  "copy r10 to another register and do arithmetic there",
	},
	string(check.RulePointerMath): {
		summary: "This arithmetic is not allowed on a pointer.",
		advice:  "add or subtract a number in 64 bits; keep what you calculate with in an integer and add it to the pointer once",
		explain: explainPointerMath,
	},
	string(check.RuleUnboundedMath): {explain: explainUnbounded},
	string(check.RulePointerLeak): {
		summary: "An address of the kernel would become visible to the program's user.",
		advice:  "store what the pointer points to, not the pointer; or load the program with CAP_PERFMON",
	},
	string(check.RuleNullPointer):  {explain: explainNull},
	string(check.RuleNotPointer):   {explain: explainNotPointer},
	string(check.RuleMapBounds):    {explain: explainMapBounds},
	string(check.RulePacketBounds): {explain: explainPacket},
	string(check.RuleMemBounds): {
		summary: "The access goes beyond the memory that the pointer points into.",
		advice:  "compare the offset with the size before the access",
		explain: explainMemory,
	},
	string(check.RuleStackBounds): {
		summary: "The access leaves the function's stack frame of 512 bytes.",
		advice:  "make the array larger or the index smaller; large buffers belong into a per-CPU array map",
	},
	string(check.RuleStackRead): {explain: explainStackRead},
	string(check.RuleContext):   {explain: explainContext},
	string(check.RuleReadOnly):  {explain: explainReadOnly},
	string(check.RuleAlignment): {
		summary: "The access is not aligned to its size.",
		advice:  "access smaller parts, or copy the bytes with __builtin_memcpy",
	},
	string(check.RuleHelper):       {explain: explainHelper},
	string(check.RuleArgument):     {explain: explainArgument},
	string(check.RuleArgumentSize): {explain: explainSize},
	string(check.RuleMapType): {
		summary: "The map does not fit what is done with it.",
		advice:  "see which helpers the map type has; a ring buffer has bpf_ringbuf_*, a queue bpf_map_push_elem and _pop_elem",
	},
	string(check.RuleReference): {explain: explainReference},
	string(check.RuleReleased): {
		summary: "What is given back here was not acquired, or was given back before.",
		advice:  "release each reference once, and only what an acquiring function returned",
	},
	string(check.RuleLock): {explain: explainLock},
	string(check.RuleSleep): {
		summary: "The call may sleep, and here nothing may.",
		advice:  "make the program sleepable (SEC(\"….s\")), or call it outside of the lock or read section",
	},
	string(check.RuleReturn): {explain: explainReturn},
	string(check.RuleLoop): {
		summary: "The loop comes back to where it was with nothing changed: it would never end.",
		advice:  "change a variable that the condition reads in each round; or bound the loop with bpf_for, bpf_loop or may_goto",
	},
	string(check.RuleTooComplex): {
		summary: "The program has more paths than the verifier follows.",
		advice:  "split it with tail calls or global functions, use bpf_loop instead of unrolled or long loops, bound what is compared early",
	},
	string(check.RuleStackDepth): {
		summary: "The frames of functions that call each other need more than 512 bytes together.",
		advice:  "move large variables into a per-CPU array map, or inline small functions (__always_inline)",
	},
	string(check.RuleCallDepth): {
		summary: "Functions call each other more than 8 deep, or without end.",
		advice:  "inline some of them (__always_inline), and replace recursion by a loop",
	},
	string(check.RuleSubprogram): {
		summary: "The call does not fit the function's prototype.",
		advice:  "global functions are checked from their prototype alone: pass numbers, the context, or pointers to memory of the declared size; or make the function static",
	},
	string(check.RuleKfunc): {
		summary: "The kernel function cannot be called like this, or does not exist in this kernel.",
		advice:  "declare it __weak and test bpf_ksym_exists() before the call, or judge with the types of a kernel that has it (--types)",
	},
	string(check.RuleDynptr): {
		summary: "The dynptr is not in the state that the call needs.",
		advice:  "make it with bpf_dynptr_from_* or bpf_ringbuf_reserve_dynptr first, leave its stack slots alone, and release it once",
	},
	string(check.RuleIterator): {
		summary: "The iterator is not in the state that the call needs.",
		advice:  "call _new once, _next until it returns NULL, and _destroy on every path",
	},
	string(check.RuleSpecialField): {
		summary: "The field has a meaning to the kernel (a lock, timer, kernel pointer) and cannot be read or written as data.",
		advice:  "access the fields beside it one by one, and this one with its helpers",
	},
	string(check.RuleKernelPointer): {
		summary: "The access to a structure of the kernel is not allowed.",
		advice:  "read fields with BPF_CORE_READ or bpf_probe_read_kernel",
	},
	string(check.RuleAtomic): {
		summary: "An atomic operation is not possible on this memory.",
		advice:  "use it on the stack, map values or arena memory",
	},
	string(check.RuleDivision): {summary: "The program divides by a constant 0.", advice: "compare the divisor with 0 first"},
	string(check.RuleShift):    {summary: "The shift is wider than the number.", advice: "shift by less than 64 (or 32) bits"},
	string(check.RuleAttach): {
		summary: "The program cannot be attached where its section says.",
		advice:  "check the name in SEC(); functions can be inlined or renamed between kernels",
	},
	string(check.RuleCallback): {
		summary: "The function cannot serve as a callback here.",
		advice:  "make it static, keep its BTF (clang -g), and give it the prototype that the helper documents",
	},
	string(check.RuleTypes): {
		summary: "Type information is missing or does not fit.",
		advice:  "compile with -g; give the types of the kernel to judge for (--types)",
	},
	string(check.RuleLimit): {
		summary: "A limit that was set for this verification was reached.",
		advice:  "raise the limit, or simplify the program",
	},
	string(check.RuleNotSupported): {
		summary: "The program has something that this verifier does not judge.",
		advice:  "ask the kernel itself (--compare)",
	},
	string(check.RuleSpeculation): {
		summary: "Users without CAP_PERFMON may not do this: a processor could run ahead with a wrong value.",
		advice:  "do the arithmetic with constants, or load the program with CAP_PERFMON",
	},
	string(check.RuleException): {
		summary: "An exception cannot be thrown or caught like this.",
		advice:  "release references and locks before bpf_throw",
	},
	string(check.RuleLegacyLoad): {
		summary: "Legacy packet loads cannot be used here.",
		advice:  "use bpf_skb_load_bytes",
	},
	string(check.RuleConstantString): {
		summary: "The argument must be a string constant.",
		advice:  "pass a string literal, or a static const char array",
	},
	string(check.RuleInternal): {
		summary: "The verifier contradicts itself; the program is refused to be safe.",
		advice:  "report it with the object",
	},
}

func helperName(id int32) string {
	h := abi.HelperByID(abi.HelperID(id))
	if h == nil {
		return ""
	}
	return h.ID.String()
}

// known describes the operand.
func known(r *Rejection) string {
	o := r.inner.Operand
	if o == nil {
		return ""
	}
	return fmt.Sprintf("r%d is %s", r.inner.Register, operandText(o))
}

func operandText(o *check.Operand) string {
	if o.Number {
		return "a number " + boundsText(o)
	}
	s := what(o)
	if o.Offset != 0 {
		s += fmt.Sprintf(", %+d bytes", o.Offset)
	}
	if o.Variable {
		s += ", plus a number " + boundsText(o)
	}
	if o.MaybeNull {
		s += ", or NULL"
	}
	return s
}

// what names what a pointer points to.
func what(o *check.Operand) string {
	kind := strings.TrimSuffix(o.Kind, "_or_null")
	switch {
	case o.Map != "" && kind == "map_ptr":
		return "the map " + o.Map
	case o.Map != "":
		return fmt.Sprintf("a pointer into a value of map %s (%d bytes)", o.Map, o.Size)
	case o.Structure != "":
		return "a pointer to the kernel's struct " + o.Structure
	}
	switch kind {
	case "pkt":
		if o.Range > 0 {
			return fmt.Sprintf("a pointer into the packet, of which %d bytes are known to be there", o.Range)
		}
		return "a pointer into the packet, of which no byte is known to be there"
	case "fp":
		return "a pointer into the stack"
	case "ctx":
		return "the context"
	case "mem", "ringbuf_mem":
		return fmt.Sprintf("a pointer to %d bytes of memory", o.Size)
	}
	return "a pointer (" + kind + ")"
}

func boundsText(o *check.Operand) string {
	switch {
	case o.UMin == o.UMax:
		return fmt.Sprintf("%d", int64(o.UMin))
	case o.UMin == 0 && o.UMax == math.MaxUint64 && o.SMin == math.MinInt64 && o.SMax == math.MaxInt64:
		return "without any bounds"
	case o.SMin >= 0:
		return fmt.Sprintf("from %d to %d", o.UMin, o.UMax)
	}
	return fmt.Sprintf("from %d to %d", o.SMin, o.SMax)
}

// lineOf names the source line of a slot, or the slot.
func (s *story) lineOf(slot int) string {
	if p := placeOf(s.r.code, slot); p.Line > 0 {
		return fmt.Sprintf("line %d (%s)", p.Line, strings.TrimSpace(p.Text))
	}
	return fmt.Sprintf("instruction %d", slot)
}

func (s *story) operand() *check.Operand { return s.r.inner.Operand }

func (s *story) reg() int { return s.r.inner.Register }

func (s *story) instruction() isa.Instruction {
	if s.r.Slot >= 0 && s.r.Slot < len(s.r.code.Instructions) {
		return s.r.code.Instructions[s.r.Slot]
	}
	return isa.Instruction{}
}

func explainUninitialized(s *story) {
	if s.instruction().Op == isa.Exit || s.reg() == 0 {
		s.Summary = "The function ends without a return value."
		s.Advice = "return a value on every path"
		return
	}
	s.Summary = fmt.Sprintf("A variable is used before it has a value (register r%d).", s.reg())
	s.Advice = "set the variable on every path to this line"
	if at := s.trace.lastCall(func(isa.Instruction) bool { return true }); at >= 0 && s.reg() >= 1 && s.reg() <= 5 {
		s.Cause = fmt.Sprintf("calls lose r1 to r5: the last was on %s", s.lineOf(at))
	}
}

func explainPointerMath(s *story) {
	if o := s.operand(); o != nil && strings.Contains(s.Kernel, "modified ctx") {
		s.Summary = "The context was changed by arithmetic, and only the pointer as it was given may be used."
		s.Advice = "access fields of the context by name; compilers merge such accesses: mark the pointer volatile or use bpf_probe_read"
	}
	if strings.Contains(s.Kernel, "32-bit pointer arithmetic") {
		s.Advice = "do the arithmetic in 64 bits: use long or __u64 for offsets, or copy the pointer before casting it"
	}
}

func explainUnbounded(s *story) {
	s.Summary = "A number without a lower bound is added to a pointer: the result could lie anywhere."
	s.Advice = "bound the number first: make it unsigned and compare it (if (i >= N) return 0;), or mask it (i &= N - 1)"
	if at := s.lost(); at >= 0 {
		s.Cause = "what was known of it was lost on " + s.lineOf(at)
	}
}

// lost is the instruction that gave the source of pointer arithmetic its value.
func (s *story) lost() int {
	ins := s.instruction()
	if ins.Source() == isa.SrcX && (ins.Class() == isa.ClassALU64 || ins.Class() == isa.ClassALU) {
		return s.trace.origin(int(ins.Src))
	}
	return -1
}

func explainNull(s *story) {
	s.Summary = "A pointer that may be NULL is used without a test."
	s.Advice = "test it first: if (!ptr) return 0;"
	if s.reg() < 0 {
		return
	}
	if at := s.trace.origin(s.reg()); at >= 0 {
		if ins := s.r.code.Instructions[at]; ins.IsHelperCall() {
			s.Summary = fmt.Sprintf("The result of %s may be NULL and is used without a test.", helperName(ins.Imm))
			s.Cause = fmt.Sprintf("%s on %s returns NULL if there is nothing to return", helperName(ins.Imm), s.lineOf(at))
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

func explainNotPointer(s *story) {
	s.Summary = "Memory is accessed through a number, not through a pointer."
	s.Advice = "keep the pointer in a variable of pointer type; read memory of the kernel or of users with bpf_probe_read_kernel or _user"
	if s.reg() < 0 {
		return
	}
	moved := s.trace.lastCall(movesPacket)
	origin := s.trace.origin(s.reg())
	if moved >= 0 && origin < moved && s.packetProgram() {
		s.Summary = "A pointer into the packet is used after a call that may have moved the packet."
		s.Cause = "the call on " + s.lineOf(moved) + " makes all pointers into the packet invalid"
		s.Advice = "read ctx->data and ctx->data_end again after the call, and compare again"
		return
	}
	released := s.trace.lastCall(func(ins isa.Instruction) bool {
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
	})
	if released >= 0 && origin < released {
		s.Summary = "A pointer is used after what it points to was given back."
		s.Cause = "it was released on " + s.lineOf(released)
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
	s.Summary = fmt.Sprintf("The access goes beyond a value of map %s, which has %d bytes.", o.Map, o.Size)
	switch {
	case strings.Contains(s.Kernel, "min value is negative"):
		s.Cause = "the index may be negative"
		s.Advice = "make the index unsigned, or test it: if (i < 0 || i >= N) return 0;"
	case o.Variable:
		s.Cause = fmt.Sprintf("the offset can be %s", boundsText(o))
		s.Advice = fmt.Sprintf("compare the index with the number of elements first, or mask it: the last byte accessed must be before offset %d", o.Size)
	default:
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
	switch {
	case o.Range > 0 && !o.Variable:
		s.Cause = fmt.Sprintf("the comparison covers %d bytes, and this access ends beyond them", o.Range)
		s.Advice = "compare for all the bytes that are accessed: data + offset + size > data_end"
	case o.Range > 0:
		s.Cause = fmt.Sprintf("the comparison covers %d bytes from the pointer's start; the offset adds up to %d more", o.Range, o.UMax)
	case moved >= 0:
		s.Cause = "an earlier comparison was lost with the call on " + s.lineOf(moved) + ", which may move the packet"
		s.Advice = "read ctx->data and ctx->data_end again after the call, and compare again"
	case o.Variable:
		s.Cause = "a variable number was added to the pointer after the comparison, or to another copy of it"
		s.Advice = "compare the pointer that is accessed, after the last addition: if (ptr + size > data_end) return …;"
	default:
		s.Cause = "the pointer was never compared with the end of the packet on this path"
	}
}

func explainMemory(s *story) {
	if o := s.operand(); o != nil && o.Size > 0 {
		s.Summary = fmt.Sprintf("The access goes beyond the %d bytes that the pointer points to.", o.Size)
	}
}

func explainStackRead(s *story) {
	switch {
	case strings.Contains(s.Kernel, "size of register fill"):
		s.Summary = "A part of a pointer that was saved on the stack is read."
		s.Advice = "read the pointer whole, as 8 bytes"
	case s.instruction().IsCall():
		s.Summary = "A helper reads bytes of the stack that were never written."
		s.Advice = "initialize the whole structure, padding too: struct key k = {}; or __builtin_memset(&k, 0, sizeof(k))"
	default:
		s.Summary = "Bytes of the stack are read that were never written."
		s.Advice = "initialize the variable where it is declared"
	}
}

func explainContext(s *story) {
	name := s.r.typ.String()
	if l := abi.ContextOf(s.r.typ, 0, "amd64"); l != nil {
		name = "struct " + l.Name
	}
	s.Summary = fmt.Sprintf("The program may not access the context (%s) like this.", name)
	s.Advice = "use a field that programs of this type have, in its whole width; some can be read but not written"
	ins := s.instruction()
	l := abi.ContextOf(s.r.typ, 0, "amd64")
	if l == nil || ins.Class() == isa.ClassALU64 {
		return
	}
	off := uint32(int32(ins.Off))
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

func explainReadOnly(s *story) {
	s.Summary = "Memory that may only be read is written."
	s.Advice = "copy it to the stack or a map value and change the copy"
	switch {
	case strings.Contains(s.Kernel, "into packet"):
		s.Summary = fmt.Sprintf("Programs of type %s may not write to the packet.", s.r.typ)
	case strings.Contains(s.Kernel, "into map"):
		s.Summary = "The map was made so that programs may not write to it (const data, BPF_F_RDONLY_PROG)."
		s.Advice = "leave out const, or put what changes into another map"
	}
}

func explainHelper(s *story) {
	ins := s.instruction()
	name := helperName(ins.Imm)
	h := abi.HelperByID(abi.HelperID(ins.Imm))
	switch {
	case h == nil:
		s.Summary = fmt.Sprintf("There is no helper number %d.", ins.Imm)
		s.Advice = "if this is a CO-RE relocation that was not resolved, guard it with bpf_core_field_exists"
	case strings.Contains(s.Kernel, "GPL"):
		s.Summary = name + " may be called by programs under a GPL-compatible license only."
		s.Advice = "char LICENSE[] SEC(\"license\") = \"GPL\"; (or \"Dual BSD/GPL\")"
	default:
		s.Summary = fmt.Sprintf("Programs of type %s may not call %s.", s.r.typ, name)
		var types []string
		for _, t := range h.Programs.Types() {
			types = append(types, t.String())
		}
		sort.Strings(types)
		if len(types) > 8 {
			types = append(types[:8], "…")
		}
		s.Advice = name + " is for: " + strings.Join(types, ", ")
	}
}

func explainArgument(s *story) {
	ins := s.instruction()
	s.Summary = fmt.Sprintf("An argument of %s is of the wrong kind.", callName(s, ins))
	s.Advice = "see the prototype: " + prototype(ins)
	if o := s.operand(); o != nil && o.MaybeNull {
		s.Summary = fmt.Sprintf("An argument of %s may be NULL.", callName(s, ins))
		s.Advice = "test it first: if (!ptr) return 0;"
	}
}

func callName(s *story, ins isa.Instruction) string {
	switch {
	case ins.IsHelperCall():
		return helperName(ins.Imm)
	case ins.IsKfuncCall():
		return s.r.code.Kfuncs[ins.Imm].Name
	}
	return "the function"
}

// prototype is a helper's, in the words of its table.
func prototype(ins isa.Instruction) string {
	h := abi.HelperByID(abi.HelperID(ins.Imm))
	if !ins.IsHelperCall() || h == nil {
		return "the function's declaration"
	}
	var args []string
	for _, a := range h.Args {
		args = append(args, a.String())
	}
	return fmt.Sprintf("%s(%s)", h.ID, strings.Join(args, ", "))
}

func explainSize(s *story) {
	ins := s.instruction()
	s.Summary = fmt.Sprintf("The size given to %s is not bounded by the memory.", callName(s, ins))
	s.Advice = "bound it before the call: if (len > sizeof(buf)) len = sizeof(buf); with an unsigned len"
	if o := s.operand(); o != nil && o.Number {
		switch {
		case o.SMin < 0:
			s.Cause = "it may be negative, which counts as very large"
			s.Advice = "make it unsigned (__u32) and bound it: if (len > sizeof(buf)) len = sizeof(buf);"
		case o.UMin == 0:
			s.Cause = "it may be 0"
			s.Advice = "test it: if (len == 0 || len > sizeof(buf)) return 0;"
		}
	}
}

func explainReference(s *story) {
	s.Summary = "Something that was acquired is not given back on this path."
	s.Advice = "release it on every path: bpf_sk_release, bpf_ringbuf_submit or _discard, or the kfunc's _release or _destroy"
	if refs := s.r.inner.Refs; len(refs) > 0 {
		at := refs[len(refs)-1]
		ins := s.r.code.Instructions[at]
		s.Cause = fmt.Sprintf("%s on %s acquired it", callName(s, ins), s.lineOf(at))
	}
}

func explainLock(s *story) {
	s.Summary = "The rules for locks are broken: one at a time, nothing called while it is held, and released on every path."
	s.Advice = "call helpers before bpf_spin_lock or after bpf_spin_unlock"
	if refs := s.r.inner.Refs; len(refs) > 0 {
		s.Cause = "the lock was taken on " + s.lineOf(refs[len(refs)-1])
	}
}

func explainReturn(s *story) {
	s.Summary = "The return value is outside of what this program may return."
	if i := strings.LastIndex(s.Kernel, "["); i >= 0 {
		s.Summary = "The return value must be in " + strings.TrimSpace(s.Kernel[i:]) + "."
	}
	s.Advice = "return one of the allowed constants; if the value is computed, bound it first"
}
