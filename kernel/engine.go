//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// Engine is the kernel's engine. It is safe for concurrent use.
type Engine struct {
	cpus int

	loadMu sync.Mutex
	types  *btf.Cache // kernel BTF, decoded once; guarded by loadMu

	probes probes
	qdiscs qdiscs
}

var _ engine.Engine = (*Engine)(nil)

// New makes the engine. It works without any right: what the process may not
// do comes back as an error of the call that needs it.
func New(Config) (*Engine, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("new kernel engine: %w", err)
	}
	raiseMemlock()
	return &Engine{cpus: cpus, types: btf.NewCache()}, nil
}

// raiseMemlock lifts the limit that kernels before 5.11 account maps against.
// A process without the right keeps its limit: small maps still work.
func raiseMemlock() {
	if kernelVersion().atLeast(5, 11) {
		return
	}
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}) == nil {
		return
	}
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &lim) == nil {
		lim.Cur = lim.Max
		_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &lim) // the hard limit is all there is to get
	}
}

// Name is "kernel".
func (e *Engine) Name() string { return "kernel" }

// Close forgets what the engine remembered. Collections, maps and links go on.
func (e *Engine) Close() error {
	if e == nil {
		return nil
	}
	e.probes.forget()
	e.loadMu.Lock()
	e.types = btf.NewCache()
	e.loadMu.Unlock()
	return nil
}

// NewMap makes a single map.
func (e *Engine) NewMap(spec *ebpf.MapSpec) (engine.Map, error) {
	if spec == nil {
		return nil, errors.New("new map: the spec is nil")
	}
	m, err := ebpf.NewMapWithOptions(spec, ebpf.MapOptions{})
	if err != nil {
		return nil, mapCreateError(spec.Name, spec.Type, err)
	}
	return e.wrapMap(m, spec)
}

// OpenMap opens the map pinned at path.
func (e *Engine) OpenMap(path string) (engine.Map, error) {
	m, err := ebpf.LoadPinnedMap(path, nil)
	if err != nil {
		return nil, openError("map", path, err)
	}
	return e.wrapMap(m, nil)
}

// OpenProgram opens the program pinned at path.
func (e *Engine) OpenProgram(path string) (engine.Program, error) {
	p, err := ebpf.LoadPinnedProgram(path, nil)
	if err != nil {
		return nil, openError("program", path, err)
	}
	return e.wrapProgram(p, nil)
}

// openError says "open link /p: …" and keeps a missing pin an ErrNotExist.
func openError(what, path string, err error) error {
	if isPermission(err) {
		return permission("open "+what+" "+path, err, capBPF)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open %s %s: nothing is pinned there: %w", what, path, err)
	}
	return fmt.Errorf("open %s %s: %w", what, path, err)
}

// mapCreateError explains why a map could not be made.
func mapCreateError(name string, typ ebpf.MapType, err error) error {
	switch {
	case isPermission(err):
		needs := []capability{capBPF}
		if typ == ebpf.DevMap || typ == ebpf.DevMapHash || typ == ebpf.XSKMap || typ == ebpf.SockMap || typ == ebpf.SockHash || typ == ebpf.CPUMap {
			needs = append(needs, capNetAdmin)
		}
		return permission("create map "+name, err, needs...)
	case isUnsupported(err):
		return notSupported("map type "+typ.String(), "this kernel does not have it", "", err)
	}
	return fmt.Errorf("create map %s: %w", name, err)
}
