package lang

import (
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// timeFuncs are clocks and times.
func timeFuncs() map[string]*function {
	return map[string]*function{
		"nsecs":    {min: 0, max: 1, check: checkNsecs, gen: genNsecs},
		"time":     {min: 0, max: 1, check: checkTime, effect: genTime},
		"strftime": {min: 2, max: 2, check: checkStrftime, gen: genStrftime},
	}
}

func checkNsecs(k *checker, e *syntax.Call) *types.Type {
	if len(e.Args) == 1 {
		id, ok := e.Args[0].(*syntax.Ident)
		if !ok {
			return k.fail(e.Args[0], "", "nsecs() takes a clock: boot, monotonic, tai or sw_tai")
		}
		switch id.Name {
		case "boot", "monotonic", "tai", "sw_tai":
			k.u.text[e] = id.Name
		default:
			return k.fail(e.Args[0], "", "Invalid timestamp mode: %s", id.Name)
		}
	}
	t := *types.TUint64
	t.Mode = k.u.text[e]
	return &t
}

func genNsecs(g *gen, e *syntax.Call) value {
	switch g.u.text[e] {
	case "monotonic":
		return scalar(g.f.Call(asm.FnKtimeGetNs), types.TUint64)
	case "tai":
		return scalar(g.f.Call(asm.FnKtimeGetTaiNs), types.TUint64)
	case "sw_tai":
		now := g.f.Call(asm.FnKtimeGetBootNs)
		return scalar(g.f.Bin(asm.Add, now, g.f.Load(8, ir.MapValue(DataMap, DataTAI), 0)), types.TUint64)
	}
	return scalar(g.f.Call(asm.FnKtimeGetBootNs), types.TUint64)
}

func checkTime(k *checker, e *syntax.Call) *types.Type {
	if _, ok := k.wantStr(e, 0); !ok {
		return types.TNone
	}
	return types.TVoid
}

func genTime(g *gen, e *syntax.Call) {
	format := "%H:%M:%S\n"
	if len(e.Args) == 1 {
		format, _ = constStr(e.Args[0])
	}
	g.emit(e, Event{Kind: EventTime, Format: format}, nil)
}

func checkStrftime(k *checker, e *syntax.Call) *types.Type {
	if _, ok := k.wantStr(e, 0); !ok {
		return types.TNone
	}
	t := k.expr(e.Args[1])
	if t.Kind != types.Int && t.Kind != types.None {
		return k.fail(e.Args[1], "", "strftime() only supports integer arguments (%s provided)", typeWord(t))
	}
	if n, ok := constInt(e.Args[1]); ok && n < 0 {
		return k.fail(e.Args[1], "", "strftime() can not take negative value")
	}
	out := *types.TTime
	out.Mode = t.Mode
	return &out
}

// genStrftime: the time, the format's number and the clock.
func genStrftime(g *gen, e *syntax.Call) value {
	format, _ := constStr(e.Args[0])
	v := g.expr(e.Args[1])
	dst := g.temp(16)
	g.f.Store(8, dst, 0, v.a)
	g.f.Store(4, dst, 8, ir.Imm(int64(g.c.format(format))))
	clock := map[string]int64{"": 0, "boot": 0, "monotonic": 1, "tai": 2, "sw_tai": 2}[g.u.types[e.Args[1]].Mode]
	g.f.Store(4, dst, 12, ir.Imm(clock))
	return value{t: types.TTime, a: dst}
}

func (c *compiler) format(s string) int {
	for i, f := range c.obj.Formats {
		if f == s {
			return i
		}
	}
	c.obj.Formats = append(c.obj.Formats, s)
	return len(c.obj.Formats) - 1
}
