// Package codegen turns the intermediate form into eBPF instructions.
package codegen

import (
	"sort"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
)

// Physical registers. r0 and r5 stay free for constants, spilled values and
// the order of arguments; r6-r9 survive calls.
var (
	kept    = []asm.Register{asm.R6, asm.R7, asm.R8, asm.R9}
	clobber = []asm.Register{asm.R1, asm.R2, asm.R3, asm.R4}
)

const (
	tmpA = asm.R0
	tmpB = asm.R5
)

// place is where a virtual register lives.
type place struct {
	reg   asm.Register
	spill bool
	slot  int // of the spill area, in units of 8 bytes
	used  bool
}

// interval is the range of positions over which a register holds a value.
type interval struct {
	reg        ir.Reg
	start, end int
	calls      bool // a call is in between
	hint       ir.Reg
}

// allocation is the result of linear scan.
type allocation struct {
	at     []place // by virtual register
	spills int
}

// allocate gives every virtual register a register or a place in the frame
// (Poletto and Sarkar, Linear Scan Register Allocation, 1999).
func allocate(f *ir.Func) *allocation {
	ivs := intervals(f)
	sort.Slice(ivs, func(i, j int) bool {
		if ivs[i].start != ivs[j].start {
			return ivs[i].start < ivs[j].start
		}
		return ivs[i].reg < ivs[j].reg
	})
	a := &allocation{at: make([]place, f.Regs+1)}
	s := &scan{allocation: a, taken: map[asm.Register]*interval{}}
	for i := range ivs {
		s.expire(ivs[i].start)
		s.place(&ivs[i])
	}
	return a
}

type scan struct {
	*allocation
	taken map[asm.Register]*interval
	// freeSpills can be used again; spilled are those in use.
	freeSpills []int
	spilled    []*interval
}

func (s *scan) expire(pos int) {
	for r, iv := range s.taken {
		if iv.end < pos {
			delete(s.taken, r)
		}
	}
	kept := s.spilled[:0]
	for _, iv := range s.spilled {
		if iv.end < pos {
			s.freeSpills = append(s.freeSpills, s.at[iv.reg].slot)
		} else {
			kept = append(kept, iv)
		}
	}
	s.spilled = kept
}

func (s *scan) place(iv *interval) {
	choices := kept
	if !iv.calls {
		choices = append(append([]asm.Register{}, clobber...), kept...)
	}
	if iv.hint != 0 && s.at[iv.hint].used && !s.at[iv.hint].spill {
		h := s.at[iv.hint].reg
		for _, r := range choices {
			if r == h && s.taken[r] == nil {
				s.take(iv, r)
				return
			}
		}
	}
	for _, r := range choices {
		if s.taken[r] == nil {
			s.take(iv, r)
			return
		}
	}
	// None is free: who is needed longest goes to memory.
	victim := iv
	for _, r := range choices {
		if t := s.taken[r]; t.end > victim.end {
			victim = t
		}
	}
	if victim == iv {
		s.toMemory(iv)
		return
	}
	r := s.at[victim.reg].reg
	s.toMemory(victim)
	s.take(iv, r)
}

func (s *scan) take(iv *interval, r asm.Register) {
	s.taken[r] = iv
	s.at[iv.reg] = place{reg: r, used: true}
}

// toMemory spills a register for its whole life. A place that was free at the
// victim's start may have been in use before, so only new ones are taken for
// those that began earlier.
func (s *scan) toMemory(iv *interval) {
	if s.at[iv.reg].used || len(s.freeSpills) == 0 {
		s.at[iv.reg] = place{spill: true, slot: s.spills, used: true}
		s.spills++
	} else {
		n := len(s.freeSpills) - 1
		s.at[iv.reg] = place{spill: true, slot: s.freeSpills[n], used: true}
		s.freeSpills = s.freeSpills[:n]
	}
	s.spilled = append(s.spilled, iv)
}

// intervals numbers instructions (a use at 2n, a definition at 2n+1) and finds
// each register's range from liveness.
func intervals(f *ir.Func) []interval {
	in, out := liveness(f)
	ivs := make([]interval, f.Regs+1)
	for r := range ivs {
		ivs[r] = interval{reg: ir.Reg(r), start: -1}
	}
	cover := func(r ir.Reg, pos int) {
		iv := &ivs[r]
		if iv.start < 0 {
			iv.start, iv.end = pos, pos
		}
		iv.start, iv.end = min(iv.start, pos), max(iv.end, pos)
	}
	for _, p := range f.Params {
		cover(p, -0)
	}
	var calls []int
	n := 1
	for bi, b := range f.Blocks {
		for r := range in[bi] {
			cover(r, 2*n)
		}
		for i := range b.Ins {
			ins := &b.Ins[i]
			ins.Uses(func(a *ir.Arg) {
				if a.Kind == ir.ArgReg {
					cover(a.Reg, 2*n)
				}
			})
			if ins.Op == ir.Call || ins.Op == ir.CallFunc || ins.Op == ir.CallKfunc {
				calls = append(calls, 2*n)
			}
			if ins.Dst != 0 {
				if (ins.Op == ir.Mov || ins.Op == ir.Bin) && ins.A.Kind == ir.ArgReg && ivs[ins.Dst].start < 0 {
					ivs[ins.Dst].hint = ins.A.Reg
				}
				cover(ins.Dst, 2*n+1)
			}
			n++
		}
		for r := range out[bi] {
			cover(r, 2*n)
		}
	}
	var list []interval
	for _, iv := range ivs[1:] {
		if iv.start < 0 {
			continue
		}
		k := sort.SearchInts(calls, iv.start)
		// A value defined by the call, or last used by it, does not cross it.
		iv.calls = k < len(calls) && calls[k] >= iv.start && calls[k] < iv.end
		list = append(list, iv)
	}
	return list
}

// liveness is the set of registers live at each block's beginning and end.
func liveness(f *ir.Func) (in, out []map[ir.Reg]bool) {
	n := len(f.Blocks)
	in, out = make([]map[ir.Reg]bool, n), make([]map[ir.Reg]bool, n)
	for i := range n {
		in[i], out[i] = map[ir.Reg]bool{}, map[ir.Reg]bool{}
	}
	for changed := true; changed; {
		changed = false
		for i := n - 1; i >= 0; i-- {
			b := f.Blocks[i]
			last := &b.Ins[len(b.Ins)-1]
			for _, s := range []*ir.Block{last.Then, last.Else} {
				if s == nil {
					continue
				}
				for r := range in[s.ID] {
					if !out[i][r] {
						out[i][r], changed = true, true
					}
				}
			}
			live := map[ir.Reg]bool{}
			for r := range out[i] {
				live[r] = true
			}
			for k := len(b.Ins) - 1; k >= 0; k-- {
				ins := &b.Ins[k]
				if ins.Dst != 0 {
					delete(live, ins.Dst)
				}
				ins.Uses(func(a *ir.Arg) {
					if a.Kind == ir.ArgReg {
						live[a.Reg] = true
					}
				})
			}
			for r := range live {
				if !in[i][r] {
					in[i][r], changed = true, true
				}
			}
		}
	}
	return in, out
}
