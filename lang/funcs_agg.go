package lang

import (
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// aggFuncs are assigned to maps and kept per CPU.
func aggFuncs() map[string]*function {
	agg := func(min, max int, check func(*checker, *syntax.Call) *types.Type, update func(*gen, *mapInfo, *syntax.Index, *syntax.Call)) *function {
		return &function{
			min: min, max: max, check: check, agg: true, update: update,
			gen: func(g *gen, e *syntax.Call) value { return nothing },
		}
	}
	return map[string]*function{
		"count":   agg(0, 0, aggType(types.Count, 8), updateCount),
		"sum":     agg(1, 1, aggType(types.Sum, 8), updateSum),
		"min":     agg(1, 1, aggType(types.Min, 16), updateMinMax),
		"max":     agg(1, 1, aggType(types.Max, 16), updateMinMax),
		"avg":     agg(1, 1, aggType(types.Avg, 16), updateAvg),
		"stats":   agg(1, 1, aggType(types.Stats, 16), updateAvg),
		"hist":    agg(1, 2, checkHist, updateHist),
		"lhist":   agg(4, 4, checkLHist, updateLHist),
		"tseries": agg(3, 4, checkTSeries, updateTSeries),
	}
}

// aggType: the argument's sign is the aggregation's.
func aggType(kind types.Kind, size int) func(*checker, *syntax.Call) *types.Type {
	return func(k *checker, e *syntax.Call) *types.Type {
		signed := true
		for _, a := range e.Args {
			t := k.expr(a)
			if t.Kind == types.None {
				return t
			}
			if !t.Numeric() {
				return k.fail(a, "", "%s() only supports integer arguments (%s provided)", e.Name, typeWord(t))
			}
			signed = asNumber(t).Signed
		}
		return &types.Type{Kind: kind, Size: size, Signed: signed}
	}
}

func updateCount(g *gen, m *mapInfo, ix *syntax.Index, e *syntax.Call) {
	g.slotFor(m, ix, func(p ir.Arg) {
		g.f.Store(8, p, 0, g.f.Bin(asm.Add, g.f.Load(8, p, 0), ir.Imm(1)))
	})
}

func updateSum(g *gen, m *mapInfo, ix *syntax.Index, e *syntax.Call) {
	v := g.steady(g.expr(e.Args[0]).a)
	g.slotFor(m, ix, func(p ir.Arg) {
		g.f.Store(8, p, 0, g.f.Bin(asm.Add, g.f.Load(8, p, 0), v))
	})
}

// updateMinMax: the value and whether there is one.
func updateMinMax(g *gen, m *mapInfo, ix *syntax.Index, e *syntax.Call) {
	v := g.steady(g.expr(e.Args[0]).a)
	g.slotFor(m, ix, func(p ir.Arg) {
		have, set, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
		g.f.Branch(asm.JEq, g.f.Load(8, p, 8), ir.Imm(0), set, have)
		g.f.Start(have)
		g.f.Branch(minMaxJump(m.val), g.f.InReg(v), g.f.Load(8, p, 0), set, end)
		g.f.Start(set)
		g.f.Store(8, p, 0, v)
		g.f.Store(8, p, 8, ir.Imm(1))
		g.f.Jump(end)
		g.f.Start(end)
	})
}

// updateAvg: total and count, for avg and stats.
func updateAvg(g *gen, m *mapInfo, ix *syntax.Index, e *syntax.Call) {
	v := g.steady(g.expr(e.Args[0]).a)
	g.slotFor(m, ix, func(p ir.Arg) {
		g.f.Store(8, p, 0, g.f.Bin(asm.Add, g.f.Load(8, p, 0), v))
		g.f.Store(8, p, 8, g.f.Bin(asm.Add, g.f.Load(8, p, 8), ir.Imm(1)))
	})
}

// constArg is argument i, which must be a constant.
func (k *checker) constArg(e *syntax.Call, i int, what string) (int64, bool) {
	k.expr(e.Args[i])
	v, ok := constInt(e.Args[i])
	if !ok {
		k.fail(e.Args[i], "", "%s: invalid %s value, needs to be a literal integer", e.Name, what)
	}
	return v, ok
}

// HistBuckets is how many buckets hist with the given bits has: one for
// negative numbers, then 2^bits for each power of two.
func HistBuckets(bits int) int { return 2 + (64-bits)<<bits }

func checkHist(k *checker, e *syntax.Call) *types.Type {
	t := aggType(types.Hist, 8)(k, &syntax.Call{Span: e.Span, Name: e.Name, Args: e.Args[:1]})
	if t.Kind == types.None {
		return t
	}
	bits := int64(0)
	if len(e.Args) == 2 {
		var ok bool
		if bits, ok = k.constArg(e, 1, "bits"); !ok {
			return types.TNone
		}
		if bits < 0 || bits > 5 {
			return k.fail(e.Args[1], "", "hist: bits %d must be 0..5", bits)
		}
	}
	k.u.consts[e] = bits
	return &types.Type{Kind: types.Hist, Signed: true, Size: 8 * HistBuckets(int(bits)), Frames: int(bits)}
}

// updateHist finds the bucket by the position of the highest bit.
func updateHist(g *gen, m *mapInfo, ix *syntax.Index, e *syntax.Call) {
	bits := int(g.u.consts[e])
	v := g.expr(e.Args[0])
	b := g.histBucket(g.f.InReg(v.a), bits, asNumber(v.t).Signed)
	g.bump(m, ix, b)
}

// bump adds 1 to bucket b.
func (g *gen) bump(m *mapInfo, ix *syntax.Index, b ir.Arg) {
	g.slotFor(m, ix, func(p ir.Arg) {
		ok, end := g.f.NewBlock(), g.f.NewBlock()
		g.f.Branch(asm.JLT, b, ir.Imm(int64(m.val.Size/8)), ok, end)
		g.f.Start(ok)
		at := g.f.Bin(asm.Add, p, g.f.Bin(asm.LSh, b, ir.Imm(3)))
		g.f.Store(8, at, 0, g.f.Bin(asm.Add, g.f.Load(8, at, 0), ir.Imm(1)))
		g.f.Jump(end)
		g.f.Start(end)
	})
}

// histBucket: 0 for negative, 1+n for n below 2^bits, then 2^bits buckets for
// each power of two.
func (g *gen) histBucket(v ir.Arg, bits int, signed bool) ir.Arg {
	out := g.f.NewReg()
	end := g.f.NewBlock()
	if signed {
		neg, pos := g.f.NewBlock(), g.f.NewBlock()
		g.f.Branch(asm.JSLT, v, ir.Imm(0), neg, pos)
		g.f.Start(neg)
		g.f.Set(out, ir.Imm(0))
		g.f.Jump(end)
		g.f.Start(pos)
	}
	few, lots := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JLT, v, ir.Imm(1<<bits), few, lots)
	g.f.Start(few)
	g.f.Set(out, g.f.Bin(asm.Add, v, ir.Imm(1)))
	g.f.Jump(end)
	g.f.Start(lots)
	log := g.log2(v)
	low := g.f.Bin(asm.RSh, v, g.f.Bin(asm.Sub, log, ir.Imm(int64(bits))))
	low = g.f.Bin(asm.And, low, ir.Imm(1<<bits-1))
	row := g.f.Bin(asm.Add, g.f.Bin(asm.Sub, log, ir.Imm(int64(bits))), ir.Imm(1))
	b := g.f.Bin(asm.Add, g.f.Bin(asm.LSh, row, ir.Imm(int64(bits))), low)
	g.f.Set(out, g.f.Bin(asm.Add, b, ir.Imm(1)))
	g.f.Jump(end)
	g.f.Start(end)
	return ir.R(out)
}

// log2 is the position of the highest bit of v, which is not 0, without jumps
// that would multiply the verifier's paths.
func (g *gen) log2(v ir.Arg) ir.Arg {
	// For each shift s: if v >= 2^s, then v >>= s and log += s. The comparison
	// is the sign of (2^s - 1 - v) as v is below 2^63 after the first step.
	hi := g.f.Bin(asm.RSh, v, ir.Imm(32))
	s := g.f.Bin(asm.RSh, g.f.Bin(asm.Sub, ir.Imm(0), hi), ir.Imm(63)) // 1 if hi is not 0
	s = g.f.Bin(asm.LSh, s, ir.Imm(5))
	v = g.f.Bin(asm.RSh, v, s)
	log := s
	for n := 4; n >= 0; n-- {
		shift := int64(1) << n
		big := g.f.Bin(asm.RSh, g.f.Bin(asm.Sub, ir.Imm(1<<shift-1), v), ir.Imm(63))
		big = g.f.Bin(asm.LSh, big, ir.Imm(int64(n)))
		v = g.f.Bin(asm.RSh, v, big)
		log = g.f.Bin(asm.Add, log, big)
	}
	return log
}

const maxLHist = 1000

func checkLHist(k *checker, e *syntax.Call) *types.Type {
	t := aggType(types.LHist, 8)(k, &syntax.Call{Span: e.Span, Name: e.Name, Args: e.Args[:1]})
	if t.Kind == types.None {
		return t
	}
	var v [3]int64
	for i, what := range []string{"min", "max", "step"} {
		var ok bool
		if v[i], ok = k.constArg(e, i+1, what); !ok {
			return types.TNone
		}
	}
	lo, hi, step := v[0], v[1], v[2]
	switch {
	case step <= 0:
		return k.fail(e.Args[3], "", "lhist() step must be >= 1 (%d provided)", step)
	case lo < 0:
		return k.fail(e.Args[1], "", "lhist() min must be non-negative (provided min %d)", lo)
	case lo > hi:
		return k.fail(e, "", "lhist() min must be less than max (provided min %d and max %d)", lo, hi)
	case hi-lo < step:
		return k.fail(e, "", "lhist() step is too large for the given range (provided step %d for range %d)", step, hi-lo)
	case (hi-lo)/step > maxLHist:
		return k.fail(e, "", "lhist() too many buckets, must be <= %d (would need %d)", maxLHist, (hi-lo)/step)
	}
	k.u.lhist[e] = v
	return &types.Type{Kind: types.LHist, Signed: true, Size: 8 * int((hi-lo)/step+2)}
}

func updateLHist(g *gen, m *mapInfo, ix *syntax.Index, e *syntax.Call) {
	p := g.u.lhist[e]
	lo, hi, step := p[0], p[1], p[2]
	v := g.f.InReg(g.expr(e.Args[0]).a)
	out := g.f.NewReg()
	below, in, above, mid, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JSLT, v, ir.Imm(lo), below, in)
	g.f.Start(below)
	g.f.Set(out, ir.Imm(0))
	g.f.Jump(end)
	g.f.Start(in)
	g.f.Branch(asm.JSGE, v, ir.Imm(hi), above, mid)
	g.f.Start(above)
	g.f.Set(out, ir.Imm((hi-lo)/step+1))
	g.f.Jump(end)
	g.f.Start(mid)
	n := g.f.Bin(asm.Div, g.f.Bin(asm.Sub, v, ir.Imm(lo)), ir.Imm(step))
	g.f.Set(out, g.f.Bin(asm.Add, n, ir.Imm(1)))
	g.f.Jump(end)
	g.f.Start(end)
	g.bump(m, ix, ir.R(out))
}

const maxIntervals = 1000000

// tseriesBytes is the size of an interval: value, its meta (time of the value,
// or count), and the interval's number.
const tseriesBytes = 24

func checkTSeries(k *checker, e *syntax.Call) *types.Type {
	t := aggType(types.TSeries, 8)(k, &syntax.Call{Span: e.Span, Name: e.Name, Args: e.Args[:1]})
	if t.Kind == types.None {
		return t
	}
	interval, ok1 := k.constArg(e, 1, "interval_ns")
	n, ok2 := k.constArg(e, 2, "num_intervals")
	if !ok1 || !ok2 {
		return types.TNone
	}
	agg := ""
	if len(e.Args) == 4 {
		if agg, ok1 = k.wantStr(e, 3); !ok1 {
			return types.TNone
		}
		switch agg {
		case "avg", "max", "min", "sum":
		default:
			return k.fail(e.Args[3], "", "tseries() expects one of the following aggregation functions: avg, max, min, sum (\"%s\" provided)", agg)
		}
	}
	switch {
	case interval <= 0:
		return k.fail(e.Args[1], "", "tseries() interval_ns must be >= 1 (%d provided)", interval)
	case n <= 0:
		return k.fail(e.Args[2], "", "tseries() num_intervals must be >= 1 (%d provided)", n)
	case n > maxIntervals:
		return k.fail(e.Args[2], "", "tseries() num_intervals must be <= %d (%d provided)", maxIntervals, n)
	case n*tseriesBytes > 32<<10:
		return k.fail(e.Args[2], "at most 1365 intervals fit a per-CPU value of 32 KiB", "tseries() with %d intervals does not fit", n)
	}
	k.u.lhist[e] = [3]int64{interval, n, 0}
	return &types.Type{Kind: types.TSeries, Signed: t.Signed, Size: int(n) * tseriesBytes, Mode: agg, Frames: int(n), Len: int(interval)}
}

// updateTSeries keeps intervals in a ring, by number modulo their count.
func updateTSeries(g *gen, m *mapInfo, ix *syntax.Index, e *syntax.Call) {
	p := g.u.lhist[e]
	interval, n := p[0], p[1]
	v := g.f.InReg(g.expr(e.Args[0]).a)
	now := g.now()
	epoch := g.f.Bin(asm.Div, now, ir.Imm(interval))
	slot := g.f.Bin(asm.Mod, epoch, ir.Imm(n))
	g.slotFor(m, ix, func(base ir.Arg) {
		ok, end := g.f.NewBlock(), g.f.NewBlock()
		g.f.Branch(asm.JLT, slot, ir.Imm(n), ok, end)
		g.f.Start(ok)
		at := g.f.Bin(asm.Add, base, g.f.Bin(asm.Mul, slot, ir.Imm(tseriesBytes)))
		fresh, old := g.f.NewBlock(), g.f.NewBlock()
		store := func(val, meta ir.Arg) {
			g.f.Store(8, at, 0, val)
			g.f.Store(8, at, 8, meta)
			g.f.Jump(end)
		}
		g.f.Branch(asm.JNE, g.f.Load(8, at, 16), g.f.Bin(asm.Add, epoch, ir.Imm(1)), fresh, old)
		g.f.Start(fresh)
		g.f.Store(8, at, 16, g.f.Bin(asm.Add, epoch, ir.Imm(1)))
		if m.val.Mode == "" {
			// The newest value counts, whatever the order they arrive in.
			g.f.Store(8, at, 0, ir.Imm(0))
			g.f.Store(8, at, 8, ir.Imm(0))
			g.f.Jump(old)
		} else {
			store(v, ir.Imm(1))
		}
		g.f.Start(old)
		have := g.f.Load(8, at, 0)
		count := g.f.Bin(asm.Add, g.f.Load(8, at, 8), ir.Imm(1))
		switch m.val.Mode {
		case "avg", "sum":
			store(g.f.Bin(asm.Add, have, v), count)
		case "min", "max":
			take := g.f.NewBlock()
			kind := map[string]types.Kind{"min": types.Min, "max": types.Max}[m.val.Mode]
			g.f.Branch(minMaxJump(&types.Type{Kind: kind, Signed: m.val.Signed}), v, have, take, end)
			g.f.Start(take)
			store(v, count)
		default:
			take := g.f.NewBlock()
			g.f.Branch(asm.JGT, now, g.f.Load(8, at, 8), take, end)
			g.f.Start(take)
			store(v, now)
		}
		g.f.Start(end)
	})
}

// now is the time of tseries: since boot; tests put another clock into a map
// that the environment names.
func (g *gen) now() ir.Arg {
	if name := g.c.opt.Environ["dummy_ts_map"]; name != "" {
		if m := g.c.maps[name]; m != nil && m.isArray() {
			return g.f.Load(8, ir.MapValue(m.spec, 0), 0)
		}
	}
	return g.f.Call(asm.FnKtimeGetBootNs)
}
