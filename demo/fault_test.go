package demo

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/engine/enginetest"
	"github.com/skepdev/skep/lab"
)

// quick is a script for tests of what goes wrong.
func quick() *Script {
	return &Script{
		Flips:  []Flip{{200 * time.Millisecond, Drop}, {400 * time.Millisecond, Pass}},
		Length: 600 * time.Millisecond,
	}
}

func quickOptions(l *lab.Lab) Options {
	return Options{Lab: l, Script: quick(), Interval: 10 * time.Millisecond, Timeout: 300 * time.Millisecond}
}

// runFaulty runs the demo on the lab's engine with a hook before its calls.
func runFaulty(t *testing.T, l *lab.Lab, hook func(enginetest.Call) error) (*Report, error) {
	t.Helper()
	o := quickOptions(l)
	o.Engine = enginetest.NewFaulty(l.Engine(), hook)
	return Run(t.Context(), o)
}

// expect wants a report that says that something went wrong.
func expect(t *testing.T, r *Report, err error, want string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || r.Err() == nil || !strings.Contains(r.Err().Error(), want) {
		t.Errorf("report says %v, want %q\n%s", r.Err(), want, r.Text())
	}
}

// A link that says that it replaced the program and did not: what gets through
// inside the window is found, what is lost outside too.
func TestLyingLinkIsFound(t *testing.T) {
	for _, c := range []struct {
		name string
		nth  int
		want string
	}{
		{"drop variant never attached", 1, "got through inside the DROP window"},
		{"drop variant never detached", 2, "lost outside the DROP window"},
	} {
		t.Run(c.name, func(t *testing.T) {
			worlds(t, func(t *testing.T, l *lab.Lab) {
				r, err := runFaulty(t, l, enginetest.FailNth("Link.Update", c.nth, enginetest.ErrSkip))
				expect(t, r, err, c.want)
			})
		})
	}
}

// stage is a demo taken apart, for faults that need its parts.
type stage struct {
	o       Options
	f       *filter
	client  pinger
	dev     engine.Device
	targets [2]netip.Addr
}

func newStage(t *testing.T, l *lab.Lab, hook func(*stage, enginetest.Call) error) *stage {
	t.Helper()
	s := &stage{o: quickOptions(l)}
	client, err := l.Endpoint("client", lab.EndpointConfig{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Endpoint("server", lab.EndpointConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s.client, s.dev, s.targets = client, server.Device(), [2]netip.Addr{server.Addr4(), server.Addr6()}
	s.o.Engine = enginetest.NewFaulty(l.Engine(), func(c enginetest.Call) error { return hook(s, c) })
	if err := s.o.complete(); err != nil {
		t.Fatal(err)
	}
	if err := reach(t.Context(), client, s.targets); err != nil {
		t.Fatal(err)
	}
	if s.f, err = newFilter(t.Context(), s.o.Engine, s.dev, s.targets); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.f.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *stage) run(t *testing.T) (*Report, error) {
	return newRun(s.o, s.f, s.client, s.targets, s.targets).run(t.Context())
}

// late sends each ping a while after it was told to.
type late struct {
	pinger
	by time.Duration
}

func (p late) Ping(ctx context.Context, to netip.Addr, o lab.PingOptions) (lab.PingReply, error) {
	time.Sleep(p.by)
	return p.pinger.Ping(ctx, to, o)
}

// A replacement that is not atomic: for 50 ms no program is attached, and the
// pings sent then, though in flight during the replacement, met none.
func TestHoleInReplacementIsFound(t *testing.T) {
	worlds(t, func(t *testing.T, l *lab.Lab) {
		s := newStage(t, l, func(s *stage, c enginetest.Call) error {
			if c.Op != "Link.Update" || c.N != 1 {
				return nil
			}
			if err := s.f.link.Close(); err != nil {
				return err
			}
			time.Sleep(50 * time.Millisecond)
			lnk, err := s.o.Engine.Attach(s.f.programs[Drop], engine.XDP{Device: s.dev})
			if err != nil {
				return err
			}
			s.f.link = lnk
			return enginetest.ErrSkip
		})
		s.client = late{s.client, 25 * time.Millisecond}
		r, err := s.run(t)
		expect(t, r, err, "came back without meeting the filter")
	})
}

// A replacement that comes late is found, although it comes.
func TestLateReplacementIsFound(t *testing.T) {
	worlds(t, func(t *testing.T, l *lab.Lab) {
		done := make(chan error, 1)
		s := newStage(t, l, func(s *stage, c enginetest.Call) error {
			if c.Op != "Link.Update" || c.N != 1 {
				return nil
			}
			lnk, drop := s.f.link, s.f.programs[Drop]
			go func() {
				time.Sleep(100 * time.Millisecond)
				done <- lnk.Update(drop)
			}()
			return enginetest.ErrSkip
		})
		r, err := s.run(t)
		expect(t, r, err, "got through inside the DROP window")
		if r.Total.LostInside == 0 {
			t.Error("the late replacement never came")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// lossy loses one ping before it is sent.
type lossy struct {
	pinger
	seq uint16
}

func (p lossy) Ping(ctx context.Context, to netip.Addr, o lab.PingOptions) (lab.PingReply, error) {
	if o.Seq == p.seq && to.Is6() {
		return lab.PingReply{}, os.ErrDeadlineExceeded
	}
	return p.pinger.Ping(ctx, to, o)
}

// One lost ping is enough, outside the window and inside it: the filter's
// dropping does not hide it.
func TestOneLostPingIsFound(t *testing.T) {
	for name, seq := range map[string]uint16{"before the window": 5, "in the window": 30} {
		t.Run(name, func(t *testing.T) {
			worlds(t, func(t *testing.T, l *lab.Lab) {
				s := newStage(t, l, func(*stage, enginetest.Call) error { return nil })
				s.client = lossy{s.client, seq}
				r, err := s.run(t)
				expect(t, r, err, "IPv6: 1 of ")
				if r != nil && (r.Total.LostOutside != 1 || r.Families[0].LostOutside != 0) {
					t.Errorf("tallies %+v", r.Families)
				}
			})
		})
	}
}

// An event that goes astray between the ring and its reader is missed.
func TestLostEventIsFound(t *testing.T) {
	worlds(t, func(t *testing.T, l *lab.Lab) {
		r, err := runFaulty(t, l, enginetest.FailNth("RingReader.ReadInto", 7, enginetest.ErrSkip))
		expect(t, r, err, "events, ")
	})
}

// Whatever call fails, the error comes back, names it, and leaves nothing
// attached: the same lab serves the next run.
func TestEngineErrorsComeBack(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		op string
		n  int
	}{
		{"Engine.Load", 1},
		{"Engine.Attach", 1},
		{"Map.Update", 1},
		{"Map.Update", 3},
		{"Map.RingReader", 1},
		{"Map.Lookup", 4},
		{"Program.Run", 1},
		{"Variable.Get", 1},
		{"Link.Update", 2},
		{"RingReader.ReadInto", 9},
	} {
		t.Run(c.op, func(t *testing.T) {
			worlds(t, func(t *testing.T, l *lab.Lab) {
				r, err := runFaulty(t, l, enginetest.FailNth(c.op, c.n, broken))
				if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "run demo: ") || r != nil {
					t.Fatalf("run = %v, %v; want the error", r, err)
				}
			})
		})
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	l := &lab.Lab{}
	eng := enginetest.NewFaulty(nil, nil)
	for want, o := range map[string]Options{
		"no lab":      {},
		"an interval": {Lab: l, Engine: eng, Why: "x", Interval: time.Microsecond},
		"out of order": {Lab: l, Engine: eng, Why: "x", Script: &Script{
			Flips: []Flip{{2 * time.Second, Drop}, {time.Second, Pass}},
		}},
		"no verdict": {Lab: l, Engine: eng, Why: "x", Script: &Script{Flips: []Flip{{time.Second, 9}}}},
		"its last flip": {Lab: l, Engine: eng, Why: "x", Script: &Script{
			Flips: []Flip{{2 * time.Second, Drop}}, Length: time.Second,
		}},
	} {
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}
