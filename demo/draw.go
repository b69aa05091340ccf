package demo

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Styles, as SGR parameters.
const (
	plain   = ""
	bold    = "1"
	dim     = "2"
	green   = "32"
	red     = "1;31"
	cyan    = "36"
	passBox = "1;30;42"
	dropBox = "1;97;41"
	window  = "97;48;5;52" // a ping that was dropped, as it was to be
	alarm   = "1;30;43"    // a broken promise
)

// picture is a page of text under construction.
type picture struct {
	bytes.Buffer
	color       bool
	width, left int // columns there are, and left in this line
	rows        int // left
}

// put writes text in a style, cut at the right edge.
func (p *picture) put(style, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if n := utf8.RuneCountInString(text); n > p.left {
		text = string([]rune(text)[:max(p.left, 0)])
	}
	p.left -= utf8.RuneCountInString(text)
	if p.color && style != plain && text != "" {
		fmt.Fprintf(p, "\x1b[%sm%s\x1b[0m", style, text)
		return
	}
	p.WriteString(text)
}

// space moves to a column counted from 0.
func (p *picture) column(n int) {
	if used := p.width - p.left; n > used {
		p.put(plain, "%s", strings.Repeat(" ", n-used))
	}
}

// line ends a line: clear what an older picture had after it. The last row
// gets no newline, or the terminal would scroll.
func (p *picture) line() {
	p.WriteString("\x1b[K")
	if p.rows--; p.rows > 0 {
		p.WriteString("\r\n")
	}
	p.left = p.width
}

// draw makes the picture for a terminal of that size, as escape sequences that
// paint over the one before.
func draw(s *snapshot, width, height int, color, script bool) []byte {
	p := &picture{color: color, width: width, left: width, rows: height}
	p.WriteString("\x1b[H")
	parts := []struct {
		rows int
		draw func(*picture, *snapshot)
	}{
		{4, (*picture).head},
		{4, (*picture).wire},
		{4, (*picture).history},
		{4, (*picture).table},
		{3, (*picture).filter},
		{2, (*picture).events},
	}
	for _, part := range parts {
		if p.rows >= part.rows+1 {
			part.draw(p, s)
		}
	}
	for p.rows > 1 {
		p.line()
	}
	p.footer(script)
	p.WriteString("\x1b[K")
	return p.Bytes()
}

func (p *picture) head(s *snapshot) {
	p.put(bold, " packet of death")
	p.put(dim, "  %6.1f s", s.elapsed.Seconds())
	p.line()
	p.put(plain, " on the ")
	p.put("1;36", "%s", s.engine)
	p.put(plain, " engine")
	p.put(dim, "%s", because(s.why))
	p.line()
	if s.other != "" {
		p.put(dim, " needed for the %s engine: %s", otherEngine(s.engine), oneLine(s.other))
	}
	p.line()
	p.line()
}

// wire draws the way of a ping: client, filter, server.
func (p *picture) wire(s *snapshot) {
	box, style, pipe := "  PASS  ", passBox, green
	if s.verdict == Drop {
		box, style, pipe = "  DROP  ", dropBox, red
	}
	const filter, server = 32, 54
	p.put(bold, "  client ")
	p.put(green, "%s▶ ", strings.Repeat("─", filter-11))
	p.put(style, "%s", box)
	if s.verdict == Drop {
		p.put(pipe, " ✗")
		p.put(dim, " %s▷", strings.Repeat("╌", server-filter-len(box)-5))
	} else {
		p.put(pipe, " %s▶", strings.Repeat("─", server-filter-len(box)-3))
	}
	p.put(bold, " server")
	p.line()
	for i, f := range s.families {
		p.put(dim, "  %s", f.from)
		p.column(filter)
		if i == 0 {
			p.put(cyan, "%s", s.program)
		} else if s.flips > 0 {
			p.put(dim, "swapped in %s", micros(s.last.Microseconds))
		}
		p.column(server)
		p.put(dim, "%s", f.to)
		p.line()
	}
	p.line()
}

// history draws the last pings of each family, newest at the right.
func (p *picture) history(s *snapshot) {
	for _, f := range s.families {
		p.put(bold, "  %s  ", f.name)
		room := max(p.left-2, 0)
		pending := f.pending[max(len(f.pending)-room, 0):]
		marks := f.marks[max(len(f.marks)-(room-len(pending)), 0):]
		for _, m := range marks {
			p.mark(m)
		}
		for _, v := range pending {
			if v == Drop {
				p.put(window, "✗")
			} else {
				p.put(dim, "…")
			}
		}
		p.line()
	}
	p.put(plain, "        ")
	p.put(green, "•")
	p.put(dim, " back   ")
	p.put(window, "✗")
	p.put(dim, " dropped in the DROP window   ")
	p.put(alarm, "!")
	p.put(dim, " a broken promise")
	p.line()
	p.line()
}

func (p *picture) mark(m mark) {
	switch m.fate {
	case received:
		p.put(green, "•")
	case lostInside:
		p.put(window, "✗")
	default:
		p.put(alarm, "!")
	}
}

func (p *picture) table(s *snapshot) {
	p.put(dim, "  %6s %6s %6s %8s %13s %14s %9s", "", "sent", "back", "dropped", "lost outside", "passed inside", "rtt")
	p.line()
	for _, f := range s.families {
		t := f.tally
		p.put(bold, "  %-6s", f.name)
		p.put(plain, " %6d", t.Sent+f.open)
		p.put(green, " %6d", t.Received)
		p.put(plain, " %8d", t.LostInside+f.dropping())
		p.number(13, t.LostOutside)
		p.number(14, t.PassedInside+t.Unseen)
		p.put(plain, " %9s", micros(float64(f.rtt)/1e3))
		p.line()
	}
	p.line()
}

// number draws one that should be 0.
func (p *picture) number(width, n int) {
	style := plain
	if n > 0 {
		style = alarm
	}
	p.put(style, " %*d", width, n)
}

func (p *picture) filter(s *snapshot) {
	p.put(bold, "  filter  ")
	p.put(plain, "%s", s.filter.text())
	p.line()
	p.put(bold, "  flips   ")
	if s.flips == 0 {
		p.put(dim, "none yet")
	} else {
		p.put(plain, "%d; the last at %.1f s to %s, replaced through its link in %s", s.flips, s.last.Offset, s.last.To, micros(s.last.Microseconds))
	}
	p.line()
	p.line()
}

// events draws as many as there are rows for, newest last.
func (p *picture) events(s *snapshot) {
	p.put(bold, "  events")
	p.put(dim, "  from the filter's ring buffer")
	p.line()
	events := s.events[max(len(s.events)-(p.rows-2), 0):]
	for _, e := range events {
		style := green
		if e.Verdict == Drop {
			style = red
		}
		p.put(dim, "  %8.3f s  ", e.at.Seconds())
		p.put(style, "%s", e.Verdict)
		p.put(plain, "  %s → %s  seq %d", e.Source, e.Destination, e.ICMPSequence)
		p.put(dim, "  %d bytes", e.Length)
		p.line()
	}
}

func (p *picture) footer(script bool) {
	keys := [][2]string{{"space", "flip"}, {"p", "pass"}, {"d", "drop"}, {"q", "quit"}}
	if script {
		keys = keys[3:]
	}
	p.put(plain, "  ")
	for _, k := range keys {
		p.put("7", " %s ", k[0])
		p.put(dim, " %s   ", k[1])
	}
}
