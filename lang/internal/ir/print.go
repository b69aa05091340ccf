package ir

import (
	"fmt"
	"strings"
)

// String prints the function, a block a paragraph.
func (f *Func) String() string {
	var b strings.Builder
	var ps []string
	for _, p := range f.Params {
		ps = append(ps, fmt.Sprintf("v%d", p))
	}
	fmt.Fprintf(&b, "func %s(%s)\n", f.Name, strings.Join(ps, ", "))
	for i, s := range f.Slots {
		fmt.Fprintf(&b, "  slot s%d, %d bytes\n", i, s.Size)
	}
	for _, blk := range f.Blocks {
		fmt.Fprintf(&b, "b%d:\n", blk.ID)
		for i := range blk.Ins {
			fmt.Fprintf(&b, "  %s\n", blk.Ins[i].String())
		}
	}
	return b.String()
}

func (a Arg) String() string {
	off := ""
	if a.Imm != 0 {
		off = fmt.Sprintf("%+d", a.Imm)
	}
	switch a.Kind {
	case ArgReg:
		return fmt.Sprintf("v%d", a.Reg)
	case ArgImm:
		return fmt.Sprint(a.Imm)
	case ArgSlot:
		return fmt.Sprintf("&s%d%s", a.Slot, off)
	case ArgMap:
		return "map " + a.Sym
	case ArgMapValue:
		return "value " + a.Sym + off
	case ArgFunc:
		return "func " + a.Sym
	}
	return "-"
}

func (i *Ins) String() string {
	mem := func() string { return fmt.Sprintf("[%s%+d]:%d", i.A, i.Off, i.Size*8) }
	switch i.Op {
	case Mov:
		return fmt.Sprintf("v%d = %s", i.Dst, i.A)
	case Bin:
		return fmt.Sprintf("v%d = %s %s %s", i.Dst, i.A, strings.ToLower(strings.TrimSuffix(i.Alu.String(), "Op")), i.B)
	case Swap:
		return fmt.Sprintf("v%d = swap%d %s", i.Dst, i.Size*8, i.A)
	case Load:
		return fmt.Sprintf("v%d = %s", i.Dst, mem())
	case Store:
		return fmt.Sprintf("%s = %s", mem(), i.B)
	case AtomicAdd:
		return fmt.Sprintf("%s += %s", mem(), i.B)
	case Jump:
		return fmt.Sprintf("jump b%d", i.Then.ID)
	case Branch:
		return fmt.Sprintf("if %s %s %s b%d else b%d", i.A, strings.ToLower(i.Cond.String()), i.B, i.Then.ID, i.Else.ID)
	case Return:
		return "return " + i.A.String()
	}
	var args []string
	for _, a := range i.Args {
		args = append(args, a.String())
	}
	name := i.Sym
	if i.Op == Call {
		name = i.Helper.String()
	}
	return fmt.Sprintf("v%d = %s(%s)", i.Dst, name, strings.Join(args, ", "))
}
