package enginetest

import (
	"context"
	"errors"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// Call is one call on a [Faulty] engine or on something it made.
type Call struct {
	// Op is the method with its type: "Engine.Load", "Engine.Attach",
	// "Link.Update", "Map.Lookup", "Program.Run", "Variable.Get",
	// "RingReader.ReadInto", ….
	Op string
	// N counts the calls of this Op, from 1.
	N int
	// Object is the name of the program, map or variable, if it has one; for
	// Link.Update that of the new program.
	Object string
}

// ErrSkip, from a hook, makes a call pretend: it returns success and does
// nothing. A read throws its record away and reads the next.
var ErrSkip = errors.New("pretend that it happened")

// Faulty is an engine some of whose calls fail, or are late, or lie: for tests
// of those who use engines. Close and Info always work.
type Faulty struct {
	inner engine.Engine
	hook  func(Call) error

	mu     sync.Mutex
	counts map[string]int
}

var _ engine.Engine = (*Faulty)(nil)

// NewFaulty wraps inner. hook is asked before each call, on the caller's
// goroutine: nil lets it happen, [ErrSkip] pretends, another error is returned
// in its place.
func NewFaulty(inner engine.Engine, hook func(Call) error) *Faulty {
	return &Faulty{inner: inner, hook: hook, counts: map[string]int{}}
}

// FailNth is a hook that fails the n-th call of an operation.
func FailNth(op string, n int, err error) func(Call) error {
	return func(c Call) error {
		if c.Op == op && c.N == n {
			return err
		}
		return nil
	}
}

// ask counts a call and asks the hook.
func (f *Faulty) ask(op, object string) error {
	f.mu.Lock()
	f.counts[op]++
	n := f.counts[op]
	f.mu.Unlock()
	return f.hook(Call{Op: op, N: n, Object: object})
}

// do makes a call that gives nothing but an error.
func (f *Faulty) do(op, object string, call func() error) error {
	switch err := f.ask(op, object); {
	case errors.Is(err, ErrSkip):
		return nil
	case err != nil:
		return err
	}
	return call()
}

// get makes a call that gives something: pretending is not possible.
func get[T any](f *Faulty, op, object string, call func() (T, error)) (T, error) {
	if err := f.ask(op, object); err != nil {
		var none T
		return none, err
	}
	return call()
}

// Name is the inner engine's.
func (f *Faulty) Name() string { return f.inner.Name() }

// Close closes the inner engine.
func (f *Faulty) Close() error { return f.inner.Close() }

// Load wraps what the inner engine loads.
func (f *Faulty) Load(ctx context.Context, spec *ebpf.CollectionSpec, opts *engine.LoadOptions) (*engine.Collection, error) {
	if err := f.ask("Engine.Load", ""); err != nil {
		return nil, err
	}
	coll, err := f.inner.Load(ctx, spec, unwrapOptions(opts))
	if err != nil {
		return nil, err
	}
	for name, p := range coll.Programs {
		coll.Programs[name] = &faultyProgram{p, f}
	}
	for name, m := range coll.Maps {
		coll.Maps[name] = &faultyMap{m, f}
	}
	for name, v := range coll.Variables {
		coll.Variables[name] = &faultyVariable{v, f}
	}
	return coll, nil
}

func unwrapOptions(opts *engine.LoadOptions) *engine.LoadOptions {
	if opts == nil {
		return nil
	}
	o := *opts
	o.Maps, o.AttachTo = nil, nil
	for name, m := range opts.Maps {
		if o.Maps == nil {
			o.Maps = map[string]engine.Map{}
		}
		o.Maps[name] = innerMap(m)
	}
	for name, p := range opts.AttachTo {
		if o.AttachTo == nil {
			o.AttachTo = map[string]engine.Program{}
		}
		o.AttachTo[name] = innerProgram(p)
	}
	return &o
}

func (f *Faulty) wrapMap(m engine.Map, err error) (engine.Map, error) {
	if err != nil {
		return nil, err
	}
	return &faultyMap{m, f}, nil
}

func (f *Faulty) wrapProgram(p engine.Program, err error) (engine.Program, error) {
	if err != nil {
		return nil, err
	}
	return &faultyProgram{p, f}, nil
}

func (f *Faulty) wrapLink(l engine.Link, err error) (engine.Link, error) {
	if err != nil {
		return nil, err
	}
	return &faultyLink{l, f}, nil
}

// NewMap wraps the map.
func (f *Faulty) NewMap(spec *ebpf.MapSpec) (engine.Map, error) {
	return get(f, "Engine.NewMap", spec.Name, func() (engine.Map, error) { return f.wrapMap(f.inner.NewMap(spec)) })
}

// Attach wraps the link.
func (f *Faulty) Attach(p engine.Program, t engine.Target) (engine.Link, error) {
	name := ""
	if p != nil {
		name = p.Info().Name
	}
	return get(f, "Engine.Attach", name, func() (engine.Link, error) {
		return f.wrapLink(f.inner.Attach(innerProgram(p), innerTarget(t)))
	})
}

// OpenProgram wraps the program.
func (f *Faulty) OpenProgram(path string) (engine.Program, error) {
	return get(f, "Engine.OpenProgram", "", func() (engine.Program, error) { return f.wrapProgram(f.inner.OpenProgram(path)) })
}

// OpenMap wraps the map.
func (f *Faulty) OpenMap(path string) (engine.Map, error) {
	return get(f, "Engine.OpenMap", "", func() (engine.Map, error) { return f.wrapMap(f.inner.OpenMap(path)) })
}

// OpenLink wraps the link.
func (f *Faulty) OpenLink(path string) (engine.Link, error) {
	return get(f, "Engine.OpenLink", "", func() (engine.Link, error) { return f.wrapLink(f.inner.OpenLink(path)) })
}

// Supports asks the inner engine.
func (f *Faulty) Supports(ctx context.Context, feature engine.Feature) error {
	return f.do("Engine.Supports", feature.String(), func() error { return f.inner.Supports(ctx, feature) })
}

// OpenPrintk asks the inner engine.
func (f *Faulty) OpenPrintk() (engine.PrintkReader, error) {
	return get(f, "Engine.OpenPrintk", "", f.inner.OpenPrintk)
}
