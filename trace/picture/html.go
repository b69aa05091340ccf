package picture

import (
	"fmt"
	"html"
	"io"
	"strings"
)

const style = `:root { color-scheme: light dark; --bar: #3b78c4; --text: #1b1b1b; --dim: #777; --line: #ddd; --back: #fff; --heat: 59 120 196; }
@media (prefers-color-scheme: dark) { :root { --bar: #6aa5ea; --text: #e8e8e8; --dim: #9a9a9a; --line: #3a3d44; --back: #16181c; --heat: 106 165 234; } }
body { margin: 0; padding: 1rem; font: 14px/1.45 system-ui, sans-serif; background: var(--back); color: var(--text); }
h1 { font-size: 1.2rem; } h2 { font: 600 1rem ui-monospace, monospace; margin: 1.4rem 0 0.3rem; } h3 { font: 0.9rem ui-monospace, monospace; margin: 0.6rem 0 0.2rem; color: var(--dim); }
svg { display: block; max-width: 100%; height: auto; } text { font: 11px ui-monospace, monospace; fill: var(--text); } .dim { fill: var(--dim); }
.bar { fill: var(--bar); } .axis { stroke: var(--line); } .heat { fill: rgb(var(--heat)); } .plot { fill: none; stroke-width: 1.6; }
table { border-collapse: collapse; } td, th { padding: 0.1rem 1rem 0.1rem 0; text-align: right; } p { color: var(--dim); margin: 0.2rem 0; }
`

// WriteHTML writes the page.
func (p *Page) WriteHTML(w io.Writer) error {
	var b strings.Builder
	title := escape(p.Title)
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>%s</title>
<style>
%s</style>
</head>
<body>
<h1>%s</h1>
`, title, style, title)
	for _, s := range p.maps {
		s.draw(&b)
	}
	if len(p.maps) == 0 {
		b.WriteString("<p>Nothing was measured: no map was printed.</p>\n")
	}
	if p.left > 0 {
		fmt.Fprintf(&b, "<p>%d messages were left out.</p>\n", p.left)
	}
	b.WriteString("</body>\n</html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// draw draws a map: what happened between its states, and the last one.
func (s *series) draw(b *strings.Builder) {
	fmt.Fprintf(b, "<h2>%s</h2>\n", escape(s.name))
	if s.dropped > 0 {
		fmt.Fprintf(b, "<p>The first %d of its states were left out.</p>\n", s.dropped)
	}
	last := s.states[len(s.states)-1]
	const enough = 3 // states that make a course
	course := len(s.states) >= enough
	switch s.kind {
	case "hist":
		for i, e := range last.keys {
			if i == maxKeys {
				break
			}
			heading(b, e.key)
			if course {
				s.heatMap(b, e.key)
			}
			histogram(b, e.buckets)
		}
	case "tseries":
		for i, e := range last.keys {
			if i == maxKeys {
				break
			}
			heading(b, e.key)
			lines(b, []curve{{"", e.points}})
		}
	case "stats":
		statistics(b, last.keys)
	default:
		if course {
			lines(b, s.curves())
		}
		bars(b, last.keys)
	}
	if len(last.keys) > maxKeys {
		fmt.Fprintf(b, "<p>%d more keys were left out.</p>\n", len(last.keys)-maxKeys)
	}
}

func heading(b *strings.Builder, key string) {
	if key != "" {
		fmt.Fprintf(b, "<h3>%s</h3>\n", escape(key))
	}
}

// open begins a picture that says what it is to those who do not see it.
func open(b *strings.Builder, width, height int, label string) {
	fmt.Fprintf(b, `<svg width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, width, height, escape(label))
}

// number writes a value shortly.
func number(v float64) string {
	units := []string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for ; i+1 < len(units) && (v >= 10000 || v <= -10000); i++ {
		v /= 1000
	}
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d%s", int64(v), units[i])
	}
	return fmt.Sprintf("%.4g%s", v, units[i])
}

// clip shortens text to so many characters, and escapes it.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		r = append(r[:n-1], '…')
	}
	return escape(string(r))
}

// escape makes text of any bytes into text of a page.
func escape(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd")))
}
