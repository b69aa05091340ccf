package lang

import (
	"strconv"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// callUser refuses functions of the script: they parse, and are not compiled.
func (k *checker) callUser(e *syntax.Call, _ *userFunc) *types.Type {
	for _, a := range e.Args {
		k.expr(a)
	}
	return k.fail(e, "a macro does the same: macro "+e.Name+"(…) { … }", "functions (fn) are not supported yet")
}

func (g *gen) callUser(*syntax.Call) value { return nothing }

// usdtArg reads an argument of a USDT probe from where its note says.
func (g *gen) usdtArg(n int, t *types.Type) value {
	specs, err := g.c.env.USDTArgs(g.u.places[0])
	if err != nil || len(specs) == 0 {
		g.c.errorf(syntax.Span{}, "", "couldn't get argument %d for %s: %v", n, g.u.places[0], err)
		return scalar(ir.Imm(0), t)
	}
	args := strings.Fields(specs[0])
	if n >= len(args) {
		g.c.errorf(g.atNode(), "", "couldn't get argument %d for %s: the probe has %d", n, g.u.places[0], len(args))
		return scalar(ir.Imm(0), t)
	}
	a, err := parseUSDTArg(args[n])
	if err != nil {
		g.c.errorf(g.atNode(), "", "%v", err)
		return scalar(ir.Imm(0), t)
	}
	v := ir.Imm(a.constant)
	switch {
	case a.reg == "":
	default:
		off, ok := registerSlot(a.reg)
		if !ok {
			g.c.errorf(g.atNode(), "", "argument %d of %s is in %s, which is not known", n, g.u.places[0], a.reg)
			return scalar(ir.Imm(0), t)
		}
		v = g.f.Load(8, g.ctx(), off)
		if a.memory {
			v = g.f.Plus(v, int(a.constant))
			if a.index != "" {
				if ioff, ok := registerSlot(a.index); ok {
					v = g.f.Bin(asm.Add, v, g.f.Bin(asm.Mul, g.f.Load(8, g.ctx(), ioff), ir.Imm(int64(a.scale))))
				}
			}
			v = g.loadInt(a.size, a.signed, v, spUser)
			return scalar(v, t)
		}
	}
	return scalar(g.f.Extend(a.size, a.signed, v), t)
}

func (g *gen) atNode() syntax.Node {
	if g.at != nil {
		return g.at
	}
	return syntax.Span{}
}

// usdtOperand is where an argument is: a constant, a register, or memory at
// constant(reg, index, scale).
type usdtOperand struct {
	size     int
	signed   bool
	constant int64
	reg      string
	index    string
	scale    int
	memory   bool
}

// parseUSDTArg reads "-4@$5", "8@%rdi", "8@-16(%rbp,%rax,8)", or arm64's
// "8@x0" and "-4@[sp, 12]".
func parseUSDTArg(s string) (usdtOperand, error) {
	bad := usdtError("cannot read the location of a USDT argument: " + strconv.Quote(s))
	size, loc, ok := strings.Cut(s, "@")
	n, err := strconv.Atoi(strings.TrimSuffix(size, "f"))
	if !ok || err != nil || loc == "" {
		return usdtOperand{}, bad
	}
	o := usdtOperand{size: max(n, -n), signed: n < 0, scale: 1}
	switch o.size {
	case 1, 2, 4, 8:
	default:
		return o, bad
	}
	switch {
	case loc[0] == '$':
		o.constant, err = strconv.ParseInt(loc[1:], 0, 64)
	case strings.HasSuffix(loc, ")"):
		o.memory = true
		off, regs, _ := strings.Cut(strings.TrimSuffix(loc, ")"), "(")
		if off != "" {
			o.constant, err = strconv.ParseInt(off, 0, 64)
		}
		parts := strings.Split(regs, ",")
		o.reg = strings.TrimPrefix(strings.TrimSpace(parts[0]), "%")
		if len(parts) > 1 {
			o.index = strings.TrimPrefix(strings.TrimSpace(parts[1]), "%")
		}
		if len(parts) > 2 {
			o.scale, err = strconv.Atoi(strings.TrimSpace(parts[2]))
		}
	case loc[0] == '[':
		o.memory = true
		reg, off, found := strings.Cut(strings.Trim(loc, "[]"), ",")
		o.reg = strings.TrimSpace(reg)
		if found {
			o.constant, err = strconv.ParseInt(strings.TrimSpace(off), 0, 64)
		}
	case loc[0] == '%':
		o.reg = loc[1:]
	default:
		if v, e := strconv.ParseInt(loc, 0, 64); e == nil {
			o.constant = v
		} else {
			o.reg = loc
		}
	}
	if err != nil {
		return o, bad
	}
	return o, nil
}

type usdtError string

func (e usdtError) Error() string { return string(e) }

// registerSlot finds a register's place in pt_regs by any of its names: rax,
// eax, ax, al are one.
func registerSlot(name string) (int, bool) {
	if off, ok := machine.regs[name]; ok {
		return off, true
	}
	if machine.name != "x86_64" {
		if strings.HasPrefix(name, "w") {
			off, ok := machine.regs["x"+name[1:]]
			return off, ok
		}
		return 0, false
	}
	n := strings.TrimLeft(name, "re")
	if off, ok := machine.regs[n]; ok {
		return off, true
	}
	if strings.HasSuffix(n, "l") {
		if off, ok := machine.regs[n[:len(n)-1]+"x"]; ok {
			return off, true
		}
		if off, ok := machine.regs[n[:len(n)-1]]; ok {
			return off, true
		}
	}
	if len(name) > 1 && name[0] == 'r' && name[1] >= '0' && name[1] <= '9' {
		off, ok := machine.regs[strings.TrimRight(name, "dwb")]
		return off, ok
	}
	return 0, false
}
