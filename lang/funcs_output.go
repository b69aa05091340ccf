package lang

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// outputFuncs send records to user space.
func outputFuncs() map[string]*function {
	format := func(kind EventKind, unsafe bool) *function {
		return &function{
			min: 1, max: many,
			check: func(k *checker, e *syntax.Call) *types.Type {
				if unsafe && !k.wantUnsafe(e) {
					return types.TVoid
				}
				return k.formatCall(e)
			},
			effect: func(g *gen, e *syntax.Call) {
				f, _ := constStr(e.Args[0])
				g.emit(e, Event{Kind: kind, Format: f}, e.Args[1:])
			},
		}
	}
	return map[string]*function{
		"printf": format(EventPrintf, false),
		"errorf": format(EventErrorf, false),
		"warnf":  format(EventWarnf, false),
		"debugf": format(EventDebug, false),
		"system": format(EventSystem, true),
		"cat":    format(EventCat, false),
		"print":  {min: 1, max: 3, check: checkPrint, effect: genPrint},
		"join":   {min: 1, max: 2, check: checkJoin, effect: genJoin},
		"unwatch": {min: 1, max: 1, check: wantInts(types.TVoid), effect: func(g *gen, e *syntax.Call) {
			g.emit(e, Event{Kind: EventUnwatch}, e.Args)
		}},
	}
}

// ParseFormat finds the conversions of a printf format; what is between them
// comes back too, one piece more than conversions.
func ParseFormat(s string) (pieces []string, verbs []string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '%' {
			b.WriteByte('%')
			i++
			continue
		}
		j := i + 1
		for j < len(s) && strings.IndexByte("-+ #0", s[j]) >= 0 {
			j++
		}
		for j < len(s) && s[j] >= '0' && s[j] <= '9' {
			j++
		}
		if j < len(s) && s[j] == '.' {
			for j++; j < len(s) && s[j] >= '0' && s[j] <= '9'; j++ {
			}
		}
		for j < len(s) && strings.IndexByte("hljztL", s[j]) >= 0 {
			j++
		}
		if j >= len(s) {
			return nil, nil, fmt.Errorf("format ends inside of %q", s[i:])
		}
		switch {
		case s[j] == 'r' && j+1 < len(s) && (s[j+1] == 'x' || s[j+1] == 'h'):
			j++
		case s[j] == 'g' && j+1 < len(s) && s[j+1] == 'r':
			j++
		case strings.IndexByte("diouxXcspr", s[j]) < 0:
			return nil, nil, fmt.Errorf("unknown conversion %q", s[i:j+1])
		}
		pieces = append(pieces, b.String())
		b.Reset()
		verbs = append(verbs, s[i:j+1])
		i = j
	}
	return append(pieces, b.String()), verbs, nil
}

// formatCall checks format and arguments against each other.
func (k *checker) formatCall(e *syntax.Call) *types.Type {
	f, ok := k.wantStr(e, 0)
	bad := false
	for _, a := range e.Args[1:] {
		t := k.expr(a)
		bad = bad || t.Kind == types.None
	}
	if !ok || bad {
		return types.TVoid
	}
	_, verbs, err := ParseFormat(f)
	if err != nil {
		return k.fail(e.Args[0], "", "%s: %s", e.Name, err)
	}
	args := e.Args[1:]
	if len(verbs) > len(args) {
		return k.fail(e, "", "%s: Not enough arguments for format string (%d expected, %d found)", e.Name, len(verbs), len(args))
	}
	if len(verbs) < len(args) {
		return k.fail(e, "", "%s: Too many arguments for format string (%d expected, %d found)", e.Name, len(verbs), len(args))
	}
	for i, a := range args {
		if msg := formatFits(verbs[i], k.u.types[a]); msg != "" {
			k.fail(a, "", "%s: %s", e.Name, msg)
		}
	}
	return types.TVoid
}

// formatFits says what is wrong with printing t by a conversion; "" if nothing.
func formatFits(v string, t *types.Type) string {
	conv := strings.TrimLeft(v, "%-+ #0123456789.hljztL")
	wrong := func(expects string) string {
		return fmt.Sprintf("%s specifier expects a value of type %s (%s supplied)", "%"+conv, expects, typeWord(t))
	}
	if t.Kind == types.Void {
		return "expects a value (void supplied)"
	}
	switch conv {
	case "d", "i", "u", "x", "X", "o", "c", "p", "gr":
		if !t.Scalar() && !t.Castable() {
			return wrong("integer")
		}
	case "r", "rx", "rh":
		if t.Kind != types.Buffer {
			return wrong("buffer")
		}
	case "s":
		switch {
		case t.Kind == types.Int && t.Enum == nil && t.Mode != "username":
			return wrong("string")
		case t.Kind == types.Ptr && !(t.Elem.Kind == types.Int && t.Elem.Size == 1):
			return wrong("string")
		case t.Aggregate() && !t.Castable():
			return wrong("string")
		}
	}
	return ""
}

// checkPrint: a map, or any value.
func checkPrint(k *checker, e *syntax.Call) *types.Type {
	if m, ok := e.Args[0].(*syntax.Map); ok {
		mi := k.c.useMap(m)
		for i, what := range []string{"top", "div"} {
			if i+1 >= len(e.Args) {
				break
			}
			if _, ok := k.constArg(e, i+1, what); !ok {
				return types.TVoid
			}
		}
		if len(e.Args) > 1 && mi.val.Kind == types.Stats && !k.c.opt.NoWarn {
			k.warn(e, "", "%s()'s top and div arguments are ignored when used on stats() maps.", e.Name)
		}
		return types.TVoid
	}
	t := k.expr(e.Args[0])
	if len(e.Args) > 1 {
		if t.Kind != types.None {
			return k.fail(e, "", "Non-map print() only takes 1 argument, %d found", len(e.Args))
		}
	}
	if t.Kind == types.Void {
		return k.fail(e, "", "%s type passed to print() is not printable", "void")
	}
	return types.TVoid
}

func genPrint(g *gen, e *syntax.Call) {
	if m, ok := e.Args[0].(*syntax.Map); ok {
		g.emit(e, Event{Kind: EventPrintMap, Map: m.Name}, append([]syntax.Expr{}, e.Args[1:]...))
		return
	}
	if ix, ok := e.Args[0].(*syntax.Index); ok {
		if m, isMap := ix.X.(*syntax.Map); isMap && g.c.maps[m.Name].val.Aggregate() && !g.c.maps[m.Name].val.Castable() {
			g.printMapKey(e, ix)
			return
		}
	}
	g.emit(e, Event{Kind: EventPrintValue}, e.Args[:1])
}

// printMapKey prints an aggregation's one key: user space reads it, as it is
// spread over the CPUs.
func (g *gen) printMapKey(e *syntax.Call, ix *syntax.Index) {
	m := g.c.maps[ix.X.(*syntax.Map).Name]
	id := g.c.event(Event{
		Kind: EventPrintValue, Map: m.name, Args: []*types.Type{m.key}, Offsets: []int{8}, Size: 8 + stride(m.key), Probe: g.u.name,
	})
	key := g.key(m, ix.Keys)
	ev := g.temp(8 + stride(m.key))
	g.f.Store(8, ev, 0, ir.Imm(int64(id)))
	g.moveBytes(g.f.Plus(ev, 8), key, stride(m.key))
	g.output(ev, 8+stride(m.key))
}

func genExit(g *gen, e *syntax.Call) { g.emitExit(e) }

func (g *gen) emitExit(e *syntax.Call) {
	g.emit(e, Event{Kind: EventExit}, e.Args)
	g.f.Store(8, ir.MapValue(DataMap, DataExited), 0, ir.Imm(1))
	// Nothing after exit() runs.
	g.leave()
}

// leave ends the program.
func (g *gen) leave() {
	if g.fr.callback {
		g.f.Store(8, g.fr.caps, 8, ir.Imm(1))
		g.f.Return(ir.Imm(1))
		return
	}
	g.f.Return(ir.Imm(0))
}

// mapEvent asks user space to do something to a map.
func (g *gen) mapEvent(e *syntax.Call, kind EventKind) {
	g.emit(e, Event{Kind: kind, Map: e.Args[0].(*syntax.Map).Name}, nil)
}

// emit builds a record and sends it. Numbers take 8 bytes, objects their size.
func (g *gen) emit(at *syntax.Call, ev Event, args []syntax.Expr) {
	off := 8
	for _, a := range args {
		t := g.u.types[a]
		if t == nil {
			t = types.TInt64
		}
		if t.Castable() {
			t = types.IntType(8, t.Signed)
		}
		if k, ok := a.(*syntax.Str); ok && len(k.Value) > g.c.cfg.MaxStrlen*4 {
			t = types.StringType(g.c.cfg.MaxStrlen)
		}
		ev.Args = append(ev.Args, t)
		ev.Offsets = append(ev.Offsets, off)
		off += stride(t)
	}
	ev.Size = off
	ev.Probe = g.u.name
	if ev.Kind == EventErrorf || ev.Kind == EventWarnf || ev.Kind == EventDebug {
		ev.Where, ev.Source = g.c.file.Where(at.Span), g.c.file.Context(at.Span)
		calls := g.u.where[at]
		for i := len(calls) - 1; i >= 0; i-- {
			ev.Expanded = append(ev.Expanded, Place{Where: g.c.file.Where(calls[i]), Source: g.c.file.Context(calls[i])})
		}
	}
	id := g.c.event(ev)
	dst := g.temp(off)
	for i, a := range args {
		m := g.mark()
		t := ev.Args[i]
		to := g.f.Plus(dst, ev.Offsets[i])
		if t.Scalar() {
			g.f.Store(8, to, 0, g.exprOf(a).a)
		} else {
			if pad := stride(t) - t.Size; pad > 0 {
				g.f.Store(8, dst, ev.Offsets[i]+stride(t)-8, ir.Imm(0))
			}
			g.into(to, t, a, false)
		}
		g.release(m)
	}
	g.f.Store(8, dst, 0, ir.Imm(int64(id)))
	g.output(dst, off)
}

// exprOf computes constants that have no type of their own, too.
func (g *gen) exprOf(a syntax.Expr) value {
	if n, ok := a.(*syntax.Int); ok && g.u.types[a] == nil {
		return scalar(ir.Imm(int64(n.Value)), types.TInt64)
	}
	return g.expr(a)
}

// event remembers a record's layout; equal ones share a number.
func (c *compiler) event(ev Event) int {
	c.obj.Events = append(c.obj.Events, ev)
	return len(c.obj.Events) - 1
}

// failureEvent is the record that says a helper failed.
func (c *compiler) failureEvent() int {
	if c.failEvent < 0 {
		c.failEvent = c.event(Event{Kind: EventFailure, Size: 24, Args: []*types.Type{types.TUint64, types.TInt64}, Offsets: []int{8, 16}})
	}
	return c.failEvent
}

// failure is the number of a place where a helper may fail.
func (c *compiler) failure(g *gen, helper, mapName string) int {
	return c.failureOf(g, Place{Helper: helper, Map: mapName})
}

func (c *compiler) failureOf(g *gen, p Place) int {
	if g.at != nil {
		p.Where, p.Source = c.file.Where(g.at.Pos()), c.file.Context(g.at.Pos())
	}
	for i, o := range c.obj.Places {
		if o.Where == p.Where && o.Helper == p.Helper && o.Map == p.Map && o.Msg == p.Msg {
			return i
		}
	}
	c.obj.Places = append(c.obj.Places, p)
	return len(c.obj.Places) - 1
}

// maxJoin is how many strings join prints, and how long each may be.
const maxJoin = 16

func checkJoin(k *checker, e *syntax.Call) *types.Type {
	t := k.expr(e.Args[0])
	if t.Kind == types.None {
		return t
	}
	if t.Kind != types.Ptr && t.Kind != types.Int {
		return k.fail(e.Args[0], "", "join() only supports int and pointer arguments (%s provided)", typeWord(t))
	}
	if _, ok := k.wantStr(e, 1); !ok {
		return types.TNone
	}
	return types.TVoid
}

// genJoin reads up to 16 strings through an array of pointers.
func genJoin(g *gen, e *syntax.Call) {
	sep := " "
	if len(e.Args) == 2 {
		sep, _ = constStr(e.Args[1])
	}
	size := (min(g.c.cfg.MaxStrlen, 1024) + 7) &^ 7
	ev := Event{Kind: EventJoin, Format: sep, Size: 8 + maxJoin*size, Probe: g.u.name}
	for i := range maxJoin {
		ev.Args = append(ev.Args, types.StringType(size))
		ev.Offsets = append(ev.Offsets, 8+i*size)
	}
	id := g.c.event(ev)
	v := g.expr(e.Args[0])
	sp := g.pointerSpace(v.t)
	dst := g.temp(ev.Size)
	base := g.f.InReg(v.a)
	g.f.Store(8, dst, 0, ir.Imm(int64(id)))
	for i := range maxJoin {
		p := g.loadInt(8, false, g.f.Plus(base, i*8), sp)
		g.readString(g.f.Plus(dst, ev.Offsets[i]), size, p, sp)
	}
	g.output(dst, ev.Size)
}

// formatConst formats literals, for messages while compiling.
func formatConst(f string, args []syntax.Expr) string {
	pieces, verbs, err := ParseFormat(f)
	if err != nil {
		return f
	}
	var b strings.Builder
	for i, v := range verbs {
		b.WriteString(pieces[i])
		if i >= len(args) {
			b.WriteString(v)
			continue
		}
		if s, ok := constStr(args[i]); ok {
			b.WriteString(s)
		} else if n, ok := constInt(args[i]); ok {
			b.WriteString(strconv.FormatInt(n, 10))
		} else {
			b.WriteString(syntax.ExprString(args[i]))
		}
	}
	b.WriteString(pieces[len(pieces)-1])
	return b.String()
}
