package check

import (
	"slices"
	"sort"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/isa"
)

// subprog is a function of the program: instructions [start, end).
type subprog struct {
	name       string
	start, end int
	fn         *btf.Func
	global     bool // verified on its own, from its BTF
	called     bool // by a path that was followed
	referenced bool // by code that can be reached
	walked     bool
	verified   bool
	isCallback bool
	isAsync    bool
	isExcept   bool
	hasTail    bool
	hasLdAbs   bool
	stack      int
	args       []argInfo // of global functions
	argsReady  bool
	// changesPacket and mightSleep say what calling it may do.
	changesPacket, mightSleep bool
	// Spills around fastcalls: the lowest offset above them, whether some can go,
	// and whether all must stay.
	fastcallOff              int
	fastcalls, keepFastcalls bool
	postorder                []int
}

// checkSize refuses programs longer than their privilege allows.
func (c *Checker) checkSize() error {
	limit := maxInstructions
	if c.opts.Unprivileged {
		limit = maxUnprivInsns
	}
	if n := len(c.insns); n == 0 || n > limit {
		return c.reject(RuleStructure, E2BIG, "program has %d instructions, must be 1 to %d", n, limit)
	}
	return nil
}

// findSubprogs collects the starts of functions: the entry, what calls and
// function pointers lead to, the exception callback.
func (c *Checker) findSubprogs() error {
	starts := []int{0}
	add := func(at, to int) error {
		if to < 0 || to >= len(c.insns) {
			c.insn = at
			return c.reject(RuleStructure, EINVAL, "call to invalid destination")
		}
		starts = append(starts, to)
		return nil
	}
	for i := 0; i < len(c.insns); i += c.insns[i].Width() {
		ins := c.insns[i]
		if !ins.IsSubprogCall() && !isFuncPointer(ins) && !ins.IsKfuncCall() {
			continue
		}
		if c.opts.Unprivileged {
			c.insn = i
			return c.reject(RuleSubprogram, EPERM, "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN")
		}
		if ins.IsKfuncCall() {
			continue
		}
		if err := add(i, i+1+int(ins.Imm)); err != nil {
			return err
		}
	}
	thrown, err := c.exceptionSlot()
	if err != nil {
		return err
	}
	if thrown > 0 {
		if err := add(0, thrown); err != nil {
			return err
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	if len(starts) > maxSubprogs {
		return c.reject(RuleStructure, E2BIG, "too many subprograms")
	}
	for i, s := range starts {
		end := len(c.insns)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		if thrown > 0 && s == thrown {
			c.exceptionCallback = i
		}
		c.subs = append(c.subs, subprog{start: s, end: end, isExcept: thrown > 0 && s == thrown})
	}
	return nil
}

func isFuncPointer(ins isa.Instruction) bool {
	return ins.Op == isa.LdImm64 && ins.Src == isa.PseudoFunc
}

// subprogAt is the index of the subprogram that slot i is in.
func (c *Checker) subprogAt(i int) int {
	return sort.Search(len(c.subs), func(k int) bool { return c.subs[k].start > i }) - 1
}

// subprogStarting is the index of the subprogram that starts at slot i, or -1.
func (c *Checker) subprogStarting(i int) int {
	if k := c.subprogAt(i); k >= 0 && c.subs[k].start == i {
		return k
	}
	return -1
}

// checkSubprogBounds makes sure that jumps stay inside their function and that
// its last instruction does not run into the next.
func (c *Checker) checkSubprogBounds() error {
	for k := range c.subs {
		s := &c.subs[k]
		last := s.start
		for i := s.start; i < s.end; i += c.insns[i].Width() {
			last = i
			c.insn = i
			ins := c.insns[i]
			switch {
			case ins.IsHelperCall() && ins.Imm == helperTailCall:
				s.hasTail = true
			case isLegacyLoad(ins):
				s.hasLdAbs = true
			case ins.IsJump():
				if to := i + 1 + ins.Displacement(); to < s.start || to >= s.end {
					return c.reject(RuleStructure, EINVAL, "jump out of range from insn %d to %d", i, to)
				}
			}
		}
		c.insn = last
		if end := c.insns[last]; end.Op != isa.Exit && end.Op != isa.JA && end.Op != isa.JA32 && !c.isThrow(end) {
			return c.reject(RuleStructure, EINVAL, "last insn is not an exit or jmp")
		}
	}
	c.insn = -1
	return nil
}

func isLegacyLoad(ins isa.Instruction) bool {
	return ins.Class() == isa.ClassLD && (ins.Mode() == isa.ModeABS || ins.Mode() == isa.ModeIND)
}

// successors appends the instructions that may run after i within its function.
func (c *Checker) successors(i int, out []int) []int {
	ins := c.insns[i]
	switch {
	case ins.Op == isa.Exit:
	case c.isThrow(ins):
		// It does not return, but the kernel's walks do not know.
		if i+1 < len(c.insns) && c.subprogStarting(i+1) < 0 {
			out = append(out, i+1)
		}
	case ins.Op == isa.JA, ins.Op == isa.JA32:
		out = append(out, i+1+ins.Displacement())
	case ins.IsJump():
		out = append(out, i+1, i+1+ins.Displacement())
	default:
		out = append(out, i+ins.Width())
	}
	return out
}
