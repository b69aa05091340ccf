package demo

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/bpf"
)

func sample() *snapshot {
	s := &snapshot{
		engine: "kernel", why: "root,\nwith bpf(2)", other: "nothing; choose it with --engine embedded",
		elapsed: 12300 * time.Millisecond, verdict: Drop, program: "pod_xdp_drop", flips: 1,
		last:   FlipReport{To: "DROP", Offset: 9, Microseconds: 84, At: time.Unix(0, 0)},
		filter: Counted{Passed: 90, PassedBytes: 5700, Dropped: 30, DroppedBytes: 1900, EventsReported: 120},
	}
	for i := range s.families {
		f := familyView{name: fmt.Sprintf("IPv%d", 4+2*i), from: "10.0.0.2", to: "10.0.0.3", rtt: 41 * time.Microsecond, open: 2, pending: []Verdict{Drop, Pass}}
		for range 300 {
			f.marks = append(f.marks, mark{fate: received})
		}
		f.marks = append(f.marks, mark{lostInside, true}, mark{passedInside, true})
		f.tally = Tally{Sent: 302, Received: 301, LostInside: 1, PassedInside: 1}
		s.families[i] = f
	}
	for i := range 8 {
		s.events = append(s.events, eventView{moment(i) * time.Second, bpf.DeathEvent{
			Source: netip.MustParseAddr("10.0.0.2"), Destination: netip.MustParseAddr("10.0.0.3"),
			Verdict: Drop, ICMPSequence: uint16(i), Length: 57,
		}})
	}
	return s
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// Whatever the terminal's size, the picture fits: no row is too wide, or the
// terminal would wrap it, and there are no more rows than it has.
func TestPictureFits(t *testing.T) {
	for width := 1; width < 130; width += 3 {
		for height := 1; height < 40; height++ {
			for _, color := range []bool{false, true} {
				text := string(draw(sample(), width, height, color, false))
				rows := strings.Split(escapes.ReplaceAllString(text, ""), "\r\n")
				if len(rows) != height {
					t.Fatalf("%dx%d: %d rows", width, height, len(rows))
				}
				for _, row := range rows {
					if n := utf8.RuneCountInString(row); n > width {
						t.Fatalf("%dx%d: row of %d: %q", width, height, n, row)
					}
				}
				if !color && strings.Contains(text, "m") && regexp.MustCompile("\x1b\\[[0-9;]*m").MatchString(text) {
					t.Fatalf("colours without color")
				}
			}
		}
	}
}

func TestPictureSaysWhatMatters(t *testing.T) {
	text := escapes.ReplaceAllString(string(draw(sample(), 100, 30, true, false)), "")
	for _, want := range []string{
		"on the kernel engine (root,; with bpf(2))", "needed for the embedded engine: nothing; choose it with --engine embedded", "  DROP  ", "pod_xdp_drop", "swapped in 84 µs",
		"•✗!✗…\r\n", "passed 90 pings (5.7 kB), dropped 30 (1.9 kB); 120 events, 0 lost",
		"7.000 s  DROP  10.0.0.2 → 10.0.0.3  seq 7", " space  flip",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if script := string(draw(sample(), 100, 30, false, true)); strings.Contains(script, "flip   ") || !strings.Contains(script, "quit") {
		t.Errorf("a script's picture offers\n%s", script)
	}
}

func TestParseKeys(t *testing.T) {
	for in, want := range map[string][]key{
		" pdq":   {keyFlip, keyPass, keyDrop, keyQuit},
		"\x03":   {keyQuit},
		"\x1b[A": nil, // an arrow is not the three keys it consists of
		"\x1bOd": nil,
		"xyz":    nil,
		"":       nil,
	} {
		if d := cmp.Diff(want, parseKeys([]byte(in), false)); d != "" {
			t.Errorf("%q: %s", in, d)
		}
	}
	if d := cmp.Diff([]key{keyQuit}, parseKeys([]byte(" pdq"), true)); d != "" {
		t.Errorf("while a script runs: %s", d)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }

func TestLinesReportWriteErrors(t *testing.T) {
	l := &lines{w: brokenWriter{}}
	if err := l.show(sample()); err == nil {
		t.Error("nobody noticed")
	}
}

func TestLongReportsAreCut(t *testing.T) {
	r := &Report{Families: []Family{{Name: "IPv4"}}}
	for i := range 25 {
		r.Flips = append(r.Flips, FlipReport{To: "DROP", Offset: float64(i)})
		r.Families[0].Gaps = append(r.Families[0].Gaps, Gap{First: uint64(i)})
	}
	text := r.Text()
	if n := strings.Count(text, "\n"); n > 30 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{"15 earlier flips", "15 earlier IPv4 gaps", "24.00 s to DROP"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestScriptClock(t *testing.T) {
	c := newScriptClock(Once())
	defer c.stop()
	var got []string
	now := Pass
	for {
		due := c.due()
		to, end := c.step(now)
		if end {
			got = append(got, fmt.Sprint(due, " end"))
			break
		}
		now = to
		got = append(got, fmt.Sprint(due, " ", to))
	}
	if d := cmp.Diff([]string{"3s DROP", "6s PASS", "9s end"}, got); d != "" {
		t.Error(d)
	}
	e := newScriptClock(Endless())
	defer e.stop()
	for i, want := range []Verdict{Drop, Pass, Drop} {
		if due := e.due(); due != time.Duration(i+1)*every {
			t.Errorf("endless flip %d is due after %v", i, due)
		}
		to, end := e.step(map[Verdict]Verdict{Drop: Pass, Pass: Drop}[want])
		if to != want || end {
			t.Errorf("endless flip %d: %v, %v", i, to, end)
		}
	}
	if newScriptClock(nil).next() != nil {
		t.Error("no script, but a step")
	}
}
