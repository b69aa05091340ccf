package trace

import (
	"bytes"
	"fmt"
	"io"
	"runtime"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lang"
)

// Kinds of perf events (include/uapi/linux/perf_event.h).
const (
	perfHardware = 0
	perfSoftware = 1
	cpuClock     = 0
)

// softEvents and hardEvents by name, with how many occurrences make one event
// unless the script says.
var softEvents = map[string][2]uint64{
	"cpu-clock": {0, 1e6}, "cpu": {0, 1e6}, "task-clock": {1, 1e6}, "page-faults": {2, 100}, "faults": {2, 100},
	"context-switches": {3, 1000}, "cs": {3, 1000}, "cpu-migrations": {4, 1}, "minor-faults": {5, 100}, "major-faults": {6, 1},
	"alignment-faults": {7, 1}, "emulation-faults": {8, 1}, "dummy": {9, 1}, "bpf-output": {10, 1},
}

var hardEvents = map[string][2]uint64{
	"cpu-cycles": {0, 1e6}, "cycles": {0, 1e6}, "instructions": {1, 1e6}, "cache-references": {2, 1e6}, "cache-misses": {3, 1e6},
	"branch-instructions": {4, 1e5}, "branches": {4, 1e5}, "branch-misses": {5, 1e5}, "bus-cycles": {6, 1e5},
	"frontend-stalls": {7, 1000}, "backend-stalls": {8, 1000}, "ref-cycles": {9, 1e6},
}

// Targets are what the engine will be asked to attach to, in no order, so that
// one that cannot do that may say so before anything starts.
func (s *Session) Targets() ([]engine.Target, error) {
	var out []engine.Target
	for i := 0; i < len(s.Object.Probes); {
		n := i + 1
		for n < len(s.Object.Probes) && s.Object.Probes[n].Program == s.Object.Probes[i].Program {
			n++
		}
		t, err := s.targets(s.Object.Probes[i:n])
		if err != nil {
			return nil, err
		}
		if s.Object.Probes[i].Attach.Provider == "iter" {
			t = append(t, engine.Iterator{PID: s.PID})
		}
		out = append(out, t...)
		i = n
	}
	return out, nil
}

// attachAll attaches every probe that something else triggers. Probes of one
// program that one link can serve share it.
func (s *Session) attachAll() error {
	var user [][]lang.Probe
	for i := 0; i < len(s.Object.Probes); {
		p := s.Object.Probes[i]
		n := i + 1
		for n < len(s.Object.Probes) && s.Object.Probes[n].Program == p.Program {
			n++
		}
		ps := s.Object.Probes[i:n]
		i = n
		switch p.Attach.Provider {
		case "uprobe", "uretprobe", "usdt":
			user = append(user, ps)
			continue
		}
		if err := s.attachProgram(ps); err != nil {
			return err
		}
	}
	// The kernel asks the newest user of a place first: the last of the script
	// is attached first.
	for i := len(user) - 1; i >= 0; i-- {
		if err := s.attachProgram(user[i]); err != nil {
			return err
		}
	}
	return nil
}

// attachError says which probe could not be attached, in bpftrace's words.
type attachError struct {
	name string
	err  error
}

func (e *attachError) Error() string {
	return fmt.Sprintf("Unable to attach probe: %s: %v", e.name, e.err)
}

func (e *attachError) Unwrap() error { return e.err }

func (s *Session) attachProgram(ps []lang.Probe) error {
	prog := s.coll.Programs[ps[0].Program]
	targets, err := s.targets(ps)
	if err != nil {
		return err
	}
	for i, t := range targets {
		l, err := s.Engine.Attach(prog, t)
		if err != nil {
			name := ps[min(i, len(ps)-1)].Name
			if s.Object.Config.MissingProbes == "error" {
				return &attachError{name, err}
			}
			if s.Object.Config.MissingProbes == "warn" && !s.NoWarnings {
				fmt.Fprintf(s.Err, "WARNING: failed to attach to %s: %v\n", name, err)
			}
			continue
		}
		s.links = append(s.links, l)
	}
	return nil
}

// targets says where the probes of one program go.
func (s *Session) targets(ps []lang.Probe) ([]engine.Target, error) {
	a := ps[0].Attach
	if ps[0].Raw != "" {
		return []engine.Target{engine.RawTracepoint{Name: ps[0].Raw}}, nil
	}
	switch a.Provider {
	case "begin", "end", "self", "iter", "test", "bench":
		return nil, nil
	case "uprobe", "uretprobe":
		if len(ps) > 1 {
			return s.multi(ps)
		}
	case "kprobe", "kretprobe":
		if len(ps) > 1 {
			t := engine.KprobeMulti{Return: a.Provider == "kretprobe"}
			for _, p := range ps {
				t.Symbols = append(t.Symbols, p.Attach.Func)
				t.Cookies = append(t.Cookies, p.Cookie)
			}
			return []engine.Target{t}, nil
		}
	}
	var out []engine.Target
	for _, p := range ps {
		t, err := s.target(p)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// multi is one link per binary.
func (s *Session) multi(ps []lang.Probe) ([]engine.Target, error) {
	var order []string
	byPath := map[string]*engine.UprobeMulti{}
	for _, p := range ps {
		t := byPath[p.Attach.Target]
		if t == nil {
			t = &engine.UprobeMulti{Path: p.Attach.Target, Return: p.Attach.Provider == "uretprobe", PID: s.PID}
			byPath[p.Attach.Target] = t
			order = append(order, p.Attach.Target)
		}
		t.Symbols = append(t.Symbols, p.Attach.Func)
		t.Offsets = append(t.Offsets, p.Attach.Offset)
		t.Cookies = append(t.Cookies, p.Cookie)
	}
	var out []engine.Target
	for _, path := range order {
		out = append(out, *byPath[path])
	}
	return out, nil
}

// target is where one probe goes.
func (s *Session) target(p lang.Probe) (engine.Target, error) {
	a := p.Attach
	switch a.Provider {
	case "tracepoint":
		return engine.Tracepoint{Group: a.Target, Name: a.Func, Cookie: p.Cookie}, nil
	case "rawtracepoint":
		return engine.RawTracepoint{Name: a.Func, Cookie: p.Cookie}, nil
	case "kprobe", "kretprobe":
		return engine.Kprobe{Symbol: a.Func, Offset: a.Offset, Return: a.Provider == "kretprobe", Cookie: p.Cookie}, nil
	case "fentry", "fexit":
		return engine.Tracing{Cookie: p.Cookie}, nil
	case "uprobe", "uretprobe":
		at, err := s.uprobePlace(a)
		if err != nil {
			return nil, err
		}
		t := engine.Uprobe{Path: a.Target, Symbol: a.Func, Return: a.Provider == "uretprobe", PID: s.PID, Cookie: p.Cookie}
		if a.Func == "" {
			t.Address = at
		} else {
			t.Offset = a.Offset
		}
		return t, nil
	case "usdt":
		return engine.USDT{Path: a.Target, Provider: a.Group, Name: a.Func, PID: s.PID, Cookie: p.Cookie}, nil
	case "interval", "profile":
		t := engine.PerfEvent{Type: perfSoftware, Config: cpuClock, CPU: -1, Cookie: p.Cookie}
		if a.Provider == "interval" {
			t.CPU = 0
		} else {
			t.PID = s.PID
		}
		switch a.Target {
		case "hz":
			t.Frequency = a.Period
		case "s":
			t.Period = a.Period * 1e9
		case "ms":
			t.Period = a.Period * 1e6
		case "us":
			t.Period = a.Period * 1e3
		default:
			t.Period = a.Period
		}
		return t, nil
	case "software", "hardware":
		return s.counted(p)
	}
	return nil, fmt.Errorf("attach %s: %s probes are not supported here (%s)", p.Name, a.Provider, runtime.GOOS)
}

func (s *Session) counted(p lang.Probe) (engine.Target, error) {
	table, typ := softEvents, uint32(perfSoftware)
	if p.Attach.Provider == "hardware" {
		table, typ = hardEvents, perfHardware
	}
	ev, ok := table[p.Attach.Target]
	if !ok {
		return nil, fmt.Errorf("attach %s: no %s event of that name", p.Name, p.Attach.Provider)
	}
	period := p.Attach.Period
	if period == 0 {
		period = ev[1]
	}
	return engine.PerfEvent{Type: typ, Config: ev[0], Period: period, PID: s.PID, CPU: -1, Cookie: p.Cookie}, nil
}

// iterate runs iterators once, from their first object to the last.
func (s *Session) iterate() error {
	for _, p := range s.Object.Probes {
		if p.Attach.Provider != "iter" {
			continue
		}
		l, err := s.Engine.Attach(s.coll.Programs[p.Program], engine.Iterator{PID: s.PID})
		if err != nil {
			return fmt.Errorf("attach %s: %w", p.Name, err)
		}
		s.links = append(s.links, l)
		if p.Attach.Pin != "" {
			path := p.Attach.Pin
			if path[0] != '/' {
				path = "/sys/fs/bpf/" + path
			}
			if err := l.Pin(path); err != nil {
				return fmt.Errorf("pin %s at %s: %w", p.Name, path, err)
			}
			fmt.Fprintf(s.Out, "Program pinned to %s\n", path)
			continue
		}
		it, ok := l.(engine.IterLink)
		if !ok {
			return fmt.Errorf("attach %s: the engine cannot run iterators", p.Name)
		}
		r, err := it.Open()
		if err != nil {
			return fmt.Errorf("run %s: %w", p.Name, err)
		}
		var sink bytes.Buffer
		_, err = io.Copy(&sink, r)
		r.Close()
		if err != nil {
			return fmt.Errorf("run %s: %w", p.Name, err)
		}
		s.drain()
	}
	return nil
}
