//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
)

// verifierLogSize is where the verifier's log buffer starts: most rejections
// fit, and those that do not are tried again with what they need.
const verifierLogSize = 1 << 20

// Load makes the maps and programs of spec real. The verifier cannot be
// interrupted: ctx is looked at before and after.
func (e *Engine) Load(ctx context.Context, spec *ebpf.CollectionSpec, opts *engine.LoadOptions) (*engine.Collection, error) {
	if spec == nil {
		return nil, errors.New("load: the spec is nil")
	}
	if opts == nil {
		opts = &engine.LoadOptions{}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	l := &loading{e: e, opts: opts, spec: spec}
	defer l.release()
	coll, err := l.load()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		coll.Close()
		l.undoPins()
		return nil, fmt.Errorf("load: %w", err)
	}
	return coll, nil
}

// loading is one Load under way.
type loading struct {
	e    *Engine
	opts *engine.LoadOptions
	spec *ebpf.CollectionSpec

	newPins []string // pins that were not there before
	held    []func() // unlocks what the load borrows
}

func (l *loading) release() {
	for _, f := range l.held {
		f()
	}
}

func (l *loading) load() (*engine.Collection, error) {
	ciliumOpts := ebpf.CollectionOptions{
		Maps: ebpf.MapOptions{PinPath: l.opts.PinPath},
		Programs: ebpf.ProgramOptions{
			KernelTypes:  l.opts.KernelTypes,
			LogSizeStart: verifierLogSize,
		},
	}
	if l.opts.VerifierLog {
		ciliumOpts.Programs.LogLevel = ebpf.LogLevelBranch | ebpf.LogLevelStats
	}
	if err := arenas(l.spec); err != nil {
		return nil, err
	}
	var err error
	if ciliumOpts.MapReplacements, err = l.replacements(); err != nil {
		return nil, err
	}
	if err := l.attachTargets(); err != nil {
		return nil, err
	}
	l.notePins()

	l.e.loadMu.Lock()
	ciliumOpts.Cache = l.e.types
	spec, lsm := takeLSMCgroup(l.spec)
	coll, err := ebpf.NewCollectionWithOptions(spec, ciliumOpts)
	l.e.loadMu.Unlock()
	if err != nil {
		l.undoPins()
		return nil, l.loadError(err)
	}
	for name, p := range lsm {
		prog, err := loadLSMCgroup(p, coll.Maps, l.opts.KernelTypes, l.opts.VerifierLog)
		if err != nil {
			coll.Close()
			l.undoPins()
			return nil, l.loadError(err)
		}
		coll.Programs[name] = prog
	}
	out, err := l.wrap(coll)
	if err != nil {
		l.undoPins()
		return nil, err
	}
	return out, nil
}

// arenas refuses what the library below would damage: it forgets that a move is
// one between address spaces, and cannot fill an arena.
func arenas(spec *ebpf.CollectionSpec) error {
	const (
		remedy = "the embedded engine runs it"
		cast   = 1 // the offset of a move from one address space to another
	)
	for name, p := range spec.Programs {
		for i := range p.Instructions {
			if ins := &p.Instructions[i]; ins.OpCode == asm.Mov.Op(asm.RegSource) && ins.Offset == cast {
				return notSupported("load program "+name, "github.com/cilium/ebpf does not encode its casts of arena pointers", remedy, nil)
			}
		}
	}
	for name, m := range spec.Maps {
		if m.Type == ebpf.Arena && len(m.Contents) > 0 {
			return notSupported("create map "+name, "github.com/cilium/ebpf cannot place variables in an arena", remedy, nil)
		}
	}
	return nil
}

// replacements are the live maps that stand in for maps of the spec. They stay
// open, by their locks, until the load is over.
func (l *loading) replacements() (map[string]*ebpf.Map, error) {
	if len(l.opts.Maps) == 0 {
		return nil, nil
	}
	out := make(map[string]*ebpf.Map, len(l.opts.Maps))
	for name, m := range l.opts.Maps {
		own, err := asMap(m)
		if err != nil {
			return nil, fmt.Errorf("load: replace map %s: %w", name, err)
		}
		if _, ok := l.spec.Maps[name]; !ok {
			return nil, fmt.Errorf("load: replace map %s: the spec has %s: %w", name,
				strings.Join(slices.Sorted(maps.Keys(l.spec.Maps)), ", "), engine.ErrNotExist)
		}
		own.mu.RLock()
		l.held = append(l.held, own.mu.RUnlock)
		if own.closed {
			return nil, fmt.Errorf("load: %w", own.closedError("replace"))
		}
		out[name] = own.m
	}
	return out, nil
}

// attachTargets sets the live programs that programs of the spec attach to, on
// a copy of the spec.
func (l *loading) attachTargets() error {
	if len(l.opts.AttachTo) == 0 {
		return nil
	}
	l.spec = l.spec.Copy()
	for name, target := range l.opts.AttachTo {
		p, ok := l.spec.Programs[name]
		if !ok {
			return fmt.Errorf("load: attach program %s: the spec has no such program: %w", name, engine.ErrNotExist)
		}
		own, err := asProgram(target)
		if err != nil {
			return fmt.Errorf("load: attach program %s: %w", name, err)
		}
		own.mu.RLock()
		l.held = append(l.held, own.mu.RUnlock)
		if own.closed {
			return fmt.Errorf("load: attach program %s to %s: %w", name, own.info.Name, engine.ErrClosed)
		}
		p.AttachTarget = own.prog
	}
	return nil
}

// notePins remembers which pins the load would create.
func (l *loading) notePins() {
	if l.opts.PinPath == "" {
		return
	}
	for _, m := range l.spec.Maps {
		if m.Pinning != ebpf.PinByName {
			continue
		}
		path := filepath.Join(l.opts.PinPath, m.Name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			l.newPins = append(l.newPins, path)
		}
	}
}

// undoPins removes the pins that a failed load left.
func (l *loading) undoPins() {
	for _, path := range l.newPins {
		_ = os.Remove(path) // absent if the load failed before making it
	}
}

// wrap makes the engine's collection of coll and takes all of it over.
func (l *loading) wrap(coll *ebpf.Collection) (_ *engine.Collection, err error) {
	out := &engine.Collection{
		Programs:  map[string]engine.Program{},
		Maps:      map[string]engine.Map{},
		Variables: map[string]engine.Variable{},
		Borrowed:  map[string]bool{},
	}
	defer func() {
		if err != nil {
			out.Close()
			coll.Close() // closing twice is allowed
		}
	}()
	sections := map[string]*Map{}
	for name, m := range coll.Maps {
		w, err := l.e.wrapMap(m, l.spec.Maps[name])
		if err != nil {
			return nil, fmt.Errorf("load: map %s: %w", name, err)
		}
		sections[name] = w
		if given, ok := l.opts.Maps[name]; ok {
			// What the loader made is a second reference to the caller's map;
			// variables use it.
			out.Maps[name], out.Borrowed[name] = given, true
			out.Owned = append(out.Owned, io.Closer(w))
			continue
		}
		out.Maps[name] = w
	}
	for name, p := range coll.Programs {
		w, err := l.e.wrapProgram(p, l.spec.Programs[name])
		if err != nil {
			return nil, fmt.Errorf("load: program %s: %w", name, err)
		}
		out.Programs[name] = w
	}
	for name, v := range coll.Variables {
		out.Variables[name] = &variable{name: name, section: sections[l.spec.Variables[name].SectionName], v: v}
	}
	return out, nil
}

// loadError words what loading came to: a rejection, a missing right, a missing
// feature.
func (l *loading) loadError(err error) error {
	var done *engine.VerifierError
	var absent *engine.NotSupportedError
	if errors.As(err, &done) || errors.As(err, &absent) {
		return err
	}
	var rejected *ebpf.VerifierError
	p := l.failedProgram(err)
	if errors.As(err, &rejected) && p != nil && len(rejected.Log) > 0 && !(isPermission(err) && unread(rejected.Log)) {
		out := verifierError(p, rejected)
		explainPoison(p, l.spec.Types, out)
		return out
	}
	what, needs := "load", []capability{capBPF}
	if p != nil {
		what = "load program " + p.Name
		needs = append(needs, programCapabilities(p.Type)...)
	}
	switch {
	case isPermission(err):
		switch {
		case p == nil || !effectiveCapabilities().hasAll(needs):
		case needsTrampoline(p):
			return notSupported(what, "this kernel offers no place for "+p.Type.String()+" programs", trampoline, bare(err))
		case errors.As(err, &rejected) && p.AttachTo != "":
			return notSupported(what, "this kernel lets no "+p.Type.String()+" program attach to "+p.AttachTo, "", bare(err))
		}
		return permission(what, err, needs...)
	case isUnsupported(err):
		return notSupported(what, err.Error(), "", nil)
	case p != nil && isInvalid(err):
		return fmt.Errorf("load: the kernel refuses the program before verifying it "+
			"(program type %s, attach type %s, or a flag it does not know): %w", p.Type, p.AttachType, err)
	}
	return fmt.Errorf("load: %w", err)
}

// unread says that the verifier stopped before the first instruction: its log
// holds nothing but counts.
func unread(log []string) bool {
	return !slices.ContainsFunc(log, func(l string) bool {
		for _, count := range []string{"func#", "processed 0 insns ", "verification time ", "stack depth "} {
			if strings.HasPrefix(l, count) {
				return false
			}
		}
		return l != ""
	})
}

// failedProgram is the program an error of the loader is about: it says
// "program NAME: …", and names may be parts of others.
func (l *loading) failedProgram(err error) *ebpf.ProgramSpec {
	text, found := err.Error(), ""
	at := -1
	for name := range l.spec.Programs {
		i := strings.LastIndex(text, "program "+name+": ")
		if i > at || i >= 0 && i == at && len(name) > len(found) {
			at, found = i, name
		}
	}
	if at < 0 {
		return nil
	}
	return l.spec.Programs[found]
}

// needsTrampoline: programs that the kernel must patch itself for. One without
// that ability refuses them with EPERM, whoever asks.
func needsTrampoline(p *ebpf.ProgramSpec) bool {
	return p.Type == ebpf.Extension || p.Type == ebpf.LSM || p.Type == ebpf.Tracing &&
		p.AttachType != ebpf.AttachTraceRawTp && p.AttachType != ebpf.AttachTraceIter
}

// programCapabilities are the rights that loading a program of type t takes
// besides CAP_BPF (kernel/bpf/syscall.c: is_net_admin_prog_type and
// is_perfmon_prog_type, Linux 6.18).
func programCapabilities(t ebpf.ProgramType) []capability {
	switch t {
	case ebpf.SocketFilter, ebpf.CGroupSKB, ebpf.SkReuseport, ebpf.Syscall:
		return nil
	case ebpf.Kprobe, ebpf.TracePoint, ebpf.PerfEvent, ebpf.RawTracepoint, ebpf.RawTracepointWritable,
		ebpf.Tracing, ebpf.LSM, ebpf.StructOps:
		return []capability{capPerfmon}
	case ebpf.Extension:
		return []capability{capNetAdmin, capPerfmon}
	}
	return []capability{capNetAdmin}
}
