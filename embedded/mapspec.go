package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// newMapCore makes an empty map.
func (e *Engine) newMapCore(spec *ebpf.MapSpec) (*mapCore, error) {
	what := "create map " + spec.Name
	if err := checkExtra(spec); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	want, err := e.mapSpec(spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if err := e.acquire(what); err != nil {
		return nil, err
	}
	m, err := e.machine.NewMap(*want)
	if err != nil {
		return nil, errors.Join(mapCreateError(spec, err), e.release())
	}
	made := m.Spec()
	return &mapCore{e: e, vm: m, info: engine.MapInfo{
		Name: spec.Name, Type: spec.Type, ID: m.ID(),
		KeySize: int(made.KeySize), ValueSize: int(made.ValueSize), MaxEntries: int(made.MaxEntries),
		Flags: made.Flags, Extra: made.Extra, ValueBytes: m.ValueBytes(),
		Key: spec.Key, Value: spec.Value,
	}}, nil
}

// checkExtra refuses what an old-style definition says beyond what is known.
// The spec's reader stays where it is.
func checkExtra(spec *ebpf.MapSpec) error {
	if spec.Extra == nil {
		return nil
	}
	r := *spec.Extra
	extra, err := io.ReadAll(&r)
	if err != nil {
		return err
	}
	if n := len(bytes.TrimLeft(extra, "\x00")); n > 0 {
		return fmt.Errorf("its definition has %d bytes that nobody here knows: %w", len(extra), syscall.EINVAL)
	}
	return nil
}

func mapCreateError(spec *ebpf.MapSpec, err error) error {
	var n *vm.NotSupportedError
	switch {
	case errors.As(err, &n):
		return notSupported(fmt.Sprintf("map type %s (map %s)", spec.Type, spec.Name), n.Reason, askKernel)
	case errors.Is(err, vm.ErrClosed):
		return fmt.Errorf("create map %s: %w", spec.Name, engine.ErrClosed)
	}
	return err
}

// mapSpec fills what definitions leave open, as cilium/ebpf does for the
// kernel.
func (e *Engine) mapSpec(spec *ebpf.MapSpec) (*vm.MapSpec, error) {
	s := &vm.MapSpec{
		Name: spec.Name, Type: abi.MapType(spec.Type), KeySize: spec.KeySize, ValueSize: spec.ValueSize,
		MaxEntries: spec.MaxEntries, Flags: spec.Flags, Extra: spec.MapExtra,
	}
	s.SpinLockOffset, s.SpinLock = special(spec.Value, "bpf_spin_lock")
	s.TimerOffset, s.Timer = special(spec.Value, "bpf_timer")
	s.Fields = owners(spec.Value)
	cpus := uint32(e.machine.CPUs())
	switch spec.Type {
	case ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		if s.ValueSize != 0 && s.ValueSize != 4 {
			return nil, fmt.Errorf("a map of maps has values of 4 bytes, not %d: %w", s.ValueSize, syscall.EINVAL)
		}
		s.ValueSize = 4
		if spec.InnerMap == nil {
			return nil, fmt.Errorf("a map of maps needs a template for the inner ones: %w", syscall.EINVAL)
		}
		if t := spec.InnerMap.Type; t == ebpf.ArrayOfMaps || t == ebpf.HashOfMaps {
			return nil, fmt.Errorf("an inner map cannot hold maps itself: %w", syscall.EINVAL)
		}
		inner, err := e.mapSpec(spec.InnerMap)
		if err != nil {
			return nil, fmt.Errorf("inner map: %w", err)
		}
		s.Inner = inner
	case ebpf.PerfEventArray:
		for _, n := range []uint32{s.KeySize, s.ValueSize} {
			if n != 0 && n != 4 {
				return nil, fmt.Errorf("a perf event array has keys and values of 4 bytes: %w", syscall.EINVAL)
			}
		}
		s.KeySize, s.ValueSize = 4, 4
		if s.MaxEntries == 0 || s.MaxEntries > cpus {
			s.MaxEntries = cpus
		}
	case ebpf.CPUMap:
		if s.MaxEntries == 0 || s.MaxEntries > cpus {
			s.MaxEntries = cpus
		}
	}
	if isDataSection(spec.Name) && len(s.Fields) == 0 {
		// So that variables are memory that both sides share.
		s.Flags |= abi.FlagMmapable
	}
	return s, nil
}

func isDataSection(name string) bool {
	return name == ".bss" || strings.HasPrefix(name, ".data") || strings.HasPrefix(name, ".rodata")
}

// isConstant tells the maps that are frozen once they are filled.
func isConstant(name string) bool {
	return strings.HasPrefix(name, ".rodata") || name == ".kconfig"
}

// special finds a structure of that name, which belongs to the element, in a
// value.
func special(value btf.Type, name string) (offset uint32, ok bool) {
	if value == nil {
		return 0, false
	}
	s, isStruct := btf.UnderlyingType(value).(*btf.Struct)
	if !isStruct {
		return 0, false
	}
	for _, m := range s.Members {
		if inner, isStruct := btf.UnderlyingType(m.Type).(*btf.Struct); isStruct && inner.Name == name {
			return m.Offset.Bytes(), true
		}
	}
	return 0, false
}

// compatible says how a live map differs from what a spec asks for.
func (e *Engine) compatible(spec *ebpf.MapSpec, m *Map) error {
	want, err := e.mapSpec(spec)
	if err != nil {
		return err
	}
	info := &m.core.info
	var diffs []string
	differs := func(what string, have, want any) {
		if have != want {
			diffs = append(diffs, fmt.Sprintf("%s is %v instead of %v", what, have, want))
		}
	}
	flags := want.Flags
	if spec.Type == ebpf.DevMap || spec.Type == ebpf.DevMapHash {
		flags |= info.Flags & abi.FlagRdonlyProg // Linux sets it by itself
	}
	differs("type", info.Type, spec.Type)
	differs("key size", info.KeySize, int(want.KeySize))
	differs("value size", info.ValueSize, int(want.ValueSize))
	differs("max entries", info.MaxEntries, int(want.MaxEntries))
	differs("flags", info.Flags, flags)
	if len(diffs) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(diffs, ", "), ebpf.ErrMapIncompatible)
	}
	return nil
}
