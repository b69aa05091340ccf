package lang

import (
	"errors"
	"fmt"
	"strings"

	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// expandProbes finds the places of every probe and copies its action for each
// group of places that one program can serve.
func (c *compiler) expandProbes(prog *syntax.Program) {
	serial := 0
	macros := map[string][]*syntax.Macro{}
	for _, m := range prog.Macros {
		macros[m.Name] = append(macros[m.Name], m)
	}
	for _, f := range prog.Funcs {
		if c.funcs[f.Name] != nil || c.fn[f.Name] != nil {
			c.errorf(f, "", "Redefinition of function: %s", f.Name)
			continue
		}
		c.funcs[f.Name] = &userFunc{decl: f}
	}
	newExpander := func(where map[syntax.Node][]syntax.Span) *expander {
		return &expander{c: c, macros: macros, serial: &serial, where: where}
	}
	for _, pr := range prog.Probes {
		places := c.places(pr)
		for _, group := range c.splitCalls(c.groups(pr, places, macros)) {
			u := newUnit(group)
			x := newExpander(u.where)
			if pr.Predicate != nil {
				u.pred = x.expr(pr.Predicate)
			}
			u.body = x.block(pr.Body)
			u.finish()
			u.raw, u.numbers = c.dispatch(group)
			c.units = append(c.units, u)
			u.name = fmt.Sprintf("p%d_%s", len(c.units), progName(group[0]))
		}
	}
	if len(prog.Probes) == 0 {
		c.errorf(syntax.Span{}, "a script needs at least one probe: begin { … }", "No probes to attach")
	}
	if len(c.errs) > 0 {
		// Warnings about probes explain why there are none.
		c.errs = append(c.warns, c.errs...)
	}
	c.noProbes = len(c.units) == 0 && len(prog.Probes) > 0
	if n := len(c.units); n > c.cfg.MaxPrograms {
		c.errorf(prog.Probes[0], "raise it with config = { max_bpf_progs = … }, or in the environment: BPFTRACE_MAX_BPF_PROGS",
			"Your program is trying to generate more than %d BPF programs, which exceeds the current limit of %d.", n, c.cfg.MaxPrograms)
	}
	c.dump("expand", func() string {
		var b strings.Builder
		for _, u := range c.units {
			p := &syntax.Program{Probes: []*syntax.Probe{{Predicate: u.pred, Body: u.body}}}
			for _, a := range u.places {
				p.Probes[0].Attach = append(p.Probes[0].Attach, &syntax.AttachPoint{Raw: a.String()})
			}
			b.WriteString(syntax.Print(p))
		}
		return b.String()
	})
}

func newUnit(places []Attach) *unit {
	return &unit{
		places: places, types: map[syntax.Expr]*types.Type{}, vars: map[*syntax.Var]*variable{},
		bare: map[*syntax.Ident]*syntax.Call{}, consts: map[syntax.Expr]int64{},
		where: map[syntax.Node][]syntax.Span{}, valued: map[*syntax.If]bool{}, lhist: map[syntax.Expr][3]int64{}, text: map[syntax.Expr]string{},
	}
}

// finish notes which conditionals are used as values.
func (u *unit) finish() {
	stmts := map[syntax.Expr]bool{}
	var markBlock func(b *syntax.Block)
	markExpr := func(e syntax.Expr) {
		walk(e, func(n syntax.Expr) {
			if b, ok := n.(*syntax.Block); ok {
				markBlock(b)
			}
		})
	}
	markBlock = func(b *syntax.Block) {
		for _, s := range b.Stmts {
			if es, ok := s.(*syntax.ExprStmt); ok {
				if i, ok := es.X.(*syntax.If); ok {
					for i != nil {
						stmts[i] = true
						next, _ := i.Else.(*syntax.If)
						i = next
					}
				}
			}
		}
	}
	markExpr(u.body)
	var top *syntax.If
	if u.body != nil {
		top, _ = u.body.Value.(*syntax.If)
	}
	for top != nil {
		stmts[top] = true
		top, _ = top.Else.(*syntax.If)
	}
	// The value of a statement's branch is no value either.
	for changed := true; changed; {
		changed = false
		walk(u.body, func(n syntax.Expr) {
			i, ok := n.(*syntax.If)
			if !ok || !stmts[i] {
				return
			}
			for _, b := range []syntax.Expr{i.Then, i.Else} {
				if blk, ok := b.(*syntax.Block); ok && blk != nil {
					if v, ok := blk.Value.(*syntax.If); ok && !stmts[v] {
						stmts[v], changed = true, true
					}
				}
			}
		})
	}
	walk(u.body, func(n syntax.Expr) {
		if i, ok := n.(*syntax.If); ok && !stmts[i] {
			u.valued[i] = true
		}
	})
}

func progName(a Attach) string {
	var b strings.Builder
	for _, r := range a.Provider + "_" + a.Func {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// places are what a probe's attach points mean on this machine.
func (c *compiler) places(pr *syntax.Probe) []Attach {
	var out []Attach
	missing, unwanted := false, false
	for _, ap := range pr.Attach {
		raw := c.paramsIn(ap)
		patterns, err := ParseAttach(raw)
		if err != nil {
			hint := ""
			if strings.HasPrefix(err.Error(), "Invalid probe type") {
				hint = c.suggestProvider(raw)
			}
			c.errorf(ap, hint, "%s", err)
			continue
		}
		for _, p := range patterns {
			if p.Provider == "kprobe" && p.Func == "" && !c.opt.Unsafe {
				c.errorf(ap, "", "Attaching kprobes to addresses requires --unsafe")
				continue
			}
			found, err := c.env.Match(p)
			switch {
			case err == nil && len(found) > 0:
				out = append(out, found...)
			case errors.Is(err, ErrUnwanted):
				unwanted = true
			case err == nil || errors.Is(err, ErrUnknown):
				if c.opt.Unsafe && p.kernelFunction() {
					c.untraceable(ap, p)
					out = append(out, p)
					continue
				}
				c.missing(ap, p, err)
				missing = true
			default:
				c.errorf(ap, "", "%s", err)
			}
		}
	}
	if missing && !unwanted && len(out) == 0 {
		c.noPlaces(pr)
	}
	var kept []Attach
	for _, a := range out {
		if (a.Provider == "test") != c.opt.Test && (a.Provider == "test" || a.Provider == "bench" || c.opt.Test) {
			continue
		}
		if (a.Provider == "bench") != c.opt.Bench && (a.Provider == "bench" || c.opt.Bench) {
			continue
		}
		kept = append(kept, a)
	}
	if n := len(kept); n > c.cfg.MaxProbes {
		c.errorf(pr, "raise it with config = { max_probes = … }, or in the environment: BPFTRACE_MAX_PROBES",
			"Your program is trying to attach to %d probes, which exceeds the current limit of %d.", n, c.cfg.MaxProbes)
	}
	return kept
}

// noPlaces handles probes none of whose attach points is there.
func (c *compiler) noPlaces(pr *syntax.Probe) {
	switch c.cfg.MissingProbes {
	case "ignore":
	case "warn":
		c.warnf(pr, "", "Probe has no valid attach points. It is being removed which may cause issues with program behavior.")
	default:
		c.errorf(pr, "", "Probe has no valid attach points.")
	}
}

// kernelFunction says whether a is one function of the kernel by name.
func (a Attach) kernelFunction() bool {
	return (a.Provider == "kprobe" || a.Provider == "kretprobe") && !a.Wild() && a.Func != ""
}

func (c *compiler) untraceable(ap *syntax.AttachPoint, p Attach) {
	c.warnf(ap, "", "%s is not traceable (either non-existing, inlined, or marked as \"notrace\"); attaching to it will likely fail", p.Func)
}

// missing handles attach points that match nothing, as missing_probes says.
func (c *compiler) missing(ap *syntax.AttachPoint, p Attach, err error) {
	name := strings.TrimPrefix(p.String(), p.Provider+":")
	what := fmt.Sprintf("No matches for %s %s.", p.Provider, name)
	switch p.Provider {
	case "uprobe", "uretprobe", "usdt", "iter", "software", "hardware":
		if err != nil {
			what = strings.TrimSuffix(err.Error(), ": "+ErrUnknown.Error())
		}
	}
	if p.kernelFunction() {
		c.untraceable(ap, p)
	}
	switch c.cfg.MissingProbes {
	case "ignore":
	case "warn":
		c.warnf(ap, "", "%s Skipping.", what)
	default:
		c.errorf(ap, "If this is expected, set the 'missing_probes' config variable to 'warn'.", "%s", what)
	}
}

func (c *compiler) suggestProvider(raw string) string {
	head, _, _ := strings.Cut(raw, ":")
	for _, p := range Providers() {
		if strings.HasPrefix(p, strings.ToLower(head)) || strings.HasPrefix(strings.ToLower(head), p) {
			return "did you mean " + p + "?"
		}
	}
	return ""
}

// paramsIn puts positional parameters into an attach point's text.
func (c *compiler) paramsIn(ap *syntax.AttachPoint) string {
	raw := ap.Raw
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] != '$' {
			b.WriteByte(raw[i])
			continue
		}
		n, j := 0, i+1
		for j < len(raw) && raw[j] >= '0' && raw[j] <= '9' && n < 1<<20 {
			n = n*10 + int(raw[j]-'0')
			j++
		}
		if j == i+1 {
			b.WriteByte('$')
			continue
		}
		if n >= 1 && n <= len(c.opt.Params) {
			b.WriteString(c.opt.Params[n-1])
		}
		i = j - 1
	}
	return b.String()
}

// groups splits places so that one program serves each group: all of one
// provider, unless what the action asks differs from place to place.
func (c *compiler) groups(pr *syntax.Probe, places []Attach, macros map[string][]*syntax.Macro) [][]Attach {
	apart := c.placeBound(pr, macros)
	var out [][]Attach
	at := map[string]int{}
	for _, p := range places {
		key := p.Provider
		switch p.Provider {
		case "begin", "end", "self", "interval", "profile", "software", "hardware", "iter", "fentry", "fexit", "test", "bench",
			"watchpoint", "asyncwatchpoint":
			// One program each: they are loaded for their target.
			out = append(out, []Attach{p})
			continue
		}
		if apart {
			out = append(out, []Attach{p})
			continue
		}
		if i, ok := at[key]; ok {
			out[i] = append(out[i], p)
			continue
		}
		at[key] = len(out)
		out = append(out, []Attach{p})
	}
	return out
}

// placeBound says whether an action asks for something that may differ between
// the places of one provider.
func (c *compiler) placeBound(pr *syntax.Probe, macros map[string][]*syntax.Macro) bool {
	bound := false
	usdt := false
	for _, a := range pr.Attach {
		head, _, _ := strings.Cut(a.Raw, ":")
		usdt = usdt || providers[head] == "usdt"
	}
	seen := map[string]bool{}
	var look func(e syntax.Expr)
	look = func(e syntax.Expr) {
		name := ""
		switch e := e.(type) {
		case *syntax.Ident:
			name = e.Name
		case *syntax.Call:
			name = e.Name
		default:
			return
		}
		switch name {
		case "args", "uaddr", "retval", "func", "ctx", "probetype":
			bound = true
		}
		if _, ok := argNumber(name); ok && usdt {
			bound = true
		}
		if !seen[name] {
			seen[name] = true
			for _, m := range macros[name] {
				walk(m.Body, look)
			}
		}
	}
	walk(pr.Predicate, look)
	walk(pr.Body, look)
	return bound
}
