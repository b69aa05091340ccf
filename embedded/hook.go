package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/vm"
)

// Hook is a place of the host's own at which eBPF programs run, with a context
// that is the Go structure C. Programs for it stand in a section with its name,
// are compiled against [Hook.Header], verified against the hook's declaration
// when they are loaded, and attached with [engine.Hook]. It is safe for concurrent
// use, and lives as long as its engine.
type Hook[C any] struct{ core *hookCore }

// HookConfig describes a hook. The zero value is good.
type HookConfig struct {
	// Context is the name of the context's structure in C; "" means the Go type's
	// name in lower case with underscores.
	Context string
	// Helpers are what programs at the hook may call, besides what Linux lets
	// programs of every type call.
	Helpers []Helper
	// Structs are further structures that C programs share with Go: what the
	// prototypes of Helpers point to, keys and values of maps.
	Structs []Struct
	// Results are what programs may return, which the verifier holds them to. None
	// means any 32-bit number.
	Results []Result
	// WritableData lets programs write the bytes of an event.
	WritableData bool
	// MaxInstructions bounds one run; 0 means what the engine's configuration says.
	MaxInstructions uint64
}

// Helper is a function of the host's that programs at a hook call by its name.
type Helper struct {
	// Proto is its prototype in C, of which programs see a declaration:
	//
	//	long http_header(struct http_request *ctx, const char *name__str, char *value, __u32 value__sz)
	//
	// Arguments are up to five numbers; the context; memory whose size is the next
	// argument, which has the same name and "__sz" behind it; a string constant,
	// whose name ends in "__str"; a number or one of the hook's structures by
	// pointer. Memory that is not const is written. NULL is refused unless the
	// argument's name ends in "__nullable". The result is a number or void.
	Proto string
	// Func is called on the goroutine that runs the program. It must be quick and
	// safe for concurrent use. What it returns is the result.
	Func func(*Call) int64
}

// Call is a call of a [Helper] by a program.
type Call = vm.Call

// Result is a value that programs at a hook may return.
type Result struct {
	// Name in C.
	Name  string
	Value int32
}

// Event is what the programs at a hook run on.
type Event[C any] struct {
	// Context is copied for the run; fields that programs may write are copied
	// back. Nil is all zero.
	Context *C
	// Bytes are what the context's [Data] encloses, at most 64 KiB; copied likewise.
	Bytes []byte
	// Value is for the hook's helpers ([Call.Value]).
	Value any
}

// Data is the field of a context that gives programs the event's bytes: two
// pointers, of which C sees the first under the field's name and the second with
// "_end" behind it. Their values in Go mean nothing.
type Data struct{ _ [2]uint64 }

// hookCore is a hook without the type of its context.
type hookCore struct {
	e       *Engine
	name    string
	vm      vm.Hook
	header  string
	helpers []Helper
	// at is what is attached, or nil.
	at atomic.Pointer[attachment]
	mu sync.Mutex // orders attaching
}

// hooks are those of an engine, by name.
type hooks struct {
	mu     sync.RWMutex
	byName map[string]*hookCore
}

func (h *hooks) find(name string) *hookCore {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.byName[name]
}

// NewHook declares a hook. Its name is that of its programs' section ("http/request")
// and must be none that the kernel's programs have.
func NewHook[C any](e *Engine, name string, cfg HookConfig) (*Hook[C], error) {
	c, err := newHook[C](e, name, &cfg)
	if err != nil {
		return nil, fmt.Errorf("declare hook %s: %w", name, err)
	}
	e.hooks.mu.Lock()
	defer e.hooks.mu.Unlock()
	if e.hooks.byName[name] != nil {
		return nil, fmt.Errorf("declare hook %s: the engine has one of that name: %w", name, engine.ErrExist)
	}
	if e.hooks.byName == nil {
		e.hooks.byName = make(map[string]*hookCore)
	}
	e.hooks.byName[name] = c
	return &Hook[C]{c}, nil
}

func newHook[C any](e *Engine, name string, cfg *HookConfig) (*hookCore, error) {
	if e.closed.Load() {
		return nil, engine.ErrClosed
	}
	if err := hookName(name); err != nil {
		return nil, err
	}
	d, err := declare[C](name, cfg)
	if err != nil {
		return nil, err
	}
	c := &hookCore{e: e, name: name, helpers: slices.Clone(cfg.Helpers), vm: vm.Hook{Decl: d.hook, MaxInstructions: cfg.MaxInstructions}}
	for i := range c.helpers {
		f := c.helpers[i].Func
		if f == nil {
			return nil, fmt.Errorf("helper %s has no Func", d.hook.Funcs[i].Name)
		}
		c.vm.Funcs = append(c.vm.Funcs, func(call *vm.Call) uint64 { return uint64(f(call)) })
	}
	c.header = d.header(cfg)
	return c, nil
}

// hookName refuses names that could not be a section of their own.
func hookName(name string) error {
	switch {
	case name == "":
		return errors.New("it needs a name")
	case strings.ContainsAny(name, "\"\\\x00\n ") || strings.HasPrefix(name, "."):
		return fmt.Errorf("%q cannot be the name of a section", name)
	}
	if s, _, ok := abi.SectionOf(name); ok {
		return fmt.Errorf("programs in sections of that name are for Linux (%s): %w", s.Program, syscall.EINVAL)
	}
	return nil
}

// Name is the hook's name.
func (h *Hook[C]) Name() string { return h.core.name }

// Header is a C header that programs for the hook include: the context, the
// structures, results and helpers. It needs no other.
func (h *Hook[C]) Header() string { return h.core.header }

// Target is what programs are attached to: [engine.Hook] with the hook's name.
func (h *Hook[C]) Target() engine.Hook { return engine.Hook{Name: h.core.name} }

// Attached says whether a program is.
func (h *Hook[C]) Attached() bool { return h.core.at.Load() != nil }

// Fire runs the program that is attached, and returns its result; ran is false if
// there is none. A run that fails (an [engine.FaultError], a budget that is used
// up, a context that is done) is an error: the host decides what that means. It
// allocates nothing else. A helper's panic goes on to the caller.
func (h *Hook[C]) Fire(ctx context.Context, ev *Event[C]) (result int32, ran bool, err error) {
	a := h.core.at.Load()
	if a == nil {
		return 0, false, nil
	}
	p := a.running()
	if p == nil {
		return 0, false, nil
	}
	defer p.vm.Release()
	result, err = h.run(ctx, p, ev)
	return result, true, err
}

// Run runs one program of the hook, attached or not.
func (h *Hook[C]) Run(ctx context.Context, p engine.Program, ev *Event[C]) (int32, error) {
	own, err := h.core.e.asProgram(p)
	if err != nil {
		return 0, fmt.Errorf("run at hook %s: %w", h.core.name, err)
	}
	if err := own.open("run"); err != nil {
		return 0, err
	}
	defer own.mu.RUnlock()
	if own.core.hook != h.core {
		return 0, fmt.Errorf("run program %s at hook %s: %w", own.core.info.Name, h.core.name, errOtherHook)
	}
	return h.run(ctx, own.core, ev)
}

var errOtherHook = fmt.Errorf("it was not loaded for that hook: it stands in another section: %w", syscall.EINVAL)

func (h *Hook[C]) run(ctx context.Context, p *programCore, ev *Event[C]) (int32, error) {
	in := vm.Event{Data: ev.Bytes, Value: ev.Value}
	if ev.Context != nil {
		in.Context = unsafe.Slice((*byte)(unsafe.Pointer(ev.Context)), unsafe.Sizeof(*ev.Context))
	} else {
		var zero C
		in.Context = unsafe.Slice((*byte)(unsafe.Pointer(&zero)), unsafe.Sizeof(zero))
	}
	start := time.Now()
	ret, err := p.vm.RunEvent(ctx, &in)
	p.count(start)
	if err != nil {
		return 0, runError(p.info.Name, err)
	}
	return ret, nil
}

// hasAll refuses a program that calls a function which neither the hook nor Linux
// has, unless it is declared weak.
func (h *hookCore) hasAll(program string, code *object.Code) error {
	for _, k := range code.Kfuncs {
		if k.Weak || h.vm.Decl.Func(k.Name) != nil || abi.KfuncByName(k.Name) != nil {
			continue
		}
		have := make([]string, len(h.vm.Decl.Funcs))
		for i := range have {
			have[i] = h.vm.Decl.Funcs[i].Name
		}
		return notSupported("load program "+program, fmt.Sprintf("hook %s has no function %s; it has %s", h.name, k.Name, orNone(strings.Join(have, ", "))), "a host that offers it, or a declaration that is __weak")
	}
	return nil
}

// Hooks are the names of the engine's hooks.
func (e *Engine) Hooks() []string {
	e.hooks.mu.RLock()
	defer e.hooks.mu.RUnlock()
	return slices.Sorted(maps.Keys(e.hooks.byName))
}
