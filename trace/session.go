package trace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lang"
	symbols "github.com/skepdev/skep/trace/symbol"
)

// Session runs a compiled script. Its fields are set before Run and not changed
// after.
type Session struct {
	Object *lang.Object
	Engine engine.Engine
	// Env is what the script was compiled for.
	Env *Machine
	// Out receives what the script prints, Err warnings and what is not output.
	Out, Err io.Writer
	// Record, if not nil, receives what is printed as JSON, a message a line, too.
	Record io.Writer
	// JSON prints a JSON object a line.
	JSON bool
	// Quiet leaves out how many probes were attached.
	Quiet bool
	// NoWarnings leaves out warnings at run time.
	NoWarnings bool
	// PID limits uprobes and USDT probes to one process; 0 means all.
	PID int
	// Child is started when everything is attached; its end ends the session.
	Child *Child
	// PollMaps prints maps when this channel is signalled.
	PollMaps <-chan struct{}
	// Self fires self:signal probes when this channel is signalled.
	Self <-chan struct{}
	// Users names addresses of processes; nil prints them as numbers.
	Users UserSymbolizer
	// Flush, if not nil, passes on what Out buffers: when nothing comes for a
	// moment, and at the end.
	Flush func()
	// DryRun loads and attaches, and ends without firing begin.
	DryRun bool
	// Attached is called when all probes are attached.
	Attached func()

	coll     *engine.Collection
	links    []engine.Link
	ring     engine.RingReader
	print    printer
	dec      decoder
	code     int
	exiting  bool
	lostSeen uint64
	failures map[int]bool
	syms     symbols.Kernel
	boot     time.Duration // from boot time to the wall clock
	gone     map[string]bool
	zeroed   map[string]bool // aggregations without a key that zero() emptied
}

// Run loads, attaches and prints until ctx ends, the script exits or the child
// does. It returns the script's exit code.
func (s *Session) Run(ctx context.Context) (code int, err error) {
	s.dec = decoder{s}
	s.failures = map[int]bool{}
	s.boot = bootOffset()
	if s.JSON {
		s.print = &jsonPrinter{out: s.Out, quiet: s.Quiet}
	} else {
		s.print = &textPrinter{out: s.Out, err: s.Err, quiet: s.Quiet}
	}
	if s.Record != nil {
		s.print = printers{s.print, &jsonPrinter{out: s.Record, quiet: true}}
	}
	if s.coll, err = s.Engine.Load(ctx, s.Object.Spec, nil); err != nil {
		return 1, err
	}
	defer s.close()
	if err := s.setData(); err != nil {
		return 1, err
	}
	if s.ring, err = s.coll.Maps[lang.RingMap].RingReader(); err != nil {
		return 1, fmt.Errorf("read events: %w", err)
	}
	if !s.DryRun {
		if err := s.fire("begin"); err != nil {
			return 1, err
		}
	}
	if err := s.attachAll(); err != nil {
		return 1, err
	}
	s.print.attached(len(s.Object.Probes))
	if s.Attached != nil {
		s.Attached()
	}
	if s.DryRun {
		return 0, nil
	}
	s.drain()
	if s.Child != nil {
		if err := s.Child.Start(); err != nil {
			return 1, err
		}
	}
	if err := s.iterate(); err != nil {
		return 1, err
	}
	s.loop(ctx)
	s.detach()
	s.drain()
	s.exiting = false
	if err := s.fire("end"); err != nil {
		return 1, err
	}
	s.drain()
	s.finish()
	return s.code, nil
}

// close gives everything back. It is safe to call twice.
func (s *Session) close() {
	s.detach()
	if s.ring != nil {
		s.ring.Close()
		s.ring = nil
	}
	if s.coll != nil {
		s.coll.Close()
		s.coll = nil
	}
	if s.Child != nil {
		s.Child.Stop()
	}
}

func (s *Session) detach() {
	for i := len(s.links) - 1; i >= 0; i-- {
		s.links[i].Close()
	}
	s.links = nil
}

// setData tells programs when tracing began, and the child's process.
func (s *Session) setData() error {
	b := make([]byte, lang.DataSize)
	ne().PutUint64(b[lang.DataStart:], uint64(bootTime()))
	if s.Child != nil {
		ne().PutUint64(b[lang.DataCPID:], uint64(s.Child.PID))
	}
	ne().PutUint64(b[lang.DataTAI:], uint64(taiOffset()))
	if err := s.coll.Maps[lang.DataMap].Update(make([]byte, 4), b, 0); err != nil {
		return fmt.Errorf("tell programs when tracing began: %w", err)
	}
	return nil
}

// fire runs the probes of a kind that this process triggers.
func (s *Session) fire(provider string) error {
	for _, p := range s.Object.Probes {
		if p.Attach.Provider != provider {
			continue
		}
		if _, err := s.coll.Programs[p.Program].Run(&engine.RunInput{Context: make([]byte, 64), NoDataOut: true}); err != nil {
			return fmt.Errorf("run %s: %w", p.Name, err)
		}
	}
	return nil
}

// oneRead bounds a wait for records, so that signals and lost records are seen.
const oneRead = 100 * time.Millisecond

// lostEvery is after how many records in a row lost ones are looked for.
const lostEvery = 1 << 16

// loop prints until something ends it.
func (s *Session) loop(ctx context.Context) {
	if !s.hasEvents() && s.Child == nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { s.ring.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var childDone <-chan struct{}
	if s.Child != nil {
		childDone = s.Child.Done
	}
	var rec engine.Record
	s.ring.SetDeadline(time.Now().Add(oneRead))
	for n := 1; !s.exiting && ctx.Err() == nil; n++ {
		select {
		case <-childDone:
			return
		case <-s.PollMaps:
			s.printMaps()
		case <-s.Self:
			if err := s.fire("self"); err != nil {
				fmt.Fprintf(s.Err, "ERROR: %v\n", err)
			}
		default:
		}
		switch err := s.ring.ReadInto(&rec); {
		case err == nil:
			s.handle(rec.Data)
			if rec.Remaining == 0 {
				s.flush()
			}
			if n%lostEvery == 0 {
				s.reportLost()
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.flush()
			s.reportLost()
			s.observe()
			// The record of exit() may have been lost.
			if s.exited() {
				return
			}
			s.ring.SetDeadline(time.Now().Add(oneRead))
			if s.PID != 0 && !processAlive(s.PID) {
				return
			}
		default:
			return
		}
	}
}

func (s *Session) flush() {
	if s.Flush != nil {
		s.Flush()
	}
}

// exited says whether a program called exit().
func (s *Session) exited() bool {
	b := make([]byte, lang.DataSize)
	return s.coll.Maps[lang.DataMap].Lookup(make([]byte, 4), b, 0) == nil && ne().Uint64(b[lang.DataExited:]) != 0
}

// hasEvents says whether any probe can still fire.
func (s *Session) hasEvents() bool {
	for _, p := range s.Object.Probes {
		switch p.Attach.Provider {
		case "begin", "end", "iter", "test", "bench":
		default:
			return true
		}
	}
	return false
}

// drain handles what is in the ring now, and not what comes meanwhile: a script
// may trace this very process.
func (s *Session) drain() {
	const header = 8
	var rec engine.Record
	s.ring.SetDeadline(time.Now().Add(oneRead))
	for left := s.ring.AvailableBytes(); left > 0; left -= (len(rec.Data) + 7 + header) &^ 7 {
		if err := s.ring.ReadInto(&rec); err != nil {
			break
		}
		s.handle(rec.Data)
	}
	s.reportLost()
}

// Lost is how many records did not fit the ring so far.
func (s *Session) lost() uint64 {
	b := make([]byte, 8)
	if err := s.coll.Maps[lang.LostMap].Lookup(make([]byte, 4), b, 0); err != nil {
		return s.lostSeen
	}
	return ne().Uint64(b)
}

func (s *Session) reportLost() {
	if n := s.lost(); n > s.lostSeen {
		s.print.lost(n - s.lostSeen)
		s.lostSeen = n
	}
}

// finish prints the maps.
func (s *Session) finish() {
	s.reportFailures()
	if !s.Object.Config.PrintMapsOnExit {
		return
	}
	if !s.JSON {
		io.WriteString(s.Out, "\n\n")
	}
	s.printMaps()
}

func (s *Session) printMaps() {
	for _, name := range s.sortedMaps() {
		if !s.empty(name) {
			s.printMap(name, 0, 0)
		}
	}
}
