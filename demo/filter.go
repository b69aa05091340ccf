package demo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
)

// payload marks the demo's pings: the filter looks for these bytes after the
// ICMP header, so that neighbour discovery and strangers pass untouched.
const payload = "packet of death"

// filter is the packet of death, loaded and attached.
type filter struct {
	coll *engine.Collection
	link engine.Link
	now  Verdict // of the attached variant
	// programs by verdict.
	programs map[Verdict]engine.Program
	counters engine.Map
	totals   engine.Map
	ring     engine.RingReader
	// scratch values of the two maps.
	counterValue, totalValue []byte
}

// newFilter loads the filter and attaches its passing variant to dev. Pings of
// family i (0 IPv4, 1 IPv6) to targets[i] match rule i.
func newFilter(ctx context.Context, eng engine.Engine, dev engine.Device, targets [2]netip.Addr) (_ *filter, err error) {
	spec, err := bpf.PacketOfDeath()
	if err != nil {
		return nil, err
	}
	for name := range spec.Programs {
		if name != bpf.DeathXDPPass && name != bpf.DeathXDPDrop && name != bpf.DeathClock {
			delete(spec.Programs, name)
		}
	}
	coll, err := eng.Load(ctx, spec, nil)
	if err != nil {
		return nil, fmt.Errorf("load filter: %w", err)
	}
	f := &filter{coll: coll, now: Pass, programs: map[Verdict]engine.Program{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	for v, name := range map[Verdict]string{Pass: bpf.DeathXDPPass, Drop: bpf.DeathXDPDrop} {
		if f.programs[v], err = coll.Program(name); err != nil {
			return nil, err
		}
	}
	if err := f.configure(targets); err != nil {
		return nil, fmt.Errorf("configure filter: %w", err)
	}
	if f.counters, err = coll.Map(bpf.DeathCountersMap); err != nil {
		return nil, err
	}
	if f.totals, err = coll.Map(bpf.DeathTotalsMap); err != nil {
		return nil, err
	}
	f.counterValue = make([]byte, f.counters.Info().ValueBytes)
	f.totalValue = make([]byte, f.totals.Info().ValueBytes)
	events, err := coll.Map(bpf.DeathEventsMap)
	if err != nil {
		return nil, err
	}
	if f.ring, err = events.RingReader(); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if f.link, err = eng.Attach(f.programs[Pass], engine.XDP{Device: dev}); err != nil {
		return nil, fmt.Errorf("attach filter: %w", err)
	}
	return f, nil
}

// configure writes one rule a family, both leaving the verdict to the program.
func (f *filter) configure(targets [2]netip.Addr) error {
	rules, err := f.coll.Map(bpf.DeathRulesMap)
	if err != nil {
		return err
	}
	for i, to := range targets {
		m := bpf.DeathMatch{
			Protocol:    [...]string{"icmp", "icmp6"}[i],
			Destination: netip.PrefixFrom(to, to.BitLen()),
			Pattern:     []byte(payload), Base: bpf.DeathPayload,
		}
		rule, err := m.Rule()
		if err != nil {
			return err
		}
		if err := rules.Update(index(i), rule.Bytes(), 0); err != nil {
			return err
		}
	}
	config, err := f.coll.Map(bpf.DeathConfigMap)
	if err != nil {
		return err
	}
	return config.Update(index(0), bpf.DeathConfig{Rules: uint32(len(targets)), Sample: 1}.Bytes(), 0)
}

func index(i int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(i)) }

// flip replaces the attached variant through the link.
func (f *filter) flip(to Verdict) error {
	if err := f.link.Update(f.programs[to]); err != nil {
		return fmt.Errorf("replace filter by its %v variant: %w", to, err)
	}
	f.now = to
	return nil
}

// attached is the program that the link holds now.
func (f *filter) attached() engine.ProgramInfo { return f.programs[f.now].Info() }

// count reads the filter's counters: of one rule a family, and totals.
func (f *filter) count() (rules [2]bpf.DeathCounters, totals bpf.DeathTotals, err error) {
	for i := range rules {
		if err := f.counters.Lookup(index(i), f.counterValue, 0); err != nil {
			return rules, totals, fmt.Errorf("read counters: %w", err)
		}
		if rules[i], err = bpf.SumDeathCounters(f.counterValue); err != nil {
			return rules, totals, err
		}
	}
	if err := f.totals.Lookup(index(0), f.totalValue, 0); err != nil {
		return rules, totals, fmt.Errorf("read totals: %w", err)
	}
	totals, err = bpf.SumDeathTotals(f.totalValue)
	return rules, totals, err
}

// read sends the ring's events until the filter is closed or done closes.
func (f *filter) read(events chan<- bpf.DeathEvent, done <-chan struct{}) error {
	var rec engine.Record
	for {
		if err := f.ring.ReadInto(&rec); err != nil {
			if errors.Is(err, engine.ErrClosed) {
				return nil
			}
			return fmt.Errorf("read events: %w", err)
		}
		e, err := bpf.DecodeDeathEvent(rec.Data)
		if err != nil {
			return err
		}
		select {
		case events <- e:
		case <-done:
			return nil
		}
	}
}

// close takes the filter off and lets everything go.
func (f *filter) close() error {
	var errs []error
	if f.link != nil {
		errs = append(errs, f.link.Close())
	}
	if f.ring != nil {
		errs = append(errs, f.ring.Close())
	}
	return errors.Join(append(errs, f.coll.Close())...)
}

// clock converts the events' clock to moments of this run.
type clock struct {
	offset int64 // nanoseconds to take off an event's time
	slack  time.Duration
}

func (c clock) moment(event uint64) moment { return moment(int64(event) - c.offset) }

// clockTries bounds the attempts at a close comparison, and closeEnough ends
// them early.
const (
	clockTries  = 20
	closeEnough = 20 * time.Microsecond
)

// compareClocks asks a program for the time it would stamp an event with. The
// program ran between two looks at this process's clock, so their distance
// bounds the error; the closest of some tries counts. This works on any engine
// and any system, whatever the engine's clock is.
func compareClocks(coll *engine.Collection, start time.Time) (clock, error) {
	prog, err := coll.Program(bpf.DeathClock)
	if err != nil {
		return clock{}, err
	}
	now, err := coll.Variable(bpf.DeathNow)
	if err != nil {
		return clock{}, err
	}
	c := clock{slack: time.Hour}
	value := make([]byte, 8)
	in := engine.RunInput{Data: make([]byte, 64), NoDataOut: true}
	for range clockTries {
		before := time.Since(start)
		if _, err := prog.Run(&in); err != nil {
			return clock{}, fmt.Errorf("compare clocks: %w", err)
		}
		after := time.Since(start)
		if err := now.Get(value); err != nil {
			return clock{}, fmt.Errorf("compare clocks: %w", err)
		}
		if slack := (after - before) / 2; slack < c.slack {
			c = clock{offset: int64(binary.NativeEndian.Uint64(value)) - int64(before+slack), slack: slack}
		}
		if c.slack < closeEnough {
			break
		}
	}
	return c, nil
}
