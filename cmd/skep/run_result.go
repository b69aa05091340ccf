package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/inspect"
	"github.com/skepdev/skep/replay"
)

// runResult is what skep run prints; with -o json and yaml, as it stands.
type runResult struct {
	Object string        `json:"object"`
	Reason choose.Reason `json:"engine_reason"`
	*replay.Report
	Each   []packetLine      `json:"each,omitempty"`
	Maps   []*replay.MapDump `json:"maps,omitempty"`
	Printk []string          `json:"printk,omitempty"`
	// Profile is the program's code with how often it ran.
	Profile *inspect.Listing `json:"profile,omitempty"`
	Notes   []string         `json:"notes,omitempty"`
}

// packetLine is one packet with --each.
type packetLine struct {
	Packet  int    `json:"packet"`
	Time    string `json:"time"`
	Length  int    `json:"length"`
	Verdict string `json:"verdict,omitempty"`
	Out     int    `json:"out_length,omitempty"`
	Error   string `json:"error,omitempty"`
}

// each prints or keeps a line for each packet.
func (r *runResult) each(s *streams, f format) func(*replay.Outcome) {
	return func(o *replay.Outcome) {
		l := packetLine{Packet: o.Number, Time: o.In.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"), Length: len(o.In.Data)}
		if o.Err != nil {
			l.Error = o.Err.Error()
		} else {
			l.Verdict = o.Verdict.Name
			if o.Out != nil && o.Verdict.Passes {
				l.Out = len(o.Out.Data)
			}
		}
		if f != formatTable {
			r.Each = append(r.Each, l)
			return
		}
		text := fmt.Sprintf("%6d  %s  %5d bytes  %s", l.Packet, l.Time[11:26], l.Length, l.Verdict+l.Error)
		if l.Out != 0 && l.Out != l.Length {
			text += fmt.Sprintf("  → %d bytes", l.Out)
		}
		fmt.Fprintln(s.out, text)
	}
}

func (r *runResult) print(s *streams, f *runFlags) error {
	if r.Report == nil {
		return nil
	}
	if f.format != formatTable {
		return s.print(f.format, r)
	}
	if f.each {
		fmt.Fprintln(s.out)
	}
	fmt.Fprintf(s.out, "%s (%s) on the %s engine, %s\n\n", s.paint(bold, r.Program), r.ProgramType, r.Engine, plural(r.Packets, "packet"))
	if err := verdictTable(s, r.Report).write(s, s.out); err != nil {
		return err
	}
	for _, n := range r.remarks() {
		fmt.Fprintln(s.out, "\n"+n)
	}
	for _, m := range r.Maps {
		fmt.Fprintln(s.out)
		if err := printMap(s, m); err != nil {
			return err
		}
	}
	if r.Profile != nil {
		fmt.Fprintln(s.out)
		return r.Profile.WriteText(s.out, inspect.TextOptions{})
	}
	return nil
}

// remarks say what the table does not.
func (r *runResult) remarks() []string {
	var out []string
	for _, f := range r.Failures {
		out = append(out, fmt.Sprintf("not run: %s, from number %d on: %s", plural(f.Packets, "packet"), f.First, f.Reason))
	}
	if r.Cut > 0 {
		out = append(out, fmt.Sprintf("%s cut short by the capture: programs saw less than was on the wire", plural(r.Cut, "packet")+wasWere(r.Cut)))
	}
	return append(out, r.Notes...)
}

func wasWere(n int) string {
	if n == 1 {
		return " was"
	}
	return " were"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// verdictTable sums a report by verdict.
func verdictTable(s *streams, r *replay.Report) *table {
	t := newTable("VERDICT", "<PACKETS", "<SHARE", "<BYTES", "<NS/PACKET")
	for _, v := range r.Verdicts {
		style := green
		if !v.Passes {
			style = red
		}
		t.addCells(cell{v.Verdict, style}, cell{text: strconv.Itoa(v.Packets)}, cell{text: share(v.Packets, r.Packets)},
			cell{text: strconv.FormatInt(v.Bytes, 10)}, cell{text: nanoseconds(v.PerPacket)})
	}
	if len(r.Verdicts) != 1 {
		t.add("total", strconv.Itoa(r.Packets), "", strconv.FormatInt(r.Bytes, 10), nanoseconds(r.PerPacket))
	}
	return t
}

func share(n, all int) string {
	if all == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(all))
}

// nanoseconds in at most four digits behind the point that matter.
func nanoseconds(ns float64) string {
	switch {
	case ns == 0:
		return "-"
	case ns < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", ns), ".0")
	}
	return strconv.FormatFloat(ns, 'f', 0, 64)
}
