package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/engine"
)

// Load makes the maps and programs of spec real.
func (e *Engine) Load(ctx context.Context, spec *ebpf.CollectionSpec, opts *engine.LoadOptions) (*engine.Collection, error) {
	if spec == nil {
		return nil, errors.New("load: the spec is nil")
	}
	if opts == nil {
		opts = &engine.LoadOptions{}
	}
	l := &loading{
		e: e, ctx: ctx, opts: opts, spec: spec, maps: make(map[string]*Map),
		out: &engine.Collection{
			Programs:  make(map[string]engine.Program),
			Maps:      make(map[string]engine.Map),
			Variables: make(map[string]engine.Variable),
			Borrowed:  make(map[string]bool),
		},
	}
	for _, step := range []func() error{l.checkSpec, l.checkOptions, l.makeMaps, l.makePrograms, l.fillObjects, l.makeVariables} {
		err := ctx.Err()
		if err == nil {
			err = step()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("load: %w", err), l.undo())
		}
	}
	return l.out, nil
}

// loading is one Load under way.
type loading struct {
	e     *Engine
	ctx   context.Context
	opts  *engine.LoadOptions
	spec  *ebpf.CollectionSpec
	out   *engine.Collection
	maps  map[string]*Map // all of them, by their name in the spec
	types []*btf.Spec     // of the kernel; loaded when first needed

	newPins []*Map
	reused  map[string]bool // opened from a pin: not filled again
}

func (l *loading) undo() error {
	var errs []error
	for _, m := range l.newPins {
		errs = append(errs, m.Unpin())
	}
	return errors.Join(append(errs, l.out.Close())...)
}

func (l *loading) checkSpec() error {
	if o := l.spec.ByteOrder; o != nil && o.Uint16([]byte{1, 0}) != binary.NativeEndian.Uint16([]byte{1, 0}) {
		return fmt.Errorf("the collection is for %s machines, which this is not: %w", o, syscall.EINVAL)
	}
	for name, m := range l.spec.Maps {
		if m == nil {
			return fmt.Errorf("map %s: the spec is nil: %w", name, syscall.EINVAL)
		}
	}
	for name, p := range l.spec.Programs {
		if p == nil {
			return fmt.Errorf("program %s: the spec is nil: %w", name, syscall.EINVAL)
		}
	}
	for name, v := range l.spec.Variables {
		if v == nil {
			return fmt.Errorf("variable %s: the spec is nil: %w", name, syscall.EINVAL)
		}
	}
	return nil
}

func (l *loading) checkOptions() error {
	for name := range l.opts.AttachTo {
		return notSupported("attaching program "+name+" to another program", "the embedded engine does not replace functions", askKernel)
	}
	for name := range l.opts.Maps {
		if _, ok := l.spec.Maps[name]; !ok {
			return fmt.Errorf("replace map %s: the spec has %s: %w", name,
				strings.Join(slices.Sorted(maps.Keys(l.spec.Maps)), ", "), engine.ErrNotExist)
		}
	}
	return nil
}

// makeMaps makes all maps, and fills those that hold plain values: programs may
// depend on constants.
func (l *loading) makeMaps() error {
	l.reused = make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(l.spec.Maps)) {
		spec := l.spec.Maps[name]
		if err := l.makeMap(name, spec); err != nil {
			return err
		}
		if holdsObjects(spec.Type) || l.reused[name] {
			continue
		}
		filled, err := l.withVariables(name, spec)
		if err != nil {
			return err
		}
		if err := l.maps[name].fill(filled, l); err != nil {
			return err
		}
	}
	return nil
}

func holdsObjects(t ebpf.MapType) bool {
	return t == ebpf.ProgramArray || t == ebpf.ArrayOfMaps || t == ebpf.HashOfMaps
}

func (l *loading) makeMap(name string, spec *ebpf.MapSpec) error {
	if given, ok := l.opts.Maps[name]; ok {
		return l.borrow(name, spec, given)
	}
	if spec.Pinning == ebpf.PinByName {
		return l.pinByName(name, spec)
	}
	core, err := l.e.newMapCore(spec)
	if err != nil {
		return err
	}
	l.own(name, newMap(core))
	return nil
}

func (l *loading) own(name string, m *Map) {
	l.maps[name], l.out.Maps[name] = m, m
}

// borrow takes a live map for one of the spec. The load works on a handle of
// its own, so that the caller may close his.
func (l *loading) borrow(name string, spec *ebpf.MapSpec, given engine.Map) error {
	own, err := l.e.asMap(given)
	if err != nil {
		return fmt.Errorf("replace map %s: %w", name, err)
	}
	if err := own.open("replace"); err != nil {
		return err
	}
	m, err := own.core.another()
	own.mu.RUnlock()
	if err != nil {
		return fmt.Errorf("replace map %s: %w", name, err)
	}
	l.out.Owned = append(l.out.Owned, m)
	l.out.Maps[name], l.out.Borrowed[name] = given, true
	l.maps[name], l.reused[name] = m, true
	if err := l.e.compatible(spec, m); err != nil {
		return fmt.Errorf("replace map %s: %w", name, err)
	}
	return nil
}

func (l *loading) pinByName(name string, spec *ebpf.MapSpec) error {
	if l.opts.PinPath == "" {
		return fmt.Errorf("map %s is to be pinned by name and there is no pin path", name)
	}
	path := filepath.Join(l.opts.PinPath, spec.Name)
	opened, err := l.e.OpenMap(path)
	if err == nil {
		m := opened.(*Map)
		l.own(name, m)
		l.reused[name] = true
		if err := l.e.compatible(spec, m); err != nil {
			return fmt.Errorf("map pinned at %s: %w", path, err)
		}
		return nil
	}
	if !errors.Is(err, engine.ErrNotExist) {
		return err
	}
	core, err := l.e.newMapCore(spec)
	if err != nil {
		return err
	}
	m := newMap(core)
	l.own(name, m)
	if err := m.Pin(path); err != nil {
		return err
	}
	l.newPins = append(l.newPins, m)
	return nil
}

// withVariables puts the spec's variables, which the user may have set, into
// the contents of their section.
func (l *loading) withVariables(name string, spec *ebpf.MapSpec) (*ebpf.MapSpec, error) {
	var data []byte
	for _, v := range l.spec.Variables {
		if v.SectionName != name || len(v.Value) == 0 {
			continue
		}
		if data == nil {
			if len(spec.Contents) != 1 {
				return nil, fmt.Errorf("section %s: %d contents instead of one", name, len(spec.Contents))
			}
			raw, ok := spec.Contents[0].Value.([]byte)
			if !ok {
				return nil, fmt.Errorf("section %s: contents are %T instead of bytes", name, spec.Contents[0].Value)
			}
			data = slices.Clone(raw)
		}
		if uint64(v.Offset)+uint64(len(v.Value)) > uint64(len(data)) {
			return nil, fmt.Errorf("section %s: variable %s ends at %d of %d bytes", name, v.Name, uint64(v.Offset)+uint64(len(v.Value)), len(data))
		}
		copy(data[v.Offset:], v.Value)
	}
	if data == nil {
		return spec, nil
	}
	cpy := *spec
	cpy.Contents = []ebpf.MapKV{{Key: spec.Contents[0].Key, Value: data}}
	return &cpy, nil
}

// fillObjects fills the maps that hold programs and maps.
func (l *loading) fillObjects() error {
	for _, name := range slices.Sorted(maps.Keys(l.spec.Maps)) {
		if spec := l.spec.Maps[name]; holdsObjects(spec.Type) && !l.reused[name] {
			if err := l.maps[name].fill(spec, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// program and innerMap make loading an [objects].
func (l *loading) program(name string) (*Program, error) {
	p, ok := l.out.Programs[name].(*Program)
	if !ok {
		return nil, fmt.Errorf("program %s: %w", name, engine.ErrNotExist)
	}
	return p, nil
}

func (l *loading) innerMap(name string) (*Map, error) {
	m, ok := l.maps[name]
	if !ok {
		return nil, fmt.Errorf("map %s: %w", name, engine.ErrNotExist)
	}
	return m, nil
}

func (l *loading) makeVariables() error {
	for name, v := range l.spec.Variables {
		section, ok := l.maps[v.SectionName]
		if !ok {
			return fmt.Errorf("variable %s: section %s: %w", name, v.SectionName, engine.ErrNotExist)
		}
		if end := uint64(v.Offset) + uint64(v.Size()); end > section.core.bytes() {
			return fmt.Errorf("variable %s ends at %d of %d bytes of %s", name, end, section.core.bytes(), v.SectionName)
		}
		l.out.Variables[name] = &variable{name: name, section: section, offset: int(v.Offset), size: int(v.Size()), typ: v.Type}
	}
	return nil
}
