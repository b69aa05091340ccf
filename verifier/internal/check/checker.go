package check

import (
	"context"
	"time"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// Limits of Linux (include/linux/bpf_verifier.h, kernel/bpf/verifier.c).
const (
	maxProcessed        = 1_000_000
	maxPending          = 8192
	maxInstructions     = 1_000_000
	maxUnprivInsns      = 4096
	maxUnprivStates     = 64
	maxSubprogs         = 256
	maxCallbackDepth    = 8 // nested frames are limited by maxFrames
	histBeforeNewState  = 40
	infiniteLoopJumps   = 20
	infiniteLoopInsns   = 100
	checkpointAfterJmps = 2
	checkpointAfterInsn = 8
)

// insnAux is what is known of an instruction apart from any path.
type insnAux struct {
	liveRegs uint16 // registers read before written from here on
	scc      int32  // loop that the instruction is part of, 0 if none
	prune    bool   // paths meet here: compare states
	jump     bool   // a jump, or the target of one: keep in the history
	force    bool   // always make a checkpoint
	callback bool   // calls a function that calls back
	iterNext bool
	seen     bool
	fastcall bool    // a spill or fill around one
	barrier  bool    // no processor runs ahead to here
	mask     masking // of the pointer arithmetic here
	spill    bool    // a store that no processor may run ahead of
	// bpf_loop: seen once, always with the same callback and no flags.
	loopSeen, loopInline bool
	loopCallback         int
	ptr                  Kind // what the memory access went through, to catch mixes
	ptrFlags             Flags
	ptrSet               bool
	processed            int
	fact                 Fact
}

// Checker verifies one program. It is used once, by one goroutine.
type Checker struct {
	ctx   context.Context
	prog  *Program
	opts  Options
	era   scalar.Era // whose arithmetic counts
	types *typeTable
	log   logger
	pool  pool

	insns []isa.Instruction
	aux   []insnAux
	subs  []subprog
	kind  programKind

	cur         *State
	pending     []pendingState
	points      []checkpointList // by instruction
	visits      map[sccKey]*sccVisit
	histCurrent bool // the newest history entry is the current instruction's
	insn        int  // current instruction
	prev        int  // the one before
	ids         uint32
	idmap       idMap
	bt          backtrack
	fake        [2]Reg

	jumps, prevJumps, prevInsns int
	stats                       Stats
	deadline                    time.Time
	live                        stackLiveness
	calls                       callKinds
	arena                       *Map
	exceptionCallback           int // its subprogram, 0 if none
	totalStack                  int
	inner                       []innerMap
	exploreALU                  bool
}

// pendingState is a path to be followed later.
type pendingState struct {
	state      *State
	insn, prev int
	logPos     int
}

func newChecker(ctx context.Context, p *Program, opts Options) *Checker {
	if opts.MaxInstructions == 0 {
		opts.MaxInstructions = maxProcessed
	}
	if opts.Arch == "" {
		opts.Arch = "amd64"
	}
	c := &Checker{ctx: ctx, prog: p, opts: opts, era: opts.era(), insns: p.Instructions, insn: -1, prev: -1}
	c.log.level, c.log.max = opts.LogLevel, opts.MaxLog
	if c.log.max == 0 {
		c.log.max = 16 << 20
	}
	if opts.Timeout > 0 {
		c.deadline = time.Now().Add(opts.Timeout)
	}
	c.stats.Limit = opts.MaxInstructions
	c.types = newTypeTable(p.Types, opts.KernelTypes)
	c.aux = make([]insnAux, len(p.Instructions))
	c.points = make([]checkpointList, len(p.Instructions))
	c.visits = make(map[sccKey]*sccVisit)
	return c
}

// run is the order of business.
func (c *Checker) run() error {
	for _, step := range []func() error{
		c.checkSize,
		c.checkEncoding,
		c.findSubprogs,
		c.checkVersion,
		c.checkMaps,
		c.checkAttach,
		c.checkSubprogBounds,
		c.checkFuncTypes,
		c.resolveCalls,
		c.checkFlow,
		c.findLoops,
		c.computeLiveRegs,
		c.markFastcalls,
		c.checkMain,
		c.checkGlobals,
		c.dropSpills,
		c.checkStackDepth,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Checker) result(accepted bool) *Result {
	r := &Result{Stats: c.stats}
	if c.opts.LogLevel != 0 {
		c.log.stats(&c.stats, c)
	}
	r.Log = c.log.String()
	for i := range c.subs {
		s := &c.subs[i]
		r.Subprogs = append(r.Subprogs, SubprogStats{
			Name: s.name, Start: s.start, End: s.end, Stack: s.stack, Global: s.global && i > 0,
		})
	}
	r.Visits = make([]int, len(c.aux))
	for i := range c.aux {
		r.Visits[i] = c.aux[i].processed
		if s := c.subprogAt(i); s >= 0 && s < len(r.Subprogs) {
			r.Subprogs[s].Processed += c.aux[i].processed
		}
	}
	if accepted {
		r.StackDepth = c.totalStack
		r.Facts = make([]Fact, len(c.aux))
		for i := range c.aux {
			r.Facts[i] = c.aux[i].fact
		}
		r.Masked, r.Fenced = c.hardened()
	}
	return r
}

func (c *Checker) newID() uint32 {
	c.ids++
	return c.ids
}
