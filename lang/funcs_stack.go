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
	return g.f.Call(asm.FnGetStackid, g.ctx(), ir.Map(name), ir.Imm(flags))
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
