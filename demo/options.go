package demo

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
)

// Verdict is what the filter does with pings: Pass or Drop.
type Verdict = bpf.DeathVerdict

// The two verdicts.
const (
	Pass = bpf.DeathPass
	Drop = bpf.DeathDrop
)

// Flip is a change of verdict, At that long after the first ping.
type Flip struct {
	At time.Duration
	To Verdict
}

// Script is a run without a viewer's keys: flips in order of time, and the end.
type Script struct {
	Flips []Flip
	// Length of the run after the first ping.
	Length time.Duration
}

// Once is the short script: pass, drop, pass, nine seconds in all.
func Once() *Script {
	return &Script{
		Flips:  []Flip{{3 * time.Second, Drop}, {6 * time.Second, Pass}},
		Length: 9 * time.Second,
	}
}

// Endless flips every four seconds until the run is cancelled.
func Endless() *Script { return &Script{} }

// every is how often an endless script flips.
const every = 4 * time.Second

// Options say how the demo runs. Lab is needed; the rest has good defaults.
type Options struct {
	// Lab to build the two endpoints in, "client" and "server". The caller
	// closes it after Run.
	Lab *lab.Lab
	// Engine the filter is loaded on; nil means the lab's. It must attach to
	// the lab's devices: the lab's engine, or a wrapper around it.
	Engine engine.Engine
	// Why says why this engine was chosen, Other what would be needed for the
	// other one. An empty Why means what the lab says.
	Why, Other string

	// Script of flips. Nil means that the viewer's keys flip; without a
	// terminal that is Endless.
	Script *Script
	// Interval between two pings of a family; 0 means 200 ms.
	Interval time.Duration
	// Timeout is how long a reply is waited for; 0 means two seconds.
	Timeout time.Duration

	// Out takes the view. On a terminal (an *os.File) that is a picture that
	// changes, elsewhere lines. Nil shows nothing.
	Out io.Writer
	// In gives keys if it is a terminal and Out is one; nil none.
	In *os.File
	// Plain asks for lines even on a terminal.
	Plain bool
	// NoColor leaves colours out.
	NoColor bool
}

func (o *Options) complete() error {
	if o.Lab == nil {
		return fmt.Errorf("run demo: no lab")
	}
	if o.Engine == nil {
		o.Engine = o.Lab.Engine()
	}
	if o.Engine == nil {
		return fmt.Errorf("run demo: the lab has no engine")
	}
	if o.Why == "" {
		o.Why = o.Lab.Why()
	}
	if o.Interval == 0 {
		o.Interval = 200 * time.Millisecond
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	if o.Interval < time.Millisecond || o.Timeout < o.Interval/100 {
		return fmt.Errorf("run demo: an interval of %v with a timeout of %v: want at least 1 ms and a timeout of its order", o.Interval, o.Timeout)
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Script == nil {
		if !o.live() || !isTerminal(o.In) {
			o.Script = Endless()
		}
		return nil
	}
	at := time.Duration(0)
	for _, f := range o.Script.Flips {
		if f.At < at || f.To != Pass && f.To != Drop {
			return fmt.Errorf("run demo: script: flip to %v at %v is out of order or no verdict", f.To, f.At)
		}
		at = f.At
	}
	if o.Script.Length != 0 && o.Script.Length < at {
		return fmt.Errorf("run demo: script ends after %v, its last flip comes at %v", o.Script.Length, at)
	}
	return nil
}

// live says whether Out takes the picture that changes.
func (o *Options) live() bool {
	f, ok := o.Out.(*os.File)
	return ok && !o.Plain && isTerminal(f)
}

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }
