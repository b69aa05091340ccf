package embedded

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// Map errors that a hot path may meet, made once. They are the kernel engine's.
var (
	errKeyNotExist = engine.Errno(engine.ErrKeyNotExist, syscall.ENOENT)
	errKeyExist    = engine.Errno(engine.ErrKeyExist, syscall.EEXIST)
	errFull        = engine.Errno(engine.ErrFull, syscall.E2BIG)
	errReadOnly    = engine.Errno(engine.ErrReadOnly, syscall.EPERM)
)

// askKernel is the remedy for what only Linux has.
const askKernel = "the kernel engine on Linux, as root"

func notSupported(feature, reason, remedy string) error {
	return &engine.NotSupportedError{Feature: feature, Reason: reason, Remedy: remedy}
}

// mapError turns the errno of a map operation into the promise's errors.
func (m *Map) mapError(op string, err error) error {
	if err == nil {
		return nil
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		switch e {
		case syscall.ENOENT:
			return errKeyNotExist
		case syscall.EEXIST:
			return errKeyExist
		case syscall.E2BIG:
			return errFull
		case syscall.EPERM:
			return errReadOnly
		case syscall.EOPNOTSUPP, eNotSupp:
			out := &engine.NotSupportedError{Feature: op + " of map type " + m.core.info.Type.String(), Reason: "this type does not offer it", Err: e}
			if op == "update" && holdsSockets(m.core.info.Type) {
				out.Reason, out.Remedy = "sockets are the kernel's", askKernel
			}
			return out
		}
	}
	if errors.Is(err, vm.ErrClosed) {
		return m.closedError(op)
	}
	return fmt.Errorf("%s map %s: %w", op, m.core.info.Name, err)
}

// holdsSockets tells the map types that are always empty here.
func holdsSockets(t ebpf.MapType) bool {
	return t == ebpf.XSKMap || t == ebpf.SockMap || t == ebpf.SockHash || t == ebpf.ReusePortSockArray
}

// eNotSupp is Linux's ENOTSUPP, which package syscall does not know.
const eNotSupp = syscall.Errno(524)

// runError turns how a run ended into the promise's errors.
func runError(program string, err error) error {
	var f *vm.Fault
	var b *vm.BudgetError
	var n *vm.NotSupportedError
	var c *vm.CanceledError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &c):
		return &engine.FaultError{
			Program: c.Program, Instruction: c.Instruction, Assembly: c.Assembly, Source: sourceLine(c.Line),
			Reason: c.Err.Error(), Err: c.Err,
		}
	case errors.As(err, &f):
		return &engine.FaultError{
			Program: f.Program, Instruction: f.Instruction, Assembly: f.Assembly, Source: sourceLine(f.Line),
			Address: f.Address, Size: f.Size, Write: f.Write, Reason: f.Reason,
		}
	case errors.As(err, &b):
		return &engine.FaultError{
			Program: b.Program, Instruction: b.Instruction, Assembly: b.Assembly, Source: sourceLine(b.Line),
			Reason: fmt.Sprintf("still running after %d instructions", b.Limit),
		}
	case errors.As(err, &n):
		return notSupported(n.Feature, n.Reason, askKernel)
	case errors.Is(err, vm.ErrClosed):
		return fmt.Errorf("run program %s: %w", program, engine.ErrClosed)
	}
	return fmt.Errorf("run program %s: %w", program, err)
}

// loadError turns why a program could not be loaded into the promise's errors.
func loadError(program string, err error) error {
	var l *vm.LoadError
	var n *vm.NotSupportedError
	switch {
	case errors.Is(err, engine.ErrRejected):
		return err
	case errors.As(err, &l):
		if errors.Is(l.Err, vm.ErrNotSupported) {
			where := "program " + program
			if l.Instruction >= 0 {
				where += fmt.Sprintf(", instruction %d (%s)", l.Instruction, l.Assembly)
			}
			if s := sourceLine(l.Line).String(); s != "" {
				where += " at " + s
			}
			return notSupported(where, l.Reason, askKernel)
		}
		return &engine.VerifierError{
			Program: program, Reason: l.Reason, Instruction: l.Instruction, Assembly: l.Assembly,
			Source: sourceLine(l.Line), Err: syscall.EINVAL,
		}
	case errors.As(err, &n):
		return notSupported("load program "+program+": "+n.Feature, n.Reason, askKernel)
	case errors.Is(err, vm.ErrClosed):
		return fmt.Errorf("load program %s: %w", program, engine.ErrClosed)
	}
	return fmt.Errorf("load program %s: %w", program, err)
}

func sourceLine(l vm.LineInfo) engine.SourceLine {
	return engine.SourceLine{File: l.File, Line: l.Line, Column: l.Column, Text: l.Text}
}
