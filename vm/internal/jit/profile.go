package jit

import (
	"sync/atomic"

	"github.com/skepdev/skep/vm/internal/interp"
)

// Profile counts how often each basic block is run: a word for each slot, of
// which those that begin a block are used.
type Profile struct {
	counts []uint64
	blocks []int32 // of each slot: the one that its block begins with, or -1
}

// Hits is how often each slot was run. It is safe while programs run.
func (p *Profile) Hits() []uint64 {
	if p == nil {
		return nil
	}
	out := make([]uint64, len(p.blocks))
	for i, b := range p.blocks {
		if b >= 0 {
			out[i] = atomic.LoadUint64(&p.counts[b])
		}
	}
	return out
}

// newProfile finds the blocks: they begin where paths meet, and behind
// everything that may go elsewhere.
func newProfile(f *flow) *Profile {
	n := len(f.ops) - 1
	p := &Profile{counts: make([]uint64, n), blocks: make([]int32, n)}
	block, ended := int32(-1), true
	for i := range n {
		switch {
		case i > 0 && f.ops[i-1].Code == interp.OpLoadImm && p.blocks[i-1] == block && f.ops[i].Code == 0:
			p.blocks[i] = block
			continue
		case !f.reached[i]:
			p.blocks[i], ended = -1, true
			continue
		case ended || f.leader[i] != 0:
			block = int32(i)
		}
		p.blocks[i] = block
		ended = f.ops[i].Code >= interp.OpJA
	}
	return p
}

// count counts a run of the block that begins at slot i.
func (c *compiler) count(i int) {
	if c.profile == nil || i >= len(c.profile.blocks) || c.profile.blocks[i] != int32(i) {
		return
	}
	c.MovImm(c.A, c.profile.address(i))
	spare := c.R[0] // AtomicAdd may change B and C
	c.Store(8, c.Thread, c.layout.Scratch, spare)
	c.MovImm(spare, 1)
	c.AtomicAdd(8, c.A, 0, spare)
	c.Load(8, spare, c.Thread, c.layout.Scratch)
}
