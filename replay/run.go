package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/skepdev/skep/engine"
)

// Options say how to replay. The zero value runs the only program there is
// once over every packet.
type Options struct {
	// Program names the program; empty if the collection has just one.
	Program string
	// Repeat runs the program that often on each packet, each time as it was
	// captured; 0 means once. Maps see every run. The verdict and the packet
	// that comes out are those of the last.
	Repeat int
	// Context hands what the capture knows to programs whose context is struct
	// __sk_buff: ingress_ifindex is the number of the capture's interface
	// plus 1, tstamp the time of capture in nanoseconds, wire_len the frame's
	// length. XDP contexts can name only interfaces of the machine and are
	// left as they are.
	Context bool
	// Out takes the packets that go on; nil drops them all.
	Out Sink
	// Each is told about every packet; it must not keep the packets' data.
	Each func(*Outcome)
}

// Outcome is what became of one packet.
type Outcome struct {
	// Number of the packet, from 1.
	Number int
	// In is the packet as captured; Out as the program left it, nil if the
	// program's type gives none back.
	In, Out *Packet
	// Return is the program's return value, and Verdict its meaning.
	Return  uint32
	Verdict Verdict
	// Duration of one run.
	Duration time.Duration
	// Err is why the packet could not be run, or nil.
	Err error
}

// Report is the sum of a replay. Sizes are in bytes.
type Report struct {
	Engine      string `json:"engine"`
	Program     string `json:"program"`
	ProgramType string `json:"type"`
	// Packets and Bytes that were run.
	Packets int   `json:"packets"`
	Bytes   int64 `json:"bytes"`
	// OutPackets and OutBytes went on.
	OutPackets int   `json:"out_packets"`
	OutBytes   int64 `json:"out_bytes"`
	// Runs of the program, and the time they took as the engine measured it.
	Runs       int     `json:"runs"`
	Nanosecond int64   `json:"ns"`
	PerPacket  float64 `json:"ns_per_packet"`
	// Cut is how many packets the capture holds in part only.
	Cut int `json:"cut,omitempty"`
	// Verdicts, the commonest first.
	Verdicts []Count `json:"verdicts"`
	// Failures are packets that the engine did not take, by reason.
	Failures []Failure `json:"failures,omitempty"`
}

// Count sums the packets of one verdict.
type Count struct {
	Verdict    string  `json:"verdict"`
	Return     uint32  `json:"return"`
	Passes     bool    `json:"passes"`
	Packets    int     `json:"packets"`
	Bytes      int64   `json:"bytes"`
	Nanosecond int64   `json:"ns"`
	PerPacket  float64 `json:"ns_per_packet"`
	runs       int
}

// Failure is a reason why packets could not be run.
type Failure struct {
	Reason string `json:"reason"`
	// First is the number of the first such packet, from 1.
	First   int `json:"first"`
	Packets int `json:"packets"`
}

// minFrame is the shortest packet a test run takes: an Ethernet header.
const minFrame = 14

// outRoom is the space for a packet afterwards: the longest frame (64 KiB) and
// what encapsulation adds.
const outRoom = 1<<17 - 1

// Run replays the packets of src. Packets that the engine does not take (too
// short, too long for the program) are counted as failures and left out; a
// fault of the program ends the run with an error, as do errors of the source
// and the sink. The report is never nil.
func Run(ctx context.Context, eng engine.Engine, coll *engine.Collection, src Source, opts Options) (*Report, error) {
	report := &Report{Engine: eng.Name(), Verdicts: []Count{}}
	prog, err := coll.Program(opts.Program)
	if err != nil {
		return report, fmt.Errorf("replay: %w", err)
	}
	r, err := newRunner(prog, opts)
	if err != nil {
		return report, fmt.Errorf("replay %s: %w", prog.Info().Name, err)
	}
	report.Program, report.ProgramType = prog.Info().Name, programType(prog.Info())
	defer report.finish()

	unpin := pinCPU()
	defer unpin()
	var p Packet
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return report, fmt.Errorf("replay %s: stopped after %d packets: %w", report.Program, number-1, context.Cause(ctx))
		}
		if err := src.Next(&p); err != nil {
			if errors.Is(err, io.EOF) {
				return report, nil
			}
			return report, fmt.Errorf("replay %s: read packet %d: %w", report.Program, number, err)
		}
		o := r.run(ctx, number, &p)
		if errors.Is(o.Err, errStopped) {
			return report, fmt.Errorf("replay %s: stopped in packet %d: %w", report.Program, number, context.Cause(ctx))
		}
		report.add(o, max(1, opts.Repeat))
		if opts.Each != nil {
			opts.Each(o)
		}
		if o.Err != nil {
			if fatal(o.Err) {
				return report, fmt.Errorf("replay %s: packet %d: %w", report.Program, number, o.Err)
			}
			continue
		}
		if o.Verdict.Passes && opts.Out != nil && o.Out != nil {
			if err := opts.Out.Write(o.Out); err != nil {
				return report, fmt.Errorf("replay %s: write packet %d: %w", report.Program, number, err)
			}
		}
	}
}

// fatal tells errors of the program or the engine from those of one packet.
func fatal(err error) bool {
	var u unfit
	return !errors.As(err, &u) && !errors.Is(err, errShort) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.E2BIG)
}

// unfit is the error of a packet that came with one.
type unfit struct{ error }

// errStopped ends the repetitions of a packet.
var errStopped = errors.New("stopped")

var errShort = errors.New("shorter than an Ethernet header (14 bytes)")

// runsBetweenLooks is how many repetitions pass between two looks at the
// context: few enough for programs of a million instructions to end promptly.
const runsBetweenLooks = 64

// runner runs one program on packets and reuses its buffers. It serves one
// goroutine.
type runner struct {
	prog    engine.Program
	kind    kind
	opts    Options
	context [skbSize]byte
	out     []byte
	input   engine.RunInput
	outcome Outcome
	result  Packet
	wantCtx bool
	ctxOut  []byte
}

func newRunner(prog engine.Program, opts Options) (*runner, error) {
	k, err := kindOf(prog.Info())
	if err != nil {
		return nil, err
	}
	if opts.Repeat < 0 {
		return nil, fmt.Errorf("repeat %d: must not be negative", opts.Repeat)
	}
	return &runner{prog: prog, kind: k, opts: opts, out: make([]byte, outRoom), wantCtx: k.layer == frame && !k.skb}, nil
}

// run runs the program on p. The outcome is valid until the next call. When ctx
// ends before the last repetition does, the outcome's error is errStopped.
func (r *runner) run(ctx context.Context, number int, p *Packet) *Outcome {
	r.outcome = Outcome{Number: number, In: p}
	o := &r.outcome
	switch {
	case p.Err != nil:
		o.Err = unfit{p.Err}
		return o
	case len(p.Data) < minFrame:
		o.Err = errShort
		return o
	}
	var total time.Duration
	times := max(1, r.opts.Repeat)
	for i := range times {
		if i > 0 && i%runsBetweenLooks == 0 && ctx.Err() != nil {
			o.Err = errStopped
			return o
		}
		r.input = engine.RunInput{
			Data:        p.Data,
			DataOut:     r.out[:0],
			Context:     r.fillContext(p),
			WantContext: r.wantCtx,
		}
		res, err := r.prog.Run(&r.input)
		if err != nil {
			o.Err = err
			return o
		}
		total += res.Duration
		o.Return = res.Return
		r.ctxOut = res.Context
		r.packetOut(p, res)
	}
	o.Duration = total / time.Duration(times)
	seen := len(p.Data)
	if r.kind.layer == network {
		seen -= minFrame
	}
	o.Verdict = r.kind.name(o.Return, seen)
	if o.Out != nil && o.Verdict.Keep >= 0 {
		// A socket filter counts from what it sees: the network header.
		o.Out.Data = o.Out.Data[:min(len(o.Out.Data), minFrame+o.Verdict.Keep)]
	}
	return o
}

// packetOut sets the outcome's packet from a run's.
func (r *runner) packetOut(in *Packet, res engine.RunResult) {
	data := res.Data
	switch r.kind.layer {
	case frame:
		if r.wantCtx {
			data = data[metadata(res.Context, len(data)):]
		}
	case network:
		// The Ethernet header is not the program's: it comes back zeroed.
		if len(data) >= minFrame && isZero(data[:minFrame]) {
			copy(data, in.Data[:minFrame])
		}
	case parsed:
		data = in.Data
	}
	r.result = *in
	r.result.Data = data
	r.result.Length = max(0, in.Length+len(data)-len(in.Data))
	if in.Length == 0 {
		r.result.Length = 0
	}
	r.outcome.Out = &r.result
}

func isZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}

func (r *Report) add(o *Outcome, runs int) {
	if o.Err != nil {
		reason := o.Err.Error()
		i := slices.IndexFunc(r.Failures, func(f Failure) bool { return f.Reason == reason })
		if i < 0 {
			i = len(r.Failures)
			r.Failures = append(r.Failures, Failure{Reason: reason, First: o.Number})
		}
		r.Failures[i].Packets++
		return
	}
	i := slices.IndexFunc(r.Verdicts, func(c Count) bool { return c.Verdict == o.Verdict.Name })
	if i < 0 {
		i = len(r.Verdicts)
		r.Verdicts = append(r.Verdicts, Count{Verdict: o.Verdict.Name, Return: o.Return, Passes: o.Verdict.Passes})
	}
	c := &r.Verdicts[i]
	n := int64(len(o.In.Data))
	spent := int64(o.Duration) * int64(runs)
	c.Packets++
	c.Bytes += n
	c.Nanosecond += spent
	c.runs += runs
	r.Packets++
	r.Bytes += n
	r.Runs += runs
	r.Nanosecond += spent
	if o.In.Length > len(o.In.Data) {
		r.Cut++
	}
	if o.Verdict.Passes && o.Out != nil {
		r.OutPackets++
		r.OutBytes += int64(len(o.Out.Data))
	}
}

// finish sorts the verdicts and works out the times per packet.
func (r *Report) finish() {
	perRun := func(ns int64, runs int) float64 {
		if runs == 0 {
			return 0
		}
		return float64(ns) / float64(runs)
	}
	r.PerPacket = perRun(r.Nanosecond, r.Runs)
	for i := range r.Verdicts {
		r.Verdicts[i].PerPacket = perRun(r.Verdicts[i].Nanosecond, r.Verdicts[i].runs)
	}
	slices.SortStableFunc(r.Verdicts, func(a, b Count) int { return b.Packets - a.Packets })
}
