package embedded

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// objects finds what a map's initial contents name.
type objects interface {
	program(name string) (*Program, error)
	innerMap(name string) (*Map, error)
}

// fill sets a map's initial contents and freezes what is constant. named may be
// nil where contents cannot name anything.
func (m *Map) fill(spec *ebpf.MapSpec, named objects) error {
	for _, kv := range spec.Contents {
		if err := m.fillOne(kv, named); err != nil {
			return fmt.Errorf("fill map %s: key %v: %w", spec.Name, kv.Key, err)
		}
	}
	if isConstant(spec.Name) {
		return m.Freeze()
	}
	return nil
}

func (m *Map) fillOne(kv ebpf.MapKV, named objects) error {
	info := &m.core.info
	if off, ok := kv.Key.(uint32); ok && info.Type == ebpf.Arena {
		data, ok := kv.Value.([]byte)
		if !ok {
			return fmt.Errorf("contents of an arena are %T instead of bytes", kv.Value)
		}
		return m.core.vm.FillArena(int(off), data)
	}
	var key []byte
	if info.KeySize > 0 || kv.Key != nil {
		var err error
		if key, err = marshal(kv.Key, info.KeySize); err != nil {
			return err
		}
	}
	name, isName := kv.Value.(string)
	switch {
	case isName && named == nil && holdsObjects(info.Type):
		return fmt.Errorf("%s is named, and a single map knows no names: load a collection", name)
	case isName && info.Type == ebpf.ProgramArray:
		p, err := named.program(name)
		if err != nil {
			return err
		}
		return m.UpdateProgram(key, p, ebpf.UpdateAny)
	case isName && (info.Type == ebpf.ArrayOfMaps || info.Type == ebpf.HashOfMaps):
		inner, err := named.innerMap(name)
		if err != nil {
			return err
		}
		return m.UpdateMap(key, inner, ebpf.UpdateAny)
	}
	value, err := m.marshalValue(kv.Value)
	if err != nil {
		return err
	}
	return m.Update(key, value, ebpf.UpdateAny)
}

func (m *Map) marshalValue(v any) ([]byte, error) {
	info := &m.core.info
	rv := reflect.ValueOf(v)
	if _, raw := v.([]byte); raw || !engine.PerCPU(info.Type) || rv.Kind() != reflect.Slice {
		return marshal(v, info.ValueBytes)
	}
	// One element for each CPU, each in its own 8-byte steps.
	stride := (info.ValueSize + 7) &^ 7
	if rv.Len()*stride != info.ValueBytes {
		return nil, fmt.Errorf("%d values for %d CPUs", rv.Len(), info.ValueBytes/stride)
	}
	out := make([]byte, info.ValueBytes)
	for i := range rv.Len() {
		one, err := marshal(rv.Index(i).Interface(), info.ValueSize)
		if err != nil {
			return nil, err
		}
		copy(out[i*stride:], one)
	}
	return out, nil
}

// marshal makes v the size bytes that C would have.
func marshal(v any, size int) ([]byte, error) {
	var b []byte
	switch v := v.(type) {
	case nil:
		return nil, fmt.Errorf("nil is no value of %d bytes", size)
	case []byte:
		b = v
	case string:
		b = []byte(v)
	case encoding.BinaryMarshaler:
		var err error
		if b, err = v.MarshalBinary(); err != nil {
			return nil, err
		}
	default:
		var err error
		if b, err = binary.Append(nil, binary.NativeEndian, v); err != nil {
			return nil, fmt.Errorf("%T has no fixed size", v)
		}
	}
	if len(b) != size {
		return nil, fmt.Errorf("%T has %d bytes instead of %d", v, len(b), size)
	}
	return b, nil
}
