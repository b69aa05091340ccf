//go:build linux

package kernel

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// Program is a program in the kernel.
type Program struct {
	info engine.ProgramInfo

	// mu keeps the descriptor open while a call uses it.
	mu     sync.RWMutex
	prog   *ebpf.Program
	closed bool
}

var _ engine.Program = (*Program)(nil)

// wrapProgram takes p over, also on error. spec is nil for pinned programs.
func (e *Engine) wrapProgram(p *ebpf.Program, spec *ebpf.ProgramSpec) (*Program, error) {
	raw, err := readProgramInfo(p.FD())
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("program info: %w", err)
	}
	info := engine.ProgramInfo{
		Name:         raw.name,
		Type:         p.Type(),
		ID:           raw.id,
		Tag:          hex.EncodeToString(raw.tag[:]),
		Instructions: raw.instructions,
		VerifierLog:  p.VerifierLog,
	}
	if spec != nil {
		// The kernel cuts names at 15 bytes and drops odd characters, and it
		// does not tell the attach type.
		info.Name, info.AttachType = spec.Name, spec.AttachType
		info.Instructions = int(spec.Instructions.Size() / 8)
	}
	return &Program{info: info, prog: p}, nil
}

// Info describes the program.
func (p *Program) Info() engine.ProgramInfo { return p.info }

// withFD calls f with the open descriptor.
func (p *Program) withFD(f func(fd int) error) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return fmt.Errorf("program %s: %w", p.info.Name, engine.ErrClosed)
	}
	return f(p.prog.FD())
}

// Stats returns how often attached runs happened and how long they took.
func (p *Program) Stats() (engine.ProgramStats, error) {
	var raw programInfo
	err := p.withFD(func(fd int) (err error) {
		raw, err = readProgramInfo(fd)
		return err
	})
	if err != nil {
		return engine.ProgramStats{}, fmt.Errorf("stats of program %s: %w", p.info.Name, err)
	}
	return engine.ProgramStats{Runs: raw.runs, Runtime: raw.runtime, Misses: raw.misses}, nil
}

// Pin keeps the program alive at path, a file to be made in a bpffs.
func (p *Program) Pin(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("pin program %s: %w", p.info.Name, engine.ErrClosed)
	}
	return pinError("program "+p.info.Name, path, p.prog.Pin(path))
}

// Unpin removes the pin; without one it does nothing.
func (p *Program) Unpin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("unpin program %s: %w", p.info.Name, engine.ErrClosed)
	}
	return p.prog.Unpin()
}

// Close gives the program up; links and pins keep it alive.
func (p *Program) Close() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return p.prog.Close()
}

// asProgram is p if it is this engine's.
func asProgram(p engine.Program) (*Program, error) {
	if p == nil {
		return nil, fmt.Errorf("program is nil: %w", unix.EINVAL)
	}
	own, ok := p.(*Program)
	if !ok {
		return nil, fmt.Errorf("program %s: %w", p.Info().Name, engine.ErrWrongEngine)
	}
	return own, nil
}

// programInfo is what is of use here in struct bpf_prog_info.
type programInfo struct {
	typ, id      uint32
	tag          [8]byte
	instructions int
	name         string
	btfID        uint32
	runtime      time.Duration
	runs, misses uint64
}

// Offsets of struct bpf_prog_info (include/uapi/linux/bpf.h).
const (
	progInfoXlatedLen = 20
	progInfoName      = 64
	progInfoBTFID     = 128
	progInfoRuntime   = 192
	progInfoSize      = 232
)

func readProgramInfo(fd int) (programInfo, error) {
	var b [progInfoSize]byte
	if _, err := objectInfo(fd, b[:]); err != nil {
		return programInfo{}, err
	}
	ne := binary.NativeEndian
	return programInfo{
		typ:          ne.Uint32(b[0:]),
		id:           ne.Uint32(b[4:]),
		tag:          [8]byte(b[8:16]),
		instructions: int(ne.Uint32(b[progInfoXlatedLen:]) / 8),
		name:         unix.ByteSliceToString(b[progInfoName : progInfoName+objNameLen]),
		btfID:        ne.Uint32(b[progInfoBTFID:]),
		runtime:      time.Duration(ne.Uint64(b[progInfoRuntime:])),
		runs:         ne.Uint64(b[progInfoRuntime+8:]),
		misses:       ne.Uint64(b[progInfoRuntime+16:]),
	}, nil
}

// pinError explains why something could not be pinned.
func pinError(what, path string, err error) error {
	switch {
	case err == nil:
		return nil
	case isPermission(err):
		return permission("pin "+what+" at "+path, fmt.Errorf("%w (or the directory is not in a bpffs)", err), capBPF)
	}
	return fmt.Errorf("pin %s at %s: %w", what, path, err)
}
