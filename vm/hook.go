package vm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// Hook is a place of the host's own for programs of type abi.ProgHook, which run
// there by [Program.RunEvent]. It must not change once a program is loaded for it.
type Hook struct {
	Decl *abi.Hook
	// Funcs are the bodies of the functions that Decl lists, in that order.
	Funcs []func(*Call) uint64
	// MaxInstructions bounds one run; 0 means what the machine does.
	MaxInstructions uint64
}

// ErrNested: a function of a hook ran a program, and no virtual CPU was free.
var ErrNested = errors.New("a function of a hook runs a program while every virtual CPU is taken: it would wait for itself")

func (p *Program) owner() *callOwner {
	return &callOwner{typ: p.spec.Type, attach: p.spec.AttachType, hook: p.spec.Hook}
}

// body is a function of a hook as the runtime calls it; nil if there is none of
// that name.
func (h *Hook) body(name string) interp.Helper {
	if h == nil {
		return nil
	}
	for i := range h.Decl.Funcs {
		decl := &h.Decl.Funcs[i]
		if decl.Name != name {
			continue
		}
		f := h.Funcs[i]
		return func(t *interp.Thread) uint64 {
			c, _ := t.Call.(*Call)
			if c == nil {
				t.Fail("%s is called where there is no event: in a timer's callback", name)
				return 0
			}
			return c.host(t, decl, f)
		}
	}
	return nil
}

// host calls a function of the host's. Its name in a stack tells that the
// goroutine is in one.
//
//go:noinline
func (c *Call) host(t *interp.Thread, decl *abi.HookFunc, f func(*Call) uint64) uint64 {
	c.t, c.decl = t, decl
	ret := f(c)
	c.t = nil
	return ret
}

// Call is a call of a hook's function by a program. It, and all memory that it
// gives, is valid until the function returns, on its goroutine only.
type Call struct {
	t    *interp.Thread
	decl *abi.HookFunc
	ctx  context.Context
	// value is the host's own for the event.
	value any
}

// Context is that of the run.
func (c *Call) Context() context.Context { return c.ctx }

// Value is what the host gave with the event.
func (c *Call) Value() any { return c.value }

// Program is the calling program's name.
func (c *Call) Program() string { return c.t.Program().Name }

// CPU is the virtual CPU of the run.
func (c *Call) CPU() int { return c.t.CPU }

// Arg is argument i, from 0 on, as the register has it: what lies above the
// argument's type is to be ignored.
func (c *Call) Arg(i int) uint64 { return c.t.R[i+1] }

// Bytes is the memory that argument i points to: as much as the argument behind
// it says, as its type has, or up to the zero that ends a string. What the
// prototype does not let the function write must not be written. Nil means that
// the argument is NULL, or no memory of the program's: then the run ends with an
// error when the function returns.
func (c *Call) Bytes(i int) []byte {
	a, at := c.decl.Args[i], c.t.R[i+1]
	if at == 0 && a.Has(abi.ArgMaybeNull) {
		return nil
	}
	var n uint64
	switch a.Kind {
	case abi.ArgMem:
		n = uint64(uint32(c.t.R[i+2]))
	case abi.ArgFixedMem:
		n = uint64(a.Size)
	case abi.ArgConstStr:
		return c.text(at)
	default:
		c.t.Fail("%s: argument %d is no memory", c.decl.Name, i)
		return nil
	}
	if a.Has(abi.ArgWritten) {
		return c.t.Write(at, n)
	}
	return c.t.Read(at, n)
}

// maxText bounds strings, as a page does in Linux.
const maxText = 4096

func (c *Call) text(at uint64) []byte {
	n := uint64(0)
	for ; n < maxText; n++ {
		b := c.t.Read(at+n, 1)
		if b == nil {
			return nil
		}
		if b[0] == 0 {
			break
		}
	}
	return c.t.Read(at, n)
}

// Charge takes n instructions from the run's budget, for what a function does
// that takes long. It is false if the budget is used up: the run ends when the
// function returns.
func (c *Call) Charge(n int64) bool { return c.t.Charge(n) }

// Fail ends the run with an error when the function returns.
func (c *Call) Fail(err error) { c.t.Cancel(err) }

// Event is what a program at a hook runs on.
type Event struct {
	// Context are the bytes of the hook's context. Fields that programs may write
	// are copied back. Data and its end are filled in.
	Context []byte
	// Data is what the context's data and data_end enclose, at most [MaxPacket]
	// bytes; it is copied back if programs may write it.
	Data []byte
	// Value is the host's own, for its functions.
	Value any
}

// RunEvent runs a program at its hook and returns what it returns. It allocates
// nothing unless it fails. When ctx is done the run ends with a [*CanceledError]
// within a million instructions. A panic of the hook's functions ends the run and
// goes on to the caller.
func (p *Program) RunEvent(ctx context.Context, ev *Event) (int32, error) {
	h := p.spec.Hook
	switch {
	case h == nil:
		return 0, fmt.Errorf("run program %s: it is a %s program and not for a hook of the host", p.spec.Name, p.spec.Type)
	case len(ev.Context) != int(h.Decl.Context.Size):
		return 0, fmt.Errorf("run program %s: context of %d bytes; struct %s has %d: %w", p.spec.Name, len(ev.Context), h.Decl.Context.Name, h.Decl.Context.Size, syscall.EINVAL)
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("run program %s: %w", p.spec.Name, err)
	}
	c, err := p.beginFor(ctx)
	if err != nil {
		return 0, err
	}
	defer c.release()
	return c.runEvent(ctx, p, ev)
}

func (c *cpu) runEvent(ctx context.Context, p *Program, ev *Event) (int32, error) {
	decl, t := p.spec.Hook.Decl, c.t
	if err := c.eventData(p, ev.Data); err != nil {
		return 0, err
	}
	mem := t.SetPlainContext(ev.Context)
	for i := range decl.Context.Fields {
		switch f := &decl.Context.Fields[i]; f.Kind {
		case abi.FieldPacketData:
			binary.NativeEndian.PutUint64(mem[f.Offset:], c.data.b.DataPtr())
		case abi.FieldPacketEnd:
			binary.NativeEndian.PutUint64(mem[f.Offset:], c.data.b.EndPtr())
		}
	}
	t.Limit = int64(min(p.spec.Hook.MaxInstructions, 1<<62))
	if ctx.Done() != nil {
		t.Done = ctx.Err
	}
	c.call.ctx, c.call.value, t.Call = ctx, ev.Value, &c.call
	t.Out.Reset()
	over := false
	defer func() {
		if !over {
			t.Abandon()
		}
		t.ClearPacket()
		t.Limit, t.Done, t.Call = 0, nil, nil
		c.call = Call{}
	}()
	ret, err := t.Run(p.i)
	over = true
	if err != nil {
		return 0, p.m.stopped(err)
	}
	for i := range decl.Context.Fields {
		if f := &decl.Context.Fields[i]; f.Store != 0 {
			copy(ev.Context[f.Offset:f.Offset+f.Size], mem[f.Offset:])
		}
	}
	if decl.PacketWritable {
		copy(ev.Data, c.data.b.Bytes())
	}
	return int32(ret), nil
}

// eventData copies data to where programs may read it.
func (c *cpu) eventData(p *Program, data []byte) error {
	c.t.SetPacket(nil, nil)
	if !p.spec.Hook.hasData() {
		if len(data) != 0 {
			return fmt.Errorf("run program %s: %d bytes of data, and the context of hook %s has no field for them: %w", p.spec.Name, len(data), p.spec.Hook.Decl.Name, syscall.EINVAL)
		}
		return nil
	}
	if c.data == nil {
		pk, err := c.m.NewPacket(nil)
		if err != nil {
			return fmt.Errorf("run program %s: %w", p.spec.Name, err)
		}
		c.data = pk
	}
	if err := c.data.SetData(data); err != nil {
		return fmt.Errorf("run program %s: %w", p.spec.Name, err)
	}
	c.t.SetPacket(c.data.b, nil)
	return nil
}

func (h *Hook) hasData() bool {
	for i := range h.Decl.Context.Fields {
		if h.Decl.Context.Fields[i].Kind == abi.FieldPacketData {
			return true
		}
	}
	return false
}

// beginFor is begin that does not wait longer than ctx allows, nor for itself.
func (p *Program) beginFor(ctx context.Context) (*cpu, error) {
	for _, c := range p.m.cpus {
		if c.try() {
			return p.begun(c)
		}
	}
	if insideHook() {
		return nil, fmt.Errorf("run program %s: %w", p.spec.Name, ErrNested)
	}
	if ctx.Done() == nil {
		return p.beginOn(p.m.cpus)
	}
	w := &p.m.turns
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		w.freed.Broadcast()
		w.mu.Unlock()
	})
	defer stop()
	c := p.m.wait(p.m.cpus, func() bool { return w.closed || ctx.Err() != nil })
	if c == nil && ctx.Err() != nil {
		return nil, fmt.Errorf("run program %s: wait for a virtual CPU: %w", p.spec.Name, ctx.Err())
	}
	return p.begun(c)
}

// insideHook says whether this goroutine is in a function that a program of some
// hook called.
func insideHook() bool {
	pcs := callers.Get().(*[64]uintptr)
	defer callers.Put(pcs)
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		frames := runtime.CallersFrames(pcs[:n])
		for {
			f, more := frames.Next()
			if f.Function == hostFrame {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

var callers = sync.Pool{New: func() any { return new([64]uintptr) }}

// hostFrame is the name of what calls the host's functions.
const hostFrame = "github.com/skepdev/skep/vm.(*Call).host"
