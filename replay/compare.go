package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/skepdev/skep/engine"
)

// Side is one of the two engines of a comparison.
type Side struct {
	Engine engine.Engine
	// Load loads a fresh collection onto Engine: maps filled, variables set.
	// Compare closes it.
	Load func(ctx context.Context) (*engine.Collection, error)
}

// CompareOptions say what to compare. The zero value compares verdicts,
// packets, what programs wrote into their context, ring buffer and perf event
// records after each packet, and maps at the end.
type CompareOptions struct {
	Options
	// Open opens the capture; it is called once for each pass.
	Open func() (Source, error)
	// IgnoreMaps names maps, ring buffers and perf event arrays that are not
	// compared, because they hold times, random numbers or addresses.
	IgnoreMaps []string
	// Every n compares maps after every n packets; 0 compares them at the end.
	// If they differ, the entry that does is watched once more from the start,
	// to find the packet that made it differ.
	Every int
}

// Difference is the first thing two engines disagree about.
type Difference struct {
	// Packet is the number of the packet, from 1, after which they differ; 0 if
	// it is not known which one it was.
	Packet int `json:"packet,omitempty"`
	// What differs: "verdict", "packet", "context", "error", "map", "records".
	What string `json:"what"`
	// Where is the byte, field, map and key, or record.
	Where string `json:"where,omitempty"`
	// Left and Right are what the two engines have there.
	Left  string `json:"left"`
	Right string `json:"right"`
}

// Comparison is the outcome of [Compare].
type Comparison struct {
	Left, Right *Report
	// Difference is nil if the engines agree.
	Difference *Difference
	// Compared and Skipped are the maps that were and were not compared; the
	// latter with the reason.
	Compared []string
	Skipped  map[string]string

	at *entryAt // the map entry that differs
}

// Compare runs the same program on both sides over the same packets, in
// lockstep, and stops at the first difference.
//
// Values of per-CPU maps are equal if the CPUs hold the same values in any
// order (CPUs without a value do not count), or if the sums over all CPUs of
// the integers in them are equal: which CPU runs a test is not the program's
// doing. Records of ring buffers and perf event arrays are compared in order,
// the latter without their last 7 bytes, which may be padding. What depends on
// the clock or on chance differs in truth: leave it out with IgnoreMaps.
func Compare(ctx context.Context, left, right Side, opts CompareOptions) (*Comparison, error) {
	c, err := compareOnce(ctx, left, right, opts, nil)
	if err != nil || c.at == nil || opts.Every == 1 {
		return c, err
	}
	again, err := compareOnce(ctx, left, right, opts, c.at)
	if err != nil {
		return c, fmt.Errorf("look for the packet: %w", err)
	}
	if again.Difference != nil {
		return again, nil
	}
	return c, nil
}

// pair is a comparison under way.
type pair struct {
	opts        CompareOptions
	left, right *half
	names       []string // maps to compare
	watch       *entryAt // the only entry to compare, after every packet
	result      *Comparison
}

// half is one side of it.
type half struct {
	side    Side
	coll    *engine.Collection
	runner  *runner
	report  *Report
	streams []stream
}

func compareOnce(ctx context.Context, left, right Side, opts CompareOptions, watch *entryAt) (c *Comparison, err error) {
	unpin := pinCPU()
	defer unpin()
	p := &pair{opts: opts, watch: watch, result: &Comparison{Skipped: map[string]string{}}}
	defer func() {
		err = errors.Join(err, p.left.close(), p.right.close())
	}()
	if p.left, err = newHalf(ctx, left, opts.Options); err != nil {
		return nil, err
	}
	if p.right, err = newHalf(ctx, right, opts.Options); err != nil {
		return nil, err
	}
	p.result.Left, p.result.Right = p.left.report, p.right.report
	if err := p.chooseMaps(); err != nil {
		return nil, err
	}
	src, err := opts.Open()
	if err != nil {
		return nil, err
	}
	if closer, ok := src.(io.Closer); ok {
		defer func() { err = errors.Join(err, closer.Close()) }()
	}
	p.result.Difference, err = p.packets(ctx, src)
	p.left.report.finish()
	p.right.report.finish()
	return p.result, err
}

func newHalf(ctx context.Context, side Side, opts Options) (*half, error) {
	h := &half{side: side}
	coll, err := side.Load(ctx)
	if err != nil {
		return nil, err
	}
	h.coll = coll
	prog, err := coll.Program(opts.Program)
	if err == nil {
		h.runner, err = newRunner(prog, opts)
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.runner.wantCtx = h.runner.wantCtx || h.runner.kind.skb
	info := prog.Info()
	h.report = &Report{Engine: side.Engine.Name(), Program: info.Name, ProgramType: programType(info), Verdicts: []Count{}}
	return h, nil
}

func (h *half) close() error {
	if h == nil {
		return nil
	}
	var errs []error
	for _, s := range h.streams {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, h.coll.Close())...)
}

// chooseMaps sorts the maps into compared, read as streams, and skipped.
func (p *pair) chooseMaps() error {
	skip := p.result.Skipped
	all := slices.Sorted(maps.Keys(p.left.coll.Maps))
	for _, name := range p.opts.IgnoreMaps {
		if !slices.Contains(all, name) {
			return fmt.Errorf("ignore map: %w", unknownName("map", name, all))
		}
	}
	for _, name := range all {
		l, r := p.left.coll.Maps[name], p.right.coll.Maps[name]
		info := l.Info()
		switch why := Opaque(info.Type); {
		case slices.Contains(p.opts.IgnoreMaps, name):
			skip[name] = "ignored"
			continue
		case r == nil:
			skip[name] = "only the " + p.left.side.Engine.Name() + " engine has it"
			continue
		case isStream(info.Type):
			if err := p.left.open(name, l); err != nil {
				return err
			}
			if err := p.right.open(name, r); err != nil {
				return err
			}
		case why != "":
			skip[name] = why
			continue
		default:
			p.names = append(p.names, name)
		}
		p.result.Compared = append(p.result.Compared, name)
	}
	return nil
}

func (p *pair) packets(ctx context.Context, src Source) (*Difference, error) {
	every := p.opts.Every
	if p.watch != nil {
		every = 1
	}
	var packet Packet
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("compare: stopped after %d packets: %w", number-1, context.Cause(ctx))
		}
		if err := src.Next(&packet); err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("compare: read packet %d: %w", number, err)
			}
			return p.maps(ctx, 0)
		}
		diff, err := p.packet(ctx, number, &packet)
		if diff != nil || err != nil {
			return diff, err
		}
		if every > 0 && number%every == 0 {
			if diff, err := p.maps(ctx, number); diff != nil || err != nil {
				return diff, err
			}
		}
	}
}

func (p *pair) packet(ctx context.Context, number int, packet *Packet) (*Difference, error) {
	l := p.left.runner.run(ctx, number, packet)
	r := p.right.runner.run(ctx, number, packet)
	if errors.Is(l.Err, errStopped) || errors.Is(r.Err, errStopped) {
		return nil, fmt.Errorf("compare: stopped in packet %d: %w", number, context.Cause(ctx))
	}
	runs := max(1, p.opts.Repeat)
	p.left.report.add(l, runs)
	p.right.report.add(r, runs)
	if p.opts.Each != nil {
		p.opts.Each(l)
	}
	if l.Err == nil && l.Verdict.Passes && p.opts.Out != nil && l.Out != nil {
		if err := p.opts.Out.Write(l.Out); err != nil {
			return nil, fmt.Errorf("compare: write packet %d: %w", number, err)
		}
	}
	if diff := compareOutcome(p.left.runner, p.right.runner); diff != nil {
		diff.Packet = number
		return diff, nil
	}
	return p.records(number)
}

func compareOutcome(left, right *runner) *Difference {
	l, r := &left.outcome, &right.outcome
	if (l.Err == nil) != (r.Err == nil) {
		return &Difference{What: "error", Left: errorText(l.Err), Right: errorText(r.Err)}
	}
	if l.Err != nil {
		return nil
	}
	if l.Return != r.Return {
		return &Difference{What: "verdict", Left: verdictText(l), Right: verdictText(r)}
	}
	if where, a, b, differ := compareBytes(outData(l), outData(r)); differ {
		return &Difference{What: "packet", Where: where, Left: a, Right: b}
	}
	for _, f := range comparedFields(left.kind) {
		a, aok := field(left.ctxOut, f)
		b, bok := field(right.ctxOut, f)
		if aok && bok && a != b {
			return &Difference{What: "context", Where: f.name, Left: fmt.Sprintf("%#x", a), Right: fmt.Sprintf("%#x", b)}
		}
	}
	return nil
}

func field(context []byte, f contextField) (uint32, bool) {
	if len(context) < f.offset+f.size {
		return 0, false
	}
	return binary.NativeEndian.Uint32(context[f.offset:]), true
}

func errorText(err error) string {
	if err == nil {
		return "runs"
	}
	return err.Error()
}

func verdictText(o *Outcome) string {
	return fmt.Sprintf("%s (%d)", o.Verdict.Name, int32(o.Return))
}

func outData(o *Outcome) []byte {
	if o.Out == nil {
		return nil
	}
	return o.Out.Data
}

// compareBytes finds the first byte that differs and shows its surroundings.
func compareBytes(a, b []byte) (where, left, right string, differ bool) {
	if bytes.Equal(a, b) {
		return "", "", "", false
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	show := func(d []byte) string {
		end := min(len(d), i+8)
		text := fmt.Sprintf("% x", d[min(i, len(d)):end])
		if end < len(d) {
			text += " …"
		}
		if text == "" {
			text = "end"
		}
		return fmt.Sprintf("%s (%d bytes in all)", text, len(d))
	}
	return fmt.Sprintf("byte %d", i), show(a), show(b), true
}
