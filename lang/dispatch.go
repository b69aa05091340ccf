package lang

import (
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
)

// Attaching to hundreds of system calls' tracepoints takes seconds, and
// detaching more. One raw tracepoint sees them all: the program looks at the
// number first.

// dispatchFrom is how many places make a raw tracepoint worth its cost, which
// is to run for the other system calls, too.
const dispatchFrom = 8

// maxSyscalls is beyond any system call's number.
const maxSyscalls = 512

// splitCalls puts entries and exits of system calls into groups of their own,
// and those without a known number.
func (c *compiler) splitCalls(groups [][]Attach) (out [][]Attach) {
	for _, g := range groups {
		if len(g) < dispatchFrom || g[0].Provider != "tracepoint" {
			out = append(out, g)
			continue
		}
		var enter, exit, rest []Attach
		for _, p := range g {
			in, isEnter := strings.CutPrefix(p.Func, "sys_enter_")
			to, isExit := strings.CutPrefix(p.Func, "sys_exit_")
			_, known := c.env.Syscall(in)
			_, knownExit := c.env.Syscall(to)
			switch {
			case p.Target == "syscalls" && isEnter && known:
				enter = append(enter, p)
			case p.Target == "syscalls" && isExit && knownExit:
				exit = append(exit, p)
			default:
				rest = append(rest, p)
			}
		}
		for _, part := range [][]Attach{enter, exit, rest} {
			if len(part) > 0 {
				out = append(out, part)
			}
		}
	}
	return out
}

// dispatch is the raw tracepoint that serves places, and the system calls'
// numbers; "" if there is none.
func (c *compiler) dispatch(places []Attach) (raw string, numbers []int) {
	if len(places) < dispatchFrom || places[0].Provider != "tracepoint" {
		return "", nil
	}
	for _, p := range places {
		if p.Target != "syscalls" {
			return "", nil
		}
		kind := ""
		name, ok := strings.CutPrefix(p.Func, "sys_enter_")
		if kind = "sys_enter"; !ok {
			name, ok = strings.CutPrefix(p.Func, "sys_exit_")
			kind = "sys_exit"
		}
		n, known := c.env.Syscall(name)
		if !ok || !known || n >= maxSyscalls || raw != "" && raw != kind {
			return "", nil
		}
		raw = kind
		numbers = append(numbers, n)
	}
	return raw, numbers
}

// syscallNumber reads the number of the call under way: sys_enter has it as its
// second argument, sys_exit in the registers.
func (g *gen) syscallNumber() ir.Arg {
	if g.u.raw == "sys_enter" {
		return g.f.Load(8, g.ctx(), 8)
	}
	return g.loadInt(8, false, g.f.Plus(g.f.Load(8, g.ctx(), 0), machine.syscall), spKernel)
}

// dispatchFilter leaves for system calls that are not wanted.
func (g *gen) dispatchFilter() {
	if g.u.raw == "" {
		return
	}
	g.c.bitmaps[g.u] = true
	n := g.f.InReg(g.syscallNumber())
	low, run, skip := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JLT, n, ir.Imm(maxSyscalls), low, skip)
	g.f.Start(low)
	at := g.f.Bin(asm.Add, g.f.InReg(ir.MapValue(g.bitmapName(), 0)), n)
	g.f.Branch(asm.JNE, g.f.Load(1, at, 0), ir.Imm(0), run, skip)
	g.f.Start(skip)
	g.f.Return(ir.Imm(0))
	g.f.Start(run)
}

func (g *gen) bitmapName() string { return g.u.mapName("calls") }

func (u *unit) mapName(what string) string {
	head, _, _ := strings.Cut(u.name, "_")
	return what + "_" + head
}

// syscallProbe is the name of the probe of the call under way.
func (g *gen) syscallProbe(t *types.Type) value {
	g.c.nameTables[g.u] = (t.Size + 7) &^ 7
	return g.nameAt(t, g.u.mapName("names"), g.syscallNumber())
}

// dispatchMaps are the tables of units that dispatch.
func (c *compiler) dispatchMaps() {
	for u := range c.bitmaps {
		v := make([]byte, maxSyscalls)
		for _, n := range u.numbers {
			v[n] = 1
		}
		name := u.mapName("calls")
		c.obj.Spec.Maps[name] = &ebpf.MapSpec{
			Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: maxSyscalls, MaxEntries: 1,
			Contents: []ebpf.MapKV{{Key: uint32(0), Value: v}},
		}
	}
	for u, size := range c.nameTables {
		name := u.mapName("names")
		m := &ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: maxSyscalls}
		for i, p := range u.places {
			v := make([]byte, size)
			copy(v[:size-1], p.String())
			m.Contents = append(m.Contents, ebpf.MapKV{Key: uint32(u.numbers[i]), Value: v})
		}
		c.obj.Spec.Maps[name] = m
	}
}
