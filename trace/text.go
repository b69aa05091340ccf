package trace

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// printer writes what a session has to say.
type printer interface {
	attached(n int)
	printf(s string)
	value(v datum)
	mapValue(name string, v datum)
	text(kind, s string)
	message(m message)
	lost(n uint64)
}

// printers are several that print the same.
type printers []printer

func (ps printers) attached(n int) {
	for _, p := range ps {
		p.attached(n)
	}
}

func (ps printers) printf(s string) {
	for _, p := range ps {
		p.printf(s)
	}
}

func (ps printers) value(v datum) {
	for _, p := range ps {
		p.value(v)
	}
}

func (ps printers) mapValue(name string, v datum) {
	for _, p := range ps {
		p.mapValue(name, v)
	}
}

func (ps printers) text(kind, s string) {
	for _, p := range ps {
		p.text(kind, s)
	}
}

func (ps printers) message(m message) {
	for _, p := range ps {
		p.message(m)
	}
}

func (ps printers) lost(n uint64) {
	for _, p := range ps {
		p.lost(n)
	}
}

// message is an error or warning at run time.
type message struct {
	severity string // ERROR or WARNING
	kind     string // errorf, warnf, helper_error
	where    string
	msg      string
	helper   string
	code     int64
	source   []string
	expanded [][2]any // where, source
}

// textPrinter writes bpftrace's text.
type textPrinter struct {
	out, err io.Writer
	quiet    bool
}

func (p *textPrinter) attached(n int) {
	if p.quiet {
		return
	}
	s := "s"
	if n == 1 {
		s = ""
	}
	fmt.Fprintf(p.err, "Attached %d probe%s\n", n, s)
}

func (p *textPrinter) printf(s string)     { io.WriteString(p.out, s) }
func (p *textPrinter) text(kind, s string) { io.WriteString(p.out, s) }
func (p *textPrinter) value(v datum)       { io.WriteString(p.out, text(v)+"\n") }
func (p *textPrinter) lost(n uint64)       { fmt.Fprintf(p.err, "Lost %d events\n", n) }

func (p *textPrinter) message(m message) {
	where := m.where
	if where != "" {
		where += ": "
	}
	fmt.Fprintf(p.err, "%s%s: %s\n", where, m.severity, m.msg)
	if m.kind == "helper_error" {
		fmt.Fprintf(p.err, "Additional Info - helper: %s, retcode: %d\n", m.helper, m.code)
		for _, l := range m.source {
			fmt.Fprintln(p.err, l)
		}
	}
	for _, e := range m.expanded {
		fmt.Fprintf(p.err, "%v: %s: expanded from\n", e[0], m.severity)
		for _, l := range e[1].([]string) {
			fmt.Fprintln(p.err, l)
		}
	}
}

func (p *textPrinter) mapValue(name string, v datum) {
	if s, ok := v.(stats); ok {
		v = s.v
	}
	var b strings.Builder
	switch v := v.(type) {
	case histogram, series:
		b.WriteString(name + ":\n" + text(v) + "\n")
	case ordered:
		for _, kv := range v {
			key := text(kv.key)
			if len(key) >= 2 && key[0] == '(' && key[len(key)-1] == ')' {
				key = key[1 : len(key)-1]
			}
			b.WriteString(name + "[" + key + "]:")
			switch kv.val.(type) {
			case histogram, series:
				b.WriteString("\n")
			default:
				b.WriteString(" ")
			}
			b.WriteString(text(kv.val) + "\n")
		}
	default:
		b.WriteString(name + ": " + text(v) + "\n")
	}
	io.WriteString(p.out, b.String())
}

// text is a datum as text.
func text(v datum) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case string:
		return v
	case symbol:
		return v.name
	case buffer:
		return hexBuffer(v, true, true)
	case tuple:
		return "(" + joinText(v, ", ") + ")"
	case array:
		return "[" + joinText(v, ",") + "]"
	case record:
		if len(v.names) == 0 {
			return "{}"
		}
		var parts []string
		for i, n := range v.names {
			parts = append(parts, "."+n+" = "+text(v.vals[i]))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case stats:
		return text(v.v)
	case histogram:
		return v.text()
	case series:
		return v.text()
	case ordered:
		var b strings.Builder
		for _, kv := range v {
			b.WriteString("[" + text(kv.key) + "]: " + text(kv.val) + "\n")
		}
		return b.String()
	}
	return fmt.Sprint(v)
}

func joinText[T ~[]datum](l T, sep string) string {
	var parts []string
	for _, e := range l {
		parts = append(parts, text(e))
	}
	return strings.Join(parts, sep)
}

// adjacent says whether a bucket holds one number only.
func adjacent(a, b datum) bool {
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	return ok1 && ok2 && x+1 == y
}

const barWidth = 52

func (h histogram) text() string {
	var most uint64
	for _, c := range h.counts {
		most = max(most, c)
	}
	var b strings.Builder
	for i, c := range h.counts {
		var lower datum = h.lower
		if i > 0 {
			lower = h.labels[i-1]
		}
		head := ""
		switch {
		case i == 0 && h.lower == nil:
			head = "(..., " + text(h.labels[0]) + ")"
		case i >= len(h.labels):
			head = "[" + text(lower) + ", ...)"
		case adjacent(lower, h.labels[i]):
			head = "[" + text(lower) + "]"
		default:
			head = "[" + text(lower) + ", " + text(h.labels[i]) + ")"
		}
		bar := 0
		if most > 0 {
			bar = int(float32(c) / float32(most) * barWidth)
		}
		fmt.Fprintf(&b, "%-16s%8d |%-*s|\n", head, c, barWidth, strings.Repeat("@", bar))
	}
	return b.String()
}

// graphWidth is the width of a time series' graph.
const graphWidth = 53

func number(v datum) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), true
	}
	return 0, false
}

func (s series) text() string {
	if len(s) == 0 {
		return "<no data>"
	}
	var lo, hi int64
	seen := false
	for _, p := range s {
		if n, ok := number(p.val); ok {
			if !seen {
				lo, hi, seen = n, n, true
			}
			lo, hi = min(lo, n), max(hi, n)
		}
	}
	if lo == hi {
		if !(unsigned(s) && lo == 0) {
			lo--
		}
		hi++
	}
	interval := int64(0)
	if len(s) > 1 {
		interval = (s[len(s)-1].at - s[0].at) / int64(len(s)-1)
	}
	digits, unit := 0, ""
	switch {
	case interval%1e9 == 0:
	case interval%1e6 == 0:
		digits, unit = 3, ".ms"
	case interval%1e3 == 0:
		digits, unit = 6, ".us"
	default:
		digits, unit = 9, ".ns"
	}
	head := "hh:mm:ss" + unit
	width := 8
	if digits > 0 {
		width += 1 + digits
	}
	var b strings.Builder
	bounds := func() {
		fmt.Fprintf(&b, "%*s%-21d%*d\n", width+1, "", lo, graphWidth-21, hi)
	}
	bounds()
	fmt.Fprintf(&b, "%-*s|%s|\n", width+1, head, strings.Repeat("_", graphWidth-2))
	zero := 0
	if lo < 0 && hi > 0 {
		zero = int(float32(graphWidth) * float32(-lo) / float32(hi-lo))
	}
	for _, p := range s {
		line := []byte("|" + strings.Repeat(" ", graphWidth-2) + "|")
		if zero > 0 {
			line[zero] = '.'
		}
		val := "-"
		if n, ok := number(p.val); ok {
			at := int(float32(graphWidth-1) * float32(n-lo) / float32(hi-lo))
			line[max(0, min(graphWidth-1, at))] = '*'
			val = text(p.val)
		}
		t := time.Unix(0, p.at)
		stamp := t.Format("15:04:05")
		if digits > 0 {
			stamp += "." + fmt.Sprintf("%09d", t.Nanosecond())[:digits]
		}
		fmt.Fprintf(&b, "%s %s %s\n", stamp, line, val)
	}
	fmt.Fprintf(&b, "%*s v%sv\n", width, "", strings.Repeat("_", graphWidth-2))
	bounds()
	return b.String()
}

func unsigned(s series) bool {
	for _, p := range s {
		if _, ok := p.val.(uint64); ok {
			return true
		}
	}
	return false
}
