package page

import (
	"bufio"
	_ "embed"
	"fmt"
	"html"
	"io"

	"github.com/skepdev/skep/verifier"
)

// Program is one program of the page.
type Program struct {
	// Object and Section that it comes from, for the headings.
	Object, Section string
	// Verified is the program, Report what became of it, with a log of level 2
	// for the states of registers.
	Verified *verifier.Program
	Report   *verifier.Report
	// Explanation of a refusal, or nil.
	Explanation *verifier.Explanation
}

//go:embed page.css
var style string

// writer writes HTML. It is no html/template: that would keep every exported
// method in the binary.
type writer struct{ w *bufio.Writer }

// put writes a format of HTML; strings among the arguments are escaped.
func (w writer) put(format string, args ...any) {
	for i, a := range args {
		switch a := a.(type) {
		case string:
			args[i] = html.EscapeString(a)
		case fmt.Stringer:
			args[i] = html.EscapeString(a.String())
		}
	}
	fmt.Fprintf(w.w, format, args...)
}

// Write writes the page. Programs are shown in the order given.
func Write(out io.Writer, title string, programs []Program) error {
	w := writer{bufio.NewWriter(out)}
	w.put(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
`, title)
	_, _ = w.w.WriteString(style)
	w.put("</style>\n</head>\n<body>\n<nav aria-label=\"Programs\"><h1>%s</h1>\n", title)
	for i := range programs {
		w.put("<a href=\"#p%d\">", i)
		w.mark(programs[i].Report.Accepted)
		w.put("%s</a>\n", programs[i].Verified.Name())
	}
	w.put("</nav>\n<main>\n")
	for i := range programs {
		w.program(i, &programs[i])
	}
	w.put("</main>\n</body>\n</html>\n")
	return w.w.Flush()
}

func (w writer) mark(accepted bool) {
	if accepted {
		w.put("<span class=\"accepted\">✓</span> ")
		return
	}
	w.put("<span class=\"refused\">✗</span> ")
}

func (w writer) program(i int, p *Program) {
	r, verdict, bad := p.Report, "refused", -1
	if r.Accepted {
		verdict = "accepted"
	}
	if p.Explanation != nil {
		bad = p.Explanation.Slot
	}
	w.put("<section id=\"p%d\">\n<h2>", i)
	w.mark(r.Accepted)
	w.put("%s <small>%s · %s · %s</small></h2>\n<dl>", p.Verified.Name(), p.Section, p.Object, verdict)
	for _, f := range [][2]string{
		{"instructions simulated", fmt.Sprintf("%d of %d", r.Processed, r.Limit)},
		{"longest path", fmt.Sprint(r.LongestPath)},
		{"states kept", fmt.Sprint(r.States)},
		{"stack", fmt.Sprintf("%d of 512 bytes", r.Stack)},
		{"sums masked", count(r.Masked)},
		{"barriers", count(r.Fenced)},
	} {
		if f[1] == "" {
			continue
		}
		w.put("<div><dt>%s</dt><dd>%s</dd></div>", f[0], f[1])
	}
	w.put("</dl>\n")
	if p.Explanation != nil {
		w.explanation(p.Explanation)
	}
	for _, f := range functionsOf(p, bad) {
		w.put("<h3>%s()</h3>\n<div class=\"lines\">\n", f.Name)
		for j := range f.Lines {
			w.line(&f.Lines[j])
		}
		w.put("</div>\n")
	}
	w.put("</section>\n")
}

func (w writer) explanation(e *verifier.Explanation) {
	w.put("<div class=\"why\">\n<p><b>%s</b></p>\n", e.Summary)
	if e.Place.Line > 0 {
		w.put("<p>at <code>%s</code> in <code>%s()</code></p>\n", e.Place, e.Function)
	}
	for _, part := range [][2]string{{"Known", e.Known}, {"Why", e.Cause}} {
		if part[1] != "" {
			w.put("<p><b>%s:</b> %s</p>\n", part[0], part[1])
		}
	}
	if len(e.Path) > 0 {
		w.put("<p><b>Path:</b></p><ol>")
		for _, b := range e.Path {
			w.put("<li><code>%s %s</code> goes on with <code>%s</code></li>", b.Place, b.Place.Text, b.Holds)
		}
		w.put("</ol>\n")
	}
	if e.Advice != "" {
		w.put("<p><b>Try:</b> %s</p>\n", e.Advice)
	}
	w.put("<p><b>The kernel says:</b> <code>%s</code></p>\n</div>\n", e.Kernel)
}

func (w writer) line(l *line) {
	class, open, number := "", "", ""
	switch {
	case l.Bad:
		class, open = "bad", " open"
	case l.Dead:
		class = "dead"
	}
	if l.Number > 0 {
		number = fmt.Sprint(l.Number)
	}
	w.put("<details class=\"%s\"%s><summary title=\"%s\"><span class=\"no\">%s</span>", class, open, l.File, number)
	w.put("<span class=\"n\" style=\"background: rgba(var(--heat), calc(%d / 140))\">%d×</span>", l.Percent, l.Visits)
	w.put("<span class=\"src\">%s</span><span class=\"ways\">", l.Text)
	for _, b := range l.Branches {
		w.put("%s ", b)
	}
	w.put("</span></summary>\n<table>")
	for i := range l.Insns {
		in := &l.Insns[i]
		row := ""
		if in.Bad {
			row = "badi"
		}
		w.put("<tr class=\"%s\"><td class=\"v\">%d</td><td>%s</td><td class=\"v\">%d×</td><td class=\"s\">", row, in.Slot, in.Text, in.Visits)
		for _, s := range in.States {
			w.put("<div>%s</div>", s)
		}
		if in.More {
			w.put("<div>and others</div>")
		}
		w.put("</td></tr>\n")
	}
	w.put("</table></details>\n")
}

// count is how many slots there are, "" for none.
func count(slots []int) string {
	if len(slots) == 0 {
		return ""
	}
	return fmt.Sprint(len(slots))
}
