package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/replay"
)

// compareResult is what skep run --compare prints.
type compareResult struct {
	Object     string             `json:"object"`
	Equal      bool               `json:"equal"`
	Difference *replay.Difference `json:"difference,omitempty"`
	Engines    []*replay.Report   `json:"engines"`
	Compared   []string           `json:"compared_maps"`
	Skipped    map[string]string  `json:"skipped_maps,omitempty"`
	Notes      []string           `json:"notes,omitempty"`
}

// runCompare runs both engines over the same packets.
func (f *runFlags) runCompare(ctx context.Context, s *streams, object string, p *prepared) (err error) {
	sides := make([]replay.Side, 2)
	for i, want := range []choose.Want{choose.Kernel, choose.Embedded} {
		eng, _, err := choose.OpenWith(ctx, want, f.options())
		if err != nil {
			return withHint(fmt.Errorf("--compare needs both engines: %w", err), "skep doctor says what the kernel engine needs here")
		}
		defer eng.Close()
		sides[i] = replay.Side{Engine: eng, Load: func(ctx context.Context) (*engine.Collection, error) {
			coll, err := p.load(ctx, eng)
			if err != nil {
				return nil, fmt.Errorf("%s engine: %w", eng.Name(), err)
			}
			return coll, nil
		}}
	}
	opts := replay.CompareOptions{
		Options:    replay.Options{Program: p.program, Repeat: f.repeat, Context: f.context},
		IgnoreMaps: f.ignoreMaps,
		Every:      f.every,
	}
	var notes []string
	opts.Open = func() (replay.Source, error) {
		src, err := openCapture(s, f.pcap)
		if err == nil {
			notes = src.notes()
		}
		return src, err
	}
	if f.out != "" {
		meta, err := openCapture(s, f.pcap)
		if err != nil {
			return err
		}
		out, err := createCapture(f.out, meta)
		meta.Close()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
		opts.Out = out
	}
	if f.each {
		opts.Each = (&runResult{}).each(s, formatTable)
	}
	c, err := replay.Compare(ctx, sides[0], sides[1], opts)
	if err != nil {
		return err
	}
	r := compareResult{
		Object: object, Equal: c.Difference == nil, Difference: c.Difference, Engines: []*replay.Report{c.Left, c.Right},
		Compared: c.Compared, Skipped: c.Skipped, Notes: notes,
	}
	if err := r.print(s, f); err != nil {
		return err
	}
	if c.Difference != nil {
		return errSilent
	}
	return nil
}

func (r *compareResult) print(s *streams, f *runFlags) error {
	if f.format != formatTable {
		return s.print(f.format, r)
	}
	left, right := r.Engines[0], r.Engines[1]
	fmt.Fprintf(s.out, "%s (%s) on the %s and the %s engine\n\n", s.paint(bold, left.Program), left.ProgramType, left.Engine, right.Engine)
	for _, e := range r.Engines {
		fmt.Fprintf(s.out, "%s: %s, %s, %s ns/packet\n", e.Engine, plural(e.Packets, "packet"), verdicts(e), nanoseconds(e.PerPacket))
	}
	fmt.Fprintln(s.out)
	if d := r.Difference; d != nil {
		place := "after the last packet"
		if d.Packet > 0 {
			place = fmt.Sprintf("at packet %d", d.Packet)
		}
		fmt.Fprintf(s.out, "%s %s: %s %s\n", s.paint(red, "they differ"), place, d.What, d.Where)
		t := newTable("ENGINE", strings.ToUpper(d.What))
		t.indent = "  "
		t.add(left.Engine, d.Left)
		t.add(right.Engine, d.Right)
		return t.write(s, s.out)
	}
	text := "verdicts and packets"
	if len(r.Compared) > 0 {
		text += ", and maps " + strings.Join(r.Compared, ", ")
	}
	fmt.Fprintf(s.out, "%s: %s\n", s.paint(green, "they agree"), text)
	for _, name := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(s.out, "not compared: %s: %s\n", name, r.Skipped[name])
	}
	return nil
}

func verdicts(r *replay.Report) string {
	var out []string
	for _, v := range r.Verdicts {
		out = append(out, fmt.Sprintf("%d %s", v.Packets, v.Verdict))
	}
	if len(out) == 0 {
		return "no verdicts"
	}
	return strings.Join(out, ", ")
}
