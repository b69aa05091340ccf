package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// view shows a run. Its methods are called by the run's goroutine, but close
// by any, and more than once.
type view interface {
	// every is how often show is wanted.
	every() time.Duration
	keys() <-chan key
	show(s *snapshot) error
	flipped(s *snapshot)
	end(r *Report)
	close()
}

// key is what the viewer wants.
type key int

const (
	keyQuit key = iota
	keyFlip
	keyPass
	keyDrop
)

func openView(o *Options, done <-chan struct{}) (view, error) {
	if o.live() {
		return openLive(o, done)
	}
	return &lines{w: o.Out}, nil
}

// lines is the view for what is not a terminal: a line for each flip, and the
// report.
type lines struct {
	w     io.Writer
	begun bool
	last  [2]Tally
	err   error
}

func (l *lines) every() time.Duration { return 200 * time.Millisecond }
func (l *lines) keys() <-chan key     { return nil }
func (l *lines) close()               {}

// printf keeps the first error: show returns it.
func (l *lines) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(l.w, format, args...); l.err == nil {
		l.err = err
	}
}

func (l *lines) show(s *snapshot) error {
	if !l.begun {
		l.begun = true
		l.printf("engine: %s%s\n", s.engine, because(s.why))
		if s.other != "" {
			l.printf("needed for the %s engine: %s\n", otherEngine(s.engine), oneLine(s.other))
		}
		for _, f := range s.families {
			l.printf("pinging over %s: %s -> %s\n", f.name, f.from, f.to)
		}
		l.printf("%6.2fs %s  filter attached to the server's device\n", 0.0, Pass)
	}
	return l.err
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + oneLine(why) + ")"
}

// otherEngine is the name of the engine that was not chosen.
func otherEngine(chosen string) string {
	if chosen == "kernel" {
		return "embedded"
	}
	return "kernel"
}

// oneLine keeps a sentence with several errors in it on its line.
func oneLine(s string) string { return strings.Join(strings.Split(strings.TrimSpace(s), "\n"), "; ") }

func (l *lines) flipped(s *snapshot) {
	var since []string
	for i, f := range s.families {
		now := f.tally
		now.LostInside += f.dropping()
		since = append(since, fmt.Sprintf("%s %d back, %d dropped, %d under way",
			f.name, now.Received-l.last[i].Received, now.LostInside-l.last[i].LostInside, f.open-f.dropping()))
		l.last[i] = now
	}
	l.printf("%6.2fs %s  replaced through its link in %s; before: %s\n",
		s.last.Offset, s.verdict, micros(s.last.Microseconds), strings.Join(since, "; "))
}

func (l *lines) end(r *Report) {
	l.printf("%6.2fs end\n\n%s", r.Seconds, r.Text())
}

// Text is the report for people to read: some lines.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "        %6s %6s %8s %13s %14s %10s\n", "sent", "back", "dropped", "lost outside", "passed inside", "rtt")
	for _, f := range r.Families {
		fmt.Fprintf(&b, "%-7s %6d %6d %8d %13d %14d %10s\n",
			f.Name, f.Sent, f.Received, f.LostInside, f.LostOutside, f.PassedInside, micros(f.RTT.Mean))
	}
	for _, f := range r.Families {
		for _, g := range newest(&b, f.Name+" gaps", f.Gaps) {
			what := "LOST OUTSIDE THE WINDOW"
			if g.Dropped {
				what = "dropped"
			}
			fmt.Fprintf(&b, "gap     %s seq %d to %d: %d pings from %.2f s on, %s\n", f.Name, g.First, g.Last, g.Length(), g.At, what)
		}
	}
	for _, f := range newest(&b, "flips", r.Flips) {
		fmt.Fprintf(&b, "flip    %.2f s to %s, replaced in %s\n", f.Offset, f.To, micros(f.Microseconds))
	}
	fmt.Fprintf(&b, "filter  %s\n", r.Filter.text())
	if r.OK {
		fmt.Fprintf(&b, "result  good: nothing lost outside the DROP window, nothing passed inside it\n")
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "result  BAD: %s\n", p)
	}
	return b.String()
}

// newest are the last ten of a list; it says how many were left out.
func newest[T any](b *strings.Builder, what string, all []T) []T {
	const most = 10
	if len(all) <= most {
		return all
	}
	fmt.Fprintf(b, "        %d earlier %s\n", len(all)-most, what)
	return all[len(all)-most:]
}

func (c Counted) text() string {
	return fmt.Sprintf("passed %d pings (%s), dropped %d (%s); %d events, %d lost",
		c.Passed, size(c.PassedBytes), c.Dropped, size(c.DroppedBytes), c.EventsReported, c.EventsLost)
}

func micros(us float64) string {
	switch {
	case us == 0:
		return "-"
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%.1f ms", us/1000)
}

// size is a number of bytes in decimal units.
func size(n uint64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
