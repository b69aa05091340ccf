package lang

import (
	"errors"
	"strings"

	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// definitions reads preprocessor lines and C types.
func (c *compiler) definitions(prog *syntax.Program) {
	p := &preprocessor{c: c, included: map[string]bool{}}
	for _, h := range c.opt.Include {
		p.include(syntax.Span{}, "<"+h+">", 0)
	}
	for _, t := range prog.C {
		p.text(t, t.Text, 0)
	}
	if len(p.skip) > 0 && len(prog.C) > 0 {
		c.errorf(prog.C[len(prog.C)-1], "", "unterminated conditional directive")
	}
}

// preprocessor follows conditionals and collects macros.
type preprocessor struct {
	c *compiler
	// skip says for each open #if whether its text is passed over; done
	// whether one of its branches was taken.
	skip, done []bool
	included   map[string]bool
}

func (p *preprocessor) skipping() bool {
	for _, s := range p.skip {
		if s {
			return true
		}
	}
	return false
}

func (p *preprocessor) text(at syntax.Node, text string, depth int) {
	if !strings.HasPrefix(text, "#") {
		if p.skipping() {
			return
		}
		if err := p.c.cdefs.Define(text); err != nil {
			var ce *types.CError
			span := at.Pos()
			if errors.As(err, &ce) && depth == 0 {
				span = syntax.Span{Start: span.Start + ce.Off, End: span.Start + ce.Off + 1}
			}
			if depth == 0 {
				p.c.errorf(span, "", "%s", err)
			}
		}
		return
	}
	text = strings.ReplaceAll(text, "\t", " ")
	word, rest, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(text, "#")), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "if", "ifdef", "ifndef":
		on := false
		switch word {
		case "ifdef":
			on = p.defined(rest)
		case "ifndef":
			on = !p.defined(rest)
		default:
			on = p.condition(rest)
		}
		p.skip, p.done = append(p.skip, !on), append(p.done, on)
	case "else", "elif":
		n := len(p.skip) - 1
		if n < 0 {
			p.c.errorf(at, "", "#%s without #if", word)
			return
		}
		on := !p.done[n] && (word == "else" || p.condition(rest))
		p.skip[n] = !on
		p.done[n] = p.done[n] || on
	case "endif":
		if n := len(p.skip); n > 0 {
			p.skip, p.done = p.skip[:n-1], p.done[:n-1]
		} else {
			p.c.errorf(at, "", "#endif without #if")
		}
	case "define":
		if !p.skipping() {
			p.define(rest)
		}
	case "undef":
		if !p.skipping() {
			delete(p.c.cdefs.Macros, rest)
		}
	case "include":
		if !p.skipping() {
			p.include(at, rest, depth)
		}
	}
}

func (p *preprocessor) defined(name string) bool {
	name, _, _ = strings.Cut(name, " ")
	if name == "BPFTRACE_HAVE_BTF" {
		return p.c.kernelTypes() != nil
	}
	_, ok := p.c.cdefs.Macros[name]
	return ok
}

// condition evaluates what #if needs here: defined(), !, numbers.
func (p *preprocessor) condition(s string) bool {
	s = strings.TrimSpace(s)
	neg := false
	for strings.HasPrefix(s, "!") {
		neg = !neg
		s = strings.TrimSpace(s[1:])
	}
	var v bool
	switch {
	case strings.HasPrefix(s, "defined"):
		v = p.defined(strings.Trim(strings.TrimPrefix(s, "defined"), " ()"))
	default:
		if n, ok := syntax.ParseInt(s); ok {
			v = n != 0
		} else {
			v = p.defined(s)
		}
	}
	return v != neg
}

// define keeps macros without parameters.
func (p *preprocessor) define(s string) {
	end := 0
	for end < len(s) && (s[end] == '_' || s[end]|0x20 >= 'a' && s[end]|0x20 <= 'z' || s[end] >= '0' && s[end] <= '9') {
		end++
	}
	if end == 0 || end < len(s) && s[end] == '(' {
		return
	}
	body := s[end:]
	for _, mark := range []string{"/*", "//"} {
		if i := strings.Index(body, mark); i >= 0 {
			body = body[:i]
		}
	}
	p.c.cdefs.Macros[s[:end]] = strings.TrimSpace(body)
}

const maxIncludeDepth = 40

// include reads a header for its constants and types. The kernel's own headers
// are seldom there, and their types come from BTF: they may be missing.
func (p *preprocessor) include(at syntax.Node, what string, depth int) {
	angle := strings.HasPrefix(what, "<")
	name := strings.Trim(what, "<>\" ")
	if p.included[name] || depth > maxIncludeDepth {
		return
	}
	p.included[name] = true
	text, err := p.c.env.ReadFile(name, angle)
	if err != nil {
		if depth == 0 && p.c.kernelTypes() == nil || depth == 0 && !kernelHeader(name) {
			p.c.errorf(at, "", "'%s' file not found", name)
		}
		return
	}
	before := len(p.skip)
	for _, t := range headerText(string(text)) {
		p.text(t, t.Text, depth+1)
	}
	p.skip, p.done = p.skip[:min(before, len(p.skip))], p.done[:min(before, len(p.done))]
}

func kernelHeader(name string) bool {
	for _, dir := range []string{"linux/", "net/", "uapi/", "asm/", "scsi/", "sound/", "trace/", "kernel/", "fs/", "mm/", "block/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

// headerText splits a header into preprocessor lines and definitions of types;
// declarations of functions and variables are left out.
func headerText(s string) []*syntax.CText {
	var out []*syntax.CText
	lines := strings.Split(strings.ReplaceAll(stripComments(s), "\\\n", " "), "\n")
	for i := 0; i < len(lines); i++ {
		l := strings.TrimSpace(lines[i])
		switch {
		case strings.HasPrefix(l, "#"):
			out = append(out, &syntax.CText{Text: "#" + strings.TrimSpace(l[1:])})
		case strings.HasPrefix(l, "struct "), strings.HasPrefix(l, "union "), strings.HasPrefix(l, "enum "), l == "enum",
			strings.HasPrefix(l, "typedef "), strings.HasPrefix(l, "enum{"):
			text, open, directives := "", 0, []*syntax.CText(nil)
			for ; i < len(lines); i++ {
				if t := strings.TrimSpace(lines[i]); strings.HasPrefix(t, "#") {
					if strings.HasPrefix(t[1:], "define") || strings.Contains(t, "define") && !strings.Contains(t, "if") {
						directives = append(directives, &syntax.CText{Text: "#" + strings.TrimSpace(t[1:])})
					}
					continue
				}
				text += lines[i] + "\n"
				open += strings.Count(lines[i], "{") - strings.Count(lines[i], "}")
				if open <= 0 && strings.Contains(lines[i], ";") {
					break
				}
			}
			out = append(out, directives...)
			out = append(out, &syntax.CText{Text: text})
		}
	}
	return out
}

func stripComments(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "/*")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		j := strings.Index(s[i+2:], "*/")
		if j < 0 {
			return b.String()
		}
		b.WriteString(strings.Repeat("\n", strings.Count(s[i:i+2+j], "\n")))
		s = s[i+2+j+2:]
	}
}

// macroValue is a C macro as an expression of the language; nil if it is none.
func (c *compiler) macroValue(at syntax.Node, name, text string, depth int) syntax.Expr {
	if text == "" || depth > maxMacroDepth {
		return nil
	}
	e, err := syntax.ParseExpr(syntax.NewFile("definitions.h", text))
	if err != nil {
		c.warnf(at, "", "unable to expand macro %s: %s", name, text)
		return nil
	}
	relocate(e, at.Pos())
	if id, ok := e.(*syntax.Ident); ok {
		if id.Name == name {
			return nil
		}
		if next, ok := c.cdefs.Macros[id.Name]; ok {
			return c.macroValue(at, id.Name, next, depth+1)
		}
	}
	if refersTo(e, name, c, 0) {
		c.errorf(at, "", "Macro recursion: %s", name)
		return nil
	}
	return e
}

// refersTo finds macros that contain themselves.
func refersTo(e syntax.Expr, name string, c *compiler, depth int) bool {
	found := false
	walk(e, func(n syntax.Expr) {
		id, ok := n.(*syntax.Ident)
		if !ok || found {
			return
		}
		if id.Name == name {
			found = true
			return
		}
		if text, ok := c.cdefs.Macros[id.Name]; ok && depth < 32 {
			if in, err := syntax.ParseExpr(syntax.NewFile("definitions.h", text)); err == nil {
				found = refersTo(in, name, c, depth+1)
			}
		} else if depth >= 32 {
			found = true
		}
	})
	return found
}
