package check

import (
	"errors"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

const (
	flagSleepable       = abi.FlagSleepable
	flagStrictAlignment = abi.FlagStrictAlignment
	flagTestStateFreq   = abi.FlagTestStateFreq
	progExt             = abi.ProgExtension
)

// checkEncoding refuses instructions that do not exist, in the judged kernel or
// at all, and references to what the program does not have.
func (c *Checker) checkEncoding() error {
	for i := 0; i < len(c.insns); {
		c.insn = i
		ins := c.insns[i]
		if err := isa.Validate(ins); err != nil {
			return c.badEncoding(ins, err)
		}
		if ins.Op == isa.LdImm64 {
			if i+1 >= len(c.insns) || c.insns[i+1].Op != 0 || c.insns[i+1].Dst != 0 || c.insns[i+1].Src != 0 || c.insns[i+1].Off != 0 {
				return c.reject(RuleEncoding, EINVAL, "invalid bpf_ld_imm64 insn")
			}
			if err := c.checkReference(i, ins); err != nil {
				return err
			}
		}
		if err := c.knownSince(ins); err != nil {
			return err
		}
		i += ins.Width()
	}
	// Jumps into the middle of a 64-bit load.
	if err := isa.ValidateCode(c.insns); err != nil {
		var e *isa.EncodingError
		if errors.As(err, &e) {
			c.insn = e.Index
			if ins := e.Instruction; ins.IsJump() {
				if to := e.Index + 1 + ins.Displacement(); to < 0 || to >= len(c.insns) {
					return c.reject(RuleStructure, EINVAL, "jump out of range from insn %d to %d", e.Index, to)
				}
			}
			if ins := e.Instruction; ins.IsJump() || ins.IsCall() {
				return c.reject(RuleStructure, EINVAL, "jump into the middle of ldimm64 insn %d: %s", e.Index, e.Reason)
			}
		}
		if last := c.lastInsn(); last >= 0 && c.isThrow(c.insns[last]) {
			return nil
		}
		return c.reject(RuleStructure, EINVAL, "last insn is not an exit or jmp")
	}
	c.insn = -1
	return nil
}

func (c *Checker) lastInsn() int {
	last := -1
	for i := 0; i < len(c.insns); i += c.insns[i].Width() {
		last = i
	}
	return last
}

// badEncoding words it as the kernel does.
func (c *Checker) badEncoding(ins isa.Instruction, err error) error {
	if ins.Dst >= isa.Registers || ins.Src >= isa.Registers {
		reg := ins.Dst
		if reg < isa.Registers {
			reg = ins.Src
		}
		return c.reject(RuleEncoding, EINVAL, "R%d is invalid", reg)
	}
	what := ""
	switch cl := ins.Class(); {
	case ins.Op == isa.LdImm64 || isLegacyLoad(ins):
		what = "BPF_LD"
	case cl == isa.ClassLDX:
		what = "BPF_LDX"
	case cl == isa.ClassSTX && ins.Mode() == isa.ModeATOMIC:
		return c.reject(RuleEncoding, EINVAL, "BPF_ATOMIC uses invalid atomic opcode %02x", uint32(ins.Imm))
	case cl == isa.ClassSTX:
		what = "BPF_STX"
	case cl == isa.ClassST:
		what = "BPF_ST"
	case cl == isa.ClassALU || cl == isa.ClassALU64:
		what = map[uint8]string{isa.OpMov: "BPF_MOV", isa.OpNeg: "BPF_NEG", isa.OpEnd: "BPF_END"}[ins.ALUOp()]
		if what == "" {
			what = "BPF_ALU"
		}
	case ins.Op == isa.Call:
		what = "BPF_CALL"
	case ins.Op == isa.Exit:
		what = "BPF_EXIT"
	case ins.Op == isa.JA || ins.Op == isa.JA32:
		what = "BPF_JA"
	case cl == isa.ClassJMP || cl == isa.ClassJMP32:
		what = "BPF_JMP/JMP32"
	}
	var e *isa.EncodingError
	if errors.As(err, &e) && e.Reason == "unknown opcode" || ins.Op == isa.CallX {
		return c.reject(RuleEncoding, EINVAL, "unknown opcode %02x", ins.Op)
	}
	if what == "" {
		return c.reject(RuleEncoding, EINVAL, "%v", err)
	}
	return c.reject(RuleEncoding, EINVAL, "%s uses reserved fields", what)
}

func (c *Checker) checkReference(i int, ins isa.Instruction) error {
	switch ins.Src {
	case 0, isa.PseudoFunc:
		return nil
	case isa.PseudoMapIdx, isa.PseudoMapIdxValue:
		if int(ins.Imm) < 0 || int(ins.Imm) >= len(c.prog.Maps) || c.prog.Maps[ins.Imm] == nil {
			return c.reject(RuleStructure, EINVAL, "map %d of %d", ins.Imm, len(c.prog.Maps))
		}
		if ins.Src == isa.PseudoMapIdxValue {
			return c.checkDirectValue(c.prog.Maps[ins.Imm], uint32(c.insns[i+1].Imm))
		}
		return nil
	}
	return c.reject(RuleEncoding, EINVAL, "unrecognized bpf_ld_imm64 insn")
}

// checkDirectValue holds the address of a map's value, in the code itself,
// against the map.
func (c *Checker) checkDirectValue(m *Map, off uint32) error {
	switch {
	case m.Type == mapArena:
		return nil
	case m.Type != abi.MapArray:
		return c.reject(RuleMapType, EINVAL, "no direct value access support for this map type")
	case off >= maxVarOff:
		return c.reject(RuleMapBounds, EINVAL, "direct value offset of %d is not allowed", off)
	case m.MaxEntries != 1, off >= m.ValueSize:
		return c.reject(RuleMapBounds, EINVAL, "invalid access to map value pointer, value_size=%d off=%d", m.ValueSize, off)
	}
	return nil
}

// knownSince refuses instructions that the judged kernel does not have yet.
func (c *Checker) knownSince(ins isa.Instruction) error {
	tooNew := false
	switch {
	case ins.Op == isa.MayGoto:
		tooNew = !c.opts.since(6, 9)
	case ins.Op == isa.JA32, ins.Class() == isa.ClassLDX && ins.Mode() == isa.ModeMEMSX,
		ins.Op == isa.Bswap:
		tooNew = !c.opts.since(6, 6)
	case ins.Class() == isa.ClassALU64 || ins.Class() == isa.ClassALU:
		switch op := ins.ALUOp(); {
		case op == isa.OpMov && ins.Source() == isa.SrcX && ins.Off == isa.OffAddrSpaceCast:
			tooNew = !c.opts.since(6, 9)
		case op == isa.OpMov && ins.Off != 0, (op == isa.OpDiv || op == isa.OpMod) && ins.Off == 1:
			tooNew = !c.opts.since(6, 6)
		}
	}
	if tooNew {
		return c.reject(RuleEncoding, EINVAL, "this kernel does not have the instruction: opcode %02x", ins.Op)
	}
	return nil
}

// mayLoadLegacy reports program types that may use BPF_LD_ABS and BPF_LD_IND.
func mayLoadLegacy(t abi.ProgramType) bool {
	return t == abi.ProgSocketFilter || t == abi.ProgSchedCLS || t == abi.ProgSchedACT
}

// gplCompatible is the kernel's list of licences.
func gplCompatible(license string) bool {
	switch license {
	case "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL":
		return true
	}
	return false
}
