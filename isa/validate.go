package isa

import "fmt"

// EncodingError says which instruction is malformed, and how.
type EncodingError struct {
	// Index of the slot, or -1 if only the instruction was given.
	Index       int
	Instruction Instruction
	Reason      string
}

func (e *EncodingError) Error() string {
	if e.Index < 0 {
		return fmt.Sprintf("invalid instruction (opcode 0x%02x): %s", e.Instruction.Op, e.Reason)
	}
	return fmt.Sprintf("invalid instruction %d (opcode 0x%02x): %s", e.Index, e.Instruction.Op, e.Reason)
}

// Validate checks that an instruction exists in RFC 9669 or Linux 6.18, that
// its registers do and that fields it does not use are zero. It knows nothing of
// what the instruction does: division by a zero immediate is fine here. The
// second slot of a 64-bit immediate load is checked by [ValidateCode].
func Validate(ins Instruction) error {
	if why := invalid(ins); why != "" {
		return &EncodingError{Index: -1, Instruction: ins, Reason: why}
	}
	return nil
}

// ValidateCode checks every instruction of a program and what lies between
// them: 64-bit loads are whole, jumps and calls of subprograms land on the start
// of an instruction inside the program, and execution cannot run over its end.
func ValidateCode(insns []Instruction) error {
	fail := func(i int, format string, args ...any) error {
		return &EncodingError{Index: i, Instruction: insns[i], Reason: fmt.Sprintf(format, args...)}
	}
	if len(insns) == 0 {
		return fmt.Errorf("validate code: there are no instructions")
	}
	second := make([]bool, len(insns))
	for i := 0; i < len(insns); i += insns[i].Width() {
		if why := invalid(insns[i]); why != "" {
			return fail(i, "%s", why)
		}
		if insns[i].Width() == 2 {
			if i+1 == len(insns) {
				return fail(i, "second half of the 64-bit load is missing")
			}
			if why := invalidHalf(insns[i], insns[i+1]); why != "" {
				return fail(i, "%s", why)
			}
			second[i+1] = true
		}
	}
	last := 0
	for i := 0; i < len(insns); i += insns[i].Width() {
		last = i
		to, what, ok := destination(insns[i], i)
		if !ok {
			continue
		}
		if to < 0 || to >= len(insns) {
			return fail(i, "%s to %d leaves the program (0 to %d)", what, to, len(insns)-1)
		}
		if second[to] {
			return fail(i, "%s to %d lands inside a 64-bit load", what, to)
		}
	}
	if end := insns[last]; end.Op != Exit && end.Op != JA && end.Op != JA32 {
		return fail(last, "execution runs over the end of the program")
	}
	return nil
}

// destination is the slot an instruction refers to, if it does.
func destination(ins Instruction, at int) (to int, what string, ok bool) {
	switch {
	case ins.IsJump():
		return at + 1 + ins.Displacement(), "jump", true
	case ins.IsSubprogCall():
		return at + 1 + int(ins.Imm), "call", true
	case ins.Op == LdImm64 && ins.Src == PseudoFunc:
		return at + 1 + int(ins.Imm), "function address", true
	}
	return 0, "", false
}

// invalid says what is wrong with the encoding, or "".
func invalid(ins Instruction) string {
	f := forms[ins.Op]
	if f == nil {
		return unknown(ins)
	}
	if ins.Dst >= Registers {
		return fmt.Sprintf("register %d does not exist", ins.Dst)
	}
	if ins.Src >= Registers {
		return fmt.Sprintf("register %d does not exist", ins.Src)
	}
	return f.check(ins)
}

func unknown(ins Instruction) string {
	if ins.Op == 0 {
		return "second half of a 64-bit load without its first, or an empty slot"
	}
	return "unknown opcode"
}

// reserved says which of the fields that must be zero is not.
func reserved(fields ...field) string {
	for _, f := range fields {
		if f.value != 0 {
			return fmt.Sprintf("reserved field %s is %d, must be 0", f.name, f.value)
		}
	}
	return ""
}

type field struct {
	name  string
	value int32
}

func dst(ins Instruction) field { return field{"dst", int32(ins.Dst)} }
func src(ins Instruction) field { return field{"src", int32(ins.Src)} }
func off(ins Instruction) field { return field{"off", int32(ins.Off)} }
func imm(ins Instruction) field { return field{"imm", ins.Imm} }

// unused checks the operand that the source bit does not choose.
func unused(ins Instruction) string {
	if ins.Source() == SrcX {
		return reserved(imm(ins))
	}
	return reserved(src(ins))
}
