package conformance

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/skepdev/skep/isa"
)

type sourceLine struct {
	number int
	text   string
}

// assembler turns the suite's assembly into slots. It is another language than
// isa's: "stxdw [%r10-8], %r1" for "*(u64 *)(r10 -8) = r1".
type assembler struct {
	out    []isa.Instruction
	labels map[string]int
	jumps  []jump
}

// jump is a slot whose distance waits for its label.
type jump struct {
	slot, line int
	label      string
}

func assemble(lines []sourceLine) ([]isa.Instruction, error) {
	a := &assembler{labels: map[string]int{}}
	for _, l := range lines {
		if err := a.line(l); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", l.number, l.text, err)
		}
	}
	for _, j := range a.jumps {
		if err := a.resolve(j); err != nil {
			return nil, fmt.Errorf("line %d: %w", j.line, err)
		}
	}
	return a.out, nil
}

func (a *assembler) line(l sourceLine) error {
	words := strings.FieldsFunc(l.text, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
	if len(words) == 0 {
		return errors.New("no instruction")
	}
	name, args := words[0], words[1:]
	if label, ok := strings.CutSuffix(name, ":"); ok {
		if _, twice := a.labels[label]; twice {
			return errors.New("the label is there already")
		}
		a.labels[label] = len(a.out)
		return nil
	}
	// The first exit is a label of its own.
	if _, there := a.labels["exit"]; name == "exit" && !there {
		a.labels["exit"] = len(a.out)
	}
	in, label, err := encode(name, args)
	if err != nil {
		return err
	}
	if label != "" {
		a.jumps = append(a.jumps, jump{len(a.out), l.number, label})
	}
	a.out = append(a.out, in...)
	return nil
}

func (a *assembler) resolve(j jump) error {
	to, ok := a.labels[j.label]
	if !ok {
		n, err := strconv.ParseInt(j.label, 0, 16)
		if err != nil {
			return fmt.Errorf("no label %q", j.label)
		}
		to = j.slot + 1 + int(n)
	}
	in, distance := &a.out[j.slot], to-j.slot-1
	if in.Op == isa.Call || in.Op == isa.JA32 {
		in.Imm = int32(distance)
		return nil
	}
	if distance < math.MinInt16 || distance > math.MaxInt16 {
		return fmt.Errorf("label %q is %d slots away", j.label, distance)
	}
	in.Off = int16(distance)
	return nil
}

// encode gives the one or two slots of an instruction, and the label that it
// goes to.
func encode(name string, args []string) (slots []isa.Instruction, label string, err error) {
	var in isa.Instruction
	switch {
	case name == "exit":
		in.Op = isa.Exit
		return []isa.Instruction{in}, "", operands(args, 0)
	case name == "lddw":
		slots, err = encodeWide(args)
		return slots, "", err
	case name == "call":
		in, label, err = encodeCall(args)
	case name == "lock":
		in, err = encodeAtomic(args)
	case name == "ja" || name == "ja32":
		in.Op = isa.JA
		if name == "ja32" {
			in.Op = isa.JA32
		}
		if err = operands(args, 1); err == nil {
			label = args[0]
		}
	default:
		in, label, err = encodeTable(name, args)
	}
	return []isa.Instruction{in}, label, err
}

// encodeTable finds the families whose members differ in a few bits.
func encodeTable(name string, args []string) (isa.Instruction, string, error) {
	if op, ok := memoryOps[name]; ok {
		in, err := encodeMemory(op, args)
		return in, "", err
	}
	if end, ok := byteOrders[name]; ok {
		err := operands(args, 1)
		if err == nil {
			end.Dst, err = register(args[0])
		}
		return end, "", err
	}
	base, class32 := strings.CutSuffix(name, "32")
	if op, ok := jumpOps[base]; ok {
		return encodeJump(op, class32, args)
	}
	in, err := encodeALU(name, args)
	return in, "", err
}

func encodeWide(args []string) ([]isa.Instruction, error) {
	if err := operands(args, 2); err != nil {
		return nil, err
	}
	dst, err := register(args[0])
	if err != nil {
		return nil, err
	}
	v, err := strconv.ParseUint(args[1], 0, 64)
	if err != nil {
		signed, err := strconv.ParseInt(args[1], 0, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no 64-bit number", args[1])
		}
		v = uint64(signed)
	}
	return []isa.Instruction{{Op: isa.LdImm64, Dst: dst, Imm: int32(v)}, {Imm: int32(v >> 32)}}, nil
}

func encodeCall(args []string) (in isa.Instruction, label string, err error) {
	in.Op = isa.Call
	if len(args) == 2 && args[0] == "local" {
		in.Src = isa.PseudoCall
		return in, args[1], nil
	}
	if err := operands(args, 1); err != nil {
		return in, "", err
	}
	if strings.HasPrefix(args[0], "%") {
		in.Op = isa.CallX
		in.Dst, err = register(args[0])
		return in, "", err
	}
	in.Imm, err = immediate(args[0])
	return in, "", err
}

func encodeALU(name string, args []string) (in isa.Instruction, err error) {
	in.Op = isa.ClassALU64
	base, narrow := strings.CutSuffix(name, "32")
	if narrow {
		in.Op = isa.ClassALU
	} else {
		base = strings.TrimSuffix(name, "64")
	}
	if from, ok := strings.CutPrefix(base, "movsx"); ok {
		switch from {
		case "8", "16", "32":
			bits, _ := strconv.Atoi(from)
			in.Off, base = int16(bits), "mov"
		default:
			return in, errors.New("no such instruction")
		}
	}
	op, ok := aluOps[base]
	if !ok {
		return in, errors.New("no such instruction")
	}
	in.Op |= op
	if base == "sdiv" || base == "smod" {
		in.Off = 1
	}
	want := 2
	if base == "neg" {
		want = 1
	}
	if err := operands(args, want); err != nil {
		return in, err
	}
	if in.Dst, err = register(args[0]); err == nil && want == 2 {
		err = source(&in, args[1])
	}
	return in, err
}

func encodeJump(op uint8, narrow bool, args []string) (in isa.Instruction, label string, err error) {
	in.Op = isa.ClassJMP | op
	if narrow {
		in.Op = isa.ClassJMP32 | op
	}
	if err := operands(args, 3); err != nil {
		return in, "", err
	}
	if in.Dst, err = register(args[0]); err == nil {
		err = source(&in, args[1])
	}
	return in, args[2], err
}

// encodeMemory reads "ldxw %r0, [%r1+2]", "stxw [%r1+2], %r0" or
// "stw [%r1+2], 3", which opcode op is.
func encodeMemory(op uint8, args []string) (in isa.Instruction, err error) {
	in.Op = op
	if err := operands(args, 2); err != nil {
		return in, err
	}
	switch op & isa.ClassMask {
	case isa.ClassLDX:
		if in.Dst, err = register(args[0]); err == nil {
			in.Src, in.Off, err = place(args[1])
		}
		return in, err
	case isa.ClassST:
		in.Imm, err = immediate(args[1])
	default:
		in.Src, err = register(args[1])
	}
	if err == nil {
		in.Dst, in.Off, err = place(args[0])
	}
	return in, err
}

// encodeAtomic reads what follows "lock": "[fetch] add[32] [%r10-8], %r1".
func encodeAtomic(args []string) (in isa.Instruction, err error) {
	fetch := len(args) > 0 && args[0] == "fetch"
	if fetch {
		args = args[1:]
	}
	if err := operands(args, 3); err != nil {
		return in, err
	}
	in.Op = isa.ClassSTX | isa.ModeATOMIC | isa.SizeDW
	base, narrow := strings.CutSuffix(args[0], "32")
	if narrow {
		in.Op = isa.ClassSTX | isa.ModeATOMIC | isa.SizeW
	}
	op, ok := atomicOps[base]
	if !ok {
		return in, errors.New("no such atomic operation")
	}
	in.Imm = op
	if fetch {
		in.Imm |= isa.AtomicFetch
	}
	if in.Dst, in.Off, err = place(args[1]); err == nil {
		in.Src, err = register(args[2])
	}
	return in, err
}

func operands(args []string, want int) error {
	if len(args) != want {
		return fmt.Errorf("%d operands where there must be %d", len(args), want)
	}
	return nil
}

// source is the second operand of arithmetic and jumps.
func source(in *isa.Instruction, arg string) (err error) {
	if strings.HasPrefix(arg, "%") {
		in.Op |= isa.SrcX
		in.Src, err = register(arg)
		return err
	}
	in.Imm, err = immediate(arg)
	return err
}

func register(arg string) (uint8, error) {
	digits, ok := strings.CutPrefix(arg, "%r")
	n, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil || n > 10 {
		return 0, fmt.Errorf("%q is no register", arg)
	}
	return uint8(n), nil
}

// immediate reads 32 bits: signed in decimal, either way in hex.
func immediate(arg string) (int32, error) {
	if n, err := strconv.ParseInt(arg, 0, 32); err == nil {
		return int32(n), nil
	}
	if n, err := strconv.ParseUint(arg, 0, 32); err == nil && strings.HasPrefix(arg, "0x") {
		return int32(uint32(n)), nil
	}
	return 0, fmt.Errorf("%q does not fit in 32 bits", arg)
}

// place reads "[%r1+2]".
func place(arg string) (reg uint8, off int16, err error) {
	inner, open := strings.CutPrefix(arg, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !open || !closed {
		return 0, 0, fmt.Errorf("%q is no place in memory", arg)
	}
	sign := strings.IndexAny(inner, "+-")
	if sign < 0 {
		reg, err = register(inner)
		return reg, 0, err
	}
	n, err := strconv.ParseInt(inner[sign:], 0, 16)
	if err != nil {
		return 0, 0, fmt.Errorf("offset %q does not fit in 16 bits", inner[sign:])
	}
	reg, err = register(inner[:sign])
	return reg, int16(n), err
}
