package interp

import (
	"fmt"
	"slices"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// Compile checks a program's form and decodes it. Errors are [*Error].
func Compile(spec *Spec) (*Program, error) {
	n := len(spec.Instructions)
	if n == 0 {
		return nil, &Error{-1, "the program has no instructions", false}
	}
	if n > abi.MaxSlots {
		return nil, &Error{-1, fmt.Sprintf("%d instructions; the limit is %d", n, abi.MaxSlots), false}
	}
	d := &decoder{
		spec: spec,
		p: &Program{
			Name: spec.Name, Type: spec.Type, Maps: slices.Clone(spec.Maps), Insns: slices.Clone(spec.Instructions),
			ops:   make([]Op, n+1),
			funcs: map[int32]int32{}, taken: map[int32]bool{}, facts: spec.Facts,
		},
		helperAt: map[int64]int64{},
	}
	d.insns = d.p.Insns
	for _, m := range d.p.Maps {
		if m.Arena != nil {
			d.p.arena = m.Arena
		}
	}
	d.findSecondSlots()
	for i := 0; i < n; i++ {
		if d.second[i] {
			continue
		}
		if err := d.decode(i); err != nil {
			return nil, err
		}
	}
	if err := d.layFunctions(); err != nil {
		return nil, err
	}
	d.traceAll()
	return d.p, nil
}

// traceAll puts a stop before every operation, if somebody wants to see them.
func (d *decoder) traceAll() {
	if d.spec.Trace == nil {
		return
	}
	d.p.trace, d.p.plain = d.spec.Trace, slices.Clone(d.p.ops)
	for i := range d.p.ops {
		if d.p.ops[i].Code != 0 {
			d.p.ops[i].Code = OpTraced
		}
	}
}

type decoder struct {
	spec     *Spec
	p        *Program
	insns    []isa.Instruction
	second   []bool // second slots of 64-bit immediate loads
	starts   []int32
	jumps    []int // slots of jumps
	helperAt map[int64]int64
}

func (d *decoder) fail(i int, format string, args ...any) error {
	return &Error{i, fmt.Sprintf(format, args...), false}
}

func (d *decoder) missing(i int, format string, args ...any) error {
	return &Error{i, fmt.Sprintf(format, args...), true}
}

func (d *decoder) findSecondSlots() {
	d.second = make([]bool, len(d.insns))
	for i := 0; i < len(d.insns); i++ {
		if d.insns[i].Op == isa.LdImm64 && i+1 < len(d.insns) {
			i++
			d.second[i] = true
		}
	}
}

func (d *decoder) decode(i int) error {
	in := d.insns[i]
	if in.Dst >= isa.Registers || in.Src >= isa.Registers {
		return d.fail(i, "register r%d does not exist", max(in.Dst, in.Src))
	}
	op := &d.p.ops[i]
	op.Dst, op.Src, op.Off, op.Imm = in.Dst, in.Src, int32(in.Off), int64(in.Imm)
	switch in.Op & isa.ClassMask {
	case isa.ClassALU, isa.ClassALU64:
		return d.alu(i, in, op)
	case isa.ClassJMP, isa.ClassJMP32:
		return d.jump(i, in, op)
	case isa.ClassLD:
		return d.load(i, in, op)
	case isa.ClassLDX:
		return d.loadMem(i, in, op)
	case isa.ClassST:
		return d.store(i, in, op, OpStoreK8, OpStoreStackK8)
	default:
		if in.Op&isa.ModeMask == isa.ModeATOMIC {
			return d.atomic(i, in, op)
		}
		return d.store(i, in, op, OpStore8, OpStoreStack8)
	}
}

func (d *decoder) unknown(i int) error {
	in := d.insns[i]
	return d.fail(i, "unknown instruction: opcode %#02x, src %d, offset %d, immediate %d", in.Op, in.Src, in.Off, in.Imm)
}

// layFunctions finds where subprograms begin and end, and checks that control
// stays within them.
func (d *decoder) layFunctions() error {
	n := int32(len(d.insns))
	d.starts = append(d.starts, 0)
	for _, e := range d.spec.Entries {
		if e < 0 || e >= int(n) || d.second[e] {
			return d.fail(-1, "function information names slot %d, where no instruction starts", e)
		}
		d.starts = append(d.starts, int32(e))
	}
	slices.Sort(d.starts)
	d.starts = slices.Compact(d.starts)
	for i, s := range d.starts {
		end := n
		if i+1 < len(d.starts) {
			end = d.starts[i+1]
		}
		d.p.funcs[s] = end - s
		last := end - 1
		if d.second[last] {
			last--
		}
		if c := d.p.ops[last].Code; c != OpExit && c != OpJA {
			return d.fail(int(last), "control runs past the end of the function: its last instruction is neither exit nor an unconditional jump")
		}
	}
	for _, j := range d.jumps {
		f, _ := slices.BinarySearch(d.starts, int32(j)+1)
		start := d.starts[f-1]
		if to := d.p.ops[j].Off; to < start || to >= start+d.p.funcs[start] {
			return d.fail(j, "jump out of its function, to slot %d", to)
		}
	}
	return nil
}
