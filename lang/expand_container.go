package lang

import "github.com/skepdev/skep/lang/syntax"

// containerOf is the struct around the member that a pointer means: the pointer
// less the member's offset, as a pointer to the struct.
func (x *expander) containerOf(e *syntax.Call) syntax.Expr {
	var path []string
	for at := e.Args[2]; ; {
		if f, ok := at.(*syntax.Field); ok {
			path = append([]string{f.Name}, path...)
			at = f.X
			continue
		}
		id, ok := at.(*syntax.Ident)
		if !ok {
			x.c.errorf(e.Args[2], "container_of($p, struct task_struct, sched_info)", "container_of() expects a member's name")
			return &syntax.Int{Span: e.Span, Text: "0"}
		}
		path = append([]string{id.Name}, path...)
		break
	}
	to, ok := x.typeArg(e.Args[1]).(*syntax.TypeExpr)
	if !ok {
		x.c.errorf(e.Args[1], "container_of($p, struct task_struct, sched_info)", "container_of() expects a type")
		return &syntax.Int{Span: e.Span, Text: "0"}
	}
	ptr := *to
	ptr.Mods = append(append([]syntax.TypeMod{}, to.Mods...), syntax.TypeMod{Pointer: true})
	bytes := &syntax.TypeExpr{Span: e.Span, Name: "uint8", Mods: []syntax.TypeMod{{Pointer: true}}}
	return &syntax.Cast{Span: e.Span, Type: &ptr, X: &syntax.Binary{
		Span: e.Span, Op: "-", X: &syntax.Cast{Span: e.Span, Type: bytes, X: x.expr(e.Args[0])},
		Y: &syntax.OffsetOf{Span: e.Span, X: to, Fields: path},
	}}
}
