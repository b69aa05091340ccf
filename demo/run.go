package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/lab"
)

// Run builds the two endpoints, loads and attaches the filter, and pings
// through it until the script ends, the viewer quits or ctx is done. The last
// two are no errors. The report is nil only with an error.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	client, err := o.Lab.Endpoint("client", lab.EndpointConfig{})
	if err != nil {
		return nil, fmt.Errorf("run demo: %w", err)
	}
	server, err := o.Lab.Endpoint("server", lab.EndpointConfig{})
	if err != nil {
		return nil, fmt.Errorf("run demo: %w", err)
	}
	sources := [2]netip.Addr{client.Addr4(), client.Addr6()}
	targets := [2]netip.Addr{server.Addr4(), server.Addr6()}
	if err := reach(ctx, client, targets); err != nil {
		return nil, fmt.Errorf("run demo: %w", err)
	}
	f, err := newFilter(ctx, o.Engine, server.Device(), targets)
	if err != nil {
		return nil, fmt.Errorf("run demo: %w", err)
	}
	defer func() { err = errors.Join(err, f.close()) }()
	rep, err := newRun(o, f, client, sources, targets).run(ctx)
	if err != nil {
		return nil, fmt.Errorf("run demo: %w", err)
	}
	return rep, nil
}

// pinger sends one echo request and waits for its reply: lab.Host does.
type pinger interface {
	Ping(ctx context.Context, to netip.Addr, opts lab.PingOptions) (lab.PingReply, error)
}

// warmUp bounds how long the endpoints may take to find each other.
const warmUp = 5 * time.Second

// reach pings, before the filter is there and without its mark, until each
// target has answered: a device that has just come up may still miss the first
// neighbour solicitation, and IPv6 repeats one only after a second (RFC 4861,
// RETRANS_TIMER).
func reach(ctx context.Context, client pinger, targets [2]netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, warmUp)
	defer cancel()
	for _, to := range targets {
		for {
			_, err := client.Ping(ctx, to, lab.PingOptions{Timeout: 2 * time.Second})
			if err == nil {
				break
			}
			if ctx.Err() != nil || !isTimeout(err) {
				return fmt.Errorf("reach the server: %w", err)
			}
		}
	}
	return nil
}

// answer is a ping's reply, or that there was none.
type answer struct {
	family int
	number uint64
	at     moment
	rtt    time.Duration
	err    error
}

// run is the state of one demo, owned by the goroutine of Run.
type run struct {
	opts    Options
	filter  *filter
	client  pinger
	sources [2]netip.Addr
	targets [2]netip.Addr
	view    view
	start   time.Time
	clock   clock

	// done ends the goroutines that feed the channels.
	done    chan struct{}
	answers chan answer
	events  chan bpf.DeathEvent
	failed  chan error

	history  history
	families [2]family
	flips    []FlipReport
	flipped  int // how many there were
	lastFlip FlipReport
	counted  Counted
	recent   []bpf.DeathEvent // the last events, newest last
	read     uint64           // events read
	problems []string
	ended    time.Duration
}

func newRun(o Options, f *filter, client pinger, sources, targets [2]netip.Addr) *run {
	return &run{
		opts: o, filter: f, client: client, sources: sources, targets: targets, start: time.Now(),
		done: make(chan struct{}), answers: make(chan answer, 64),
		events: make(chan bpf.DeathEvent, 256), failed: make(chan error, 4),
		history:  history{first: Pass},
		families: [2]family{newFamily("IPv4", 0), newFamily("IPv6", 1)},
	}
}

// run compares clocks, opens the view, and loops.
func (r *run) run(ctx context.Context) (_ *Report, err error) {
	defer close(r.done)
	if r.clock, err = compareClocks(r.filter.coll, r.start); err != nil {
		return nil, err
	}
	r.history.slack = r.clock.slack
	if r.view, err = openView(&r.opts, r.done); err != nil {
		return nil, err
	}
	defer r.view.close()
	r.spawn(func() error { return r.filter.read(r.events, r.done) })
	if err := r.loop(ctx); err != nil {
		return nil, err
	}
	rep := r.report()
	r.view.end(rep)
	return rep, nil
}

// spawn runs f beside the loop, which ends with f's error.
func (r *run) spawn(f func() error) {
	go func() {
		if err := r.guarded(f); err != nil {
			select {
			case r.failed <- err:
			case <-r.done:
			}
		}
	}()
}

// guarded runs f. A panic in it would leave a terminal in raw mode: the view
// is closed first.
func (r *run) guarded(f func() error) error {
	defer func() {
		if p := recover(); p != nil {
			r.view.close()
			panic(p)
		}
	}()
	return f()
}

// now is the moment.
func (r *run) now() moment { return time.Since(r.start) }

// loop sends, listens and flips until the end, and then waits for what is
// still under way.
func (r *run) loop(ctx context.Context) error {
	ticks := time.NewTicker(r.opts.Interval)
	defer ticks.Stop()
	frames := time.NewTicker(r.view.every())
	defer frames.Stop()
	flips := newScriptClock(r.opts.Script)
	defer flips.stop()
	r.send(ctx)
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case k := <-r.view.keys():
			if over = k == keyQuit; !over {
				if err := r.flipByKey(k); err != nil {
					return err
				}
			}
		case <-flips.next():
			to, end := flips.step(r.filter.now)
			if over = end; !over {
				if err := r.flip(to); err != nil {
					return err
				}
			}
		case <-ticks.C:
			r.send(ctx)
		case <-frames.C:
			if err := r.show(); err != nil {
				return err
			}
		case a := <-r.answers:
			r.answered(a)
		case e := <-r.events:
			r.met(e)
		case err := <-r.failed:
			return err
		}
	}
	r.ended = r.now()
	return r.drain()
}

// send sends a ping of each family.
func (r *run) send(ctx context.Context) {
	for i := range r.families {
		p := r.families[i].next(r.now())
		to := r.targets[i]
		r.spawn(func() error {
			began := time.Now()
			// The end of ctx is the end of the run, not of pings under way.
			reply, err := r.client.Ping(context.WithoutCancel(ctx), to, lab.PingOptions{
				Seq: uint16(p.number), Payload: []byte(payload), Timeout: r.opts.Timeout,
			})
			a := answer{family: i, number: p.number, at: r.now(), rtt: reply.RTT, err: err}
			if a.rtt == 0 {
				a.rtt = time.Since(began)
			}
			select {
			case r.answers <- a:
			case <-r.done:
			}
			return nil
		})
	}
}

// grace is how long an event may come after the reply: both come from the same
// packet, the event a moment earlier but through another pipe.
const grace = 500 * time.Millisecond

// drain waits for replies and events of the pings that were sent.
func (r *run) drain() error {
	deadline := time.NewTimer(r.opts.Timeout + grace)
	defer deadline.Stop()
	quiet := time.NewTicker(grace / 10)
	defer quiet.Stop()
	for {
		open := r.settle()
		if open == 0 {
			break
		}
		select {
		case a := <-r.answers:
			r.answered(a)
		case e := <-r.events:
			r.met(e)
		case err := <-r.failed:
			return err
		case <-quiet.C:
			if err := r.show(); err != nil {
				return err
			}
			continue
		case <-deadline.C:
			return fmt.Errorf("%d pings neither answered nor given up after %v", open, r.opts.Timeout+grace)
		}
	}
	return r.show()
}

// answered notes that a ping's reply came or will not come.
func (r *run) answered(a answer) {
	p := r.families[a.family].find(a.number)
	if p == nil || p.settled {
		return
	}
	p.settled, p.settledAt = true, a.at
	p.replied, p.rtt = a.err == nil, a.rtt
	if !p.replied && !isTimeout(a.err) && len(r.problems) < 10 {
		r.problems = append(r.problems, a.err.Error())
	}
	r.settle()
}

// met notes that a ping met the filter.
func (r *run) met(e bpf.DeathEvent) {
	r.read++
	if r.recent = append(r.recent, e); len(r.recent) > 8 {
		r.recent = r.recent[1:]
	}
	i := int(e.Rule)
	if i >= len(r.families) {
		return
	}
	if p := r.families[i].findSeq(e.ICMPSequence); p != nil && !p.seen {
		p.seen, p.met, p.verdict = true, r.clock.moment(e.Time), e.Verdict
	}
	r.settle()
}

// settle judges the pings of which all is known, oldest first, and returns how
// many are open.
func (r *run) settle() int {
	open := 0
	for i := range r.families {
		open += r.families[i].settle(&r.history, r.now(), r.eventsLost)
	}
	return open
}

// eventsLost asks the filter whether the ring was ever full.
func (r *run) eventsLost() bool {
	_, totals, err := r.filter.count()
	return err == nil && totals.Lost > 0
}

func (r *run) flipByKey(k key) error {
	to := Pass
	if k == keyDrop || k == keyFlip && r.filter.now == Pass {
		to = Drop
	}
	if to == r.filter.now {
		return nil
	}
	return r.flip(to)
}

// maxFlips bounds what is remembered of flips; a ping is judged by those of
// its own time.
const maxFlips = 1000

// flip replaces the filter's program through its link.
func (r *run) flip(to Verdict) error {
	began := r.now()
	if err := r.filter.flip(to); err != nil {
		return err
	}
	end := r.now()
	r.history.add(replacement{to: to, began: began, end: end})
	prog := r.filter.attached()
	rep := FlipReport{
		To: to.String(), Program: prog.Name, ProgramID: r.filter.link.Info().ProgramID,
		At: r.start.Add(began), Offset: began.Seconds(), Microseconds: float64(end-began) / 1e3,
	}
	if len(r.flips) < maxFlips {
		r.flips = append(r.flips, rep)
	}
	r.lastFlip, r.flipped = rep, r.flipped+1
	r.view.flipped(r.snapshot())
	return nil
}

// show draws.
func (r *run) show() error {
	rules, totals, err := r.filter.count()
	if err != nil {
		return err
	}
	r.counted = counted(rules, totals, r.read)
	r.settle()
	return r.view.show(r.snapshot())
}
