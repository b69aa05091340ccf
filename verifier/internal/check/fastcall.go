package check

import (
	"math"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// Compilers spill registers around calls of functions that they know to clobber
// few (bpf_fastcall), at the lowest offsets of the frame. Where the kernel
// inlines such a call it drops the spills, and the frame needs less
// (mark_fastcall_patterns, Linux 6.12).

// markFastcalls finds those patterns.
func (c *Checker) markFastcalls() error {
	if !c.opts.since(6, 12) {
		return nil
	}
	targets := make([]bool, len(c.insns)+1)
	for i := 0; i < len(c.insns); i += c.insns[i].Width() {
		if ins := c.insns[i]; ins.IsJump() {
			targets[i+1+ins.Displacement()] = true
		}
	}
	for k := range c.subs {
		s := &c.subs[k]
		s.fastcallOff = math.MaxInt16
		lowest := 0
		for i := s.start; i < s.end; i++ {
			if ins := c.insns[i]; isSpill(ins) {
				lowest = min(lowest, int(ins.Off))
			}
		}
		for i := s.start; i < s.end; i += c.insns[i].Width() {
			if c.insns[i].IsCall() {
				c.markFastcall(s, i, lowest, targets)
			}
		}
	}
	return nil
}

func isSpill(ins isa.Instruction) bool {
	return ins.Op == isa.ClassSTX|isa.ModeMEM|isa.SizeDW && ins.Dst == isa.R10
}

func isFill(ins isa.Instruction) bool {
	return ins.Op == isa.ClassLDX|isa.ModeMEM|isa.SizeDW && ins.Src == isa.R10
}

func (c *Checker) markFastcall(s *subprog, call, off int, targets []bool) {
	clobbers, inlined, ok := c.clobbers(call)
	if !ok || clobbers == callerRegs {
		return
	}
	free := uint16(callerRegs) &^ clobbers
	n := 0
	for i := 1; i <= 6 && call-i >= 0 && call+i < len(c.insns); i++ {
		if targets[call-i+1] || targets[call+i] {
			break
		}
		st, ld := c.insns[call-i], c.insns[call+i]
		if !isSpill(st) || !isFill(ld) || st.Src != ld.Dst || free&bit(st.Src) == 0 || int(st.Off) != off || int(ld.Off) != off {
			break
		}
		free &^= bit(st.Src)
		c.aux[call-i].fastcall, c.aux[call+i].fastcall = true, true
		off += slotBytes
		n++
	}
	if n == 0 {
		return
	}
	if inlined {
		s.fastcalls = true
	} else {
		s.keepFastcalls = true
	}
	s.fastcallOff = min(s.fastcallOff, off)
}

// clobbers are the registers that a call, seen as a fastcall, leaves changed, and
// whether the kernel inlines it.
func (c *Checker) clobbers(i int) (regs uint16, inlined, ok bool) {
	n, known := c.argCount(i)
	if !known {
		return 0, false, false
	}
	regs = (1<<(n+1) - 1) &^ 1
	if ins := c.insns[i]; ins.IsHelperCall() {
		h := abi.HelperByID(abi.HelperID(ins.Imm))
		if h.Return != abi.RetVoid {
			regs |= 1
		}
		return regs, h.Flags&abi.HelperFast != 0, true
	}
	return regs | 1, c.kfuncInlined(c.insns[i]), true
}

// fastcallContract gives the patterns of a function up when something else
// touches their slots.
func (c *Checker) fastcallContract(insn int, f *Frame, off int) {
	s := &c.subs[f.Subprog]
	if s.fastcallOff <= off || c.aux[insn].fastcall || s.fastcallOff == math.MinInt16 {
		return
	}
	if s.fastcallOff == math.MaxInt16 {
		return // there are none
	}
	s.fastcallOff = math.MinInt16
	s.fastcalls = false
	for i := s.start; i < s.end; i++ {
		c.aux[i].fastcall = false
	}
}

// dropSpills takes what patterns used off the functions' frames.
func (c *Checker) dropSpills() error {
	for k := range c.subs {
		if s := &c.subs[k]; s.fastcalls && !s.keepFastcalls {
			s.stack = -s.fastcallOff
		}
	}
	return nil
}
