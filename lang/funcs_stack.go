package lang

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// maxFrames is the kernel's limit of a stack's depth.
const maxFrames = 127

// stackFuncs are kstack and ustack.
func stackFuncs() map[string]*function {
	return map[string]*function{
		"kstack": {min: 0, max: 2, check: checkStack(types.KStack), gen: genKStack},
		"ustack": {min: 0, max: 2, check: checkStack(types.UStack), gen: genUStack},
	}
}

// checkStack reads [mode], [limit] in either order of presence.
func checkStack(kind types.Kind) func(*checker, *syntax.Call) *types.Type {
	return func(k *checker, e *syntax.Call) *types.Type {
		mode, frames := k.c.cfg.StackMode, maxFrames
		for i, a := range e.Args {
			switch a := a.(type) {
			case *syntax.Ident:
				if i != 0 {
					return k.fail(a, "", "%s: the mode is the first argument", e.Name)
				}
				switch a.Name {
				case "bpftrace", "perf", "raw", "build_id":
					mode = a.Name
				default:
					return k.fail(a, "Expects: bpftrace, perf, raw, build_id", "Invalid stack mode: '%s'", a.Name)
				}
			case *syntax.Int:
				if a.Value > maxFrames || negLiteral(a) {
					return k.fail(a, "", "%s([int limit]): limit shouldn't exceed %d, %s given", e.Name, maxFrames, a.Text)
				}
				frames = int(a.Value)
			default:
				return k.fail(a, "", "%s: invalid limit value", e.Name)
			}
		}
		size := 8
		if kind == types.UStack {
			size = 16
		}
		if kind == types.KStack && mode == "build_id" {
			k.warn(e, "", "'build_id' stack mode can only be used for ustack. Falling back to 'raw' mode.")
			mode = "raw"
		}
		return &types.Type{Kind: kind, Size: size, Mode: mode, Frames: max(frames, 1)}
	}
}

// stackMapName is the map that keeps stacks of a type.
func stackMapName(t *types.Type) string {
	if t.Mode == "build_id" && t.Kind == types.UStack {
		return fmt.Sprintf("stacks_build_id_%d", t.Frames)
	}
	return fmt.Sprintf("stacks_%d", t.Frames)
}

// stackID keeps the current stack and gives its id.
func (g *gen) stackID(t *types.Type, flags int64) ir.Arg {
	name := stackMapName(t)
	g.c.stacks[name] = t.Frames
	id := g.f.Call(asm.FnGetStackid, g.ctx(), ir.Map(name), ir.Imm(flags))
	if !g.c.stackLens {
		return id
	}
	// The number of frames goes into the upper half: programs cannot read the
	// map of stacks.
	r := g.f.NewReg()
	g.f.Set(r, id)
	some, end := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JSLT, ir.R(r), ir.Imm(0), end, some)
	g.f.Start(some)
	m := g.mark()
	size := 8 * t.Frames
	n := g.f.Call(asm.FnGetStack, g.ctx(), g.temp(size), ir.Imm(int64(size)), ir.Imm(flags))
	g.release(m)
	frames := g.f.Bin(asm.LSh, g.f.Bin(asm.RSh, n, ir.Imm(3)), ir.Imm(32))
	ok := g.f.NewBlock()
	n = g.f.InReg(n)
	g.f.Branch(asm.JSLT, n, ir.Imm(0), end, ok)
	g.f.Start(ok)
	g.f.Set(r, g.f.Bin(asm.Or, ir.R(r), frames))
	g.f.Jump(end)
	g.f.Start(end)
	return ir.R(r)
}

// stackLen is how many frames a stack has; one that could not be kept has none.
func (g *gen) stackLen(v value) value {
	id := g.f.Load(8, g.own(v).a, 0)
	r := g.f.NewReg()
	g.f.Set(r, ir.Imm(0))
	some, end := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JSLT, id, ir.Imm(0), end, some)
	g.f.Start(some)
	g.f.Set(r, g.f.Bin(asm.RSh, id, ir.Imm(32)))
	g.f.Jump(end)
	g.f.Start(end)
	return scalar(ir.R(r), types.TInt64)
}

func genKStack(g *gen, e *syntax.Call) value {
	t := g.u.types[e]
	dst := g.temp(8)
	g.f.Store(8, dst, 0, g.stackID(t, 0))
	return value{t: t, a: dst}
}

// genUStack: the id, and whose it is.
func genUStack(g *gen, e *syntax.Call) value {
	t := g.u.types[e]
	const user = 1 << 8 // BPF_F_USER_STACK
	dst := g.temp(16)
	g.f.Store(8, dst, 0, g.stackID(t, user))
	g.f.Store(8, dst, 8, g.pid())
	return value{t: t, a: dst}
}
