package replay

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/btfdump"
)

// FillMap puts entries into the named map of a loaded collection and returns
// how many there were. v is what a JSON or YAML reader made of the entries, in
// one of these forms:
//
//	[{"key": …, "value": …}, …]       any map; "values": […] gives one per CPU
//	{"entries": [ … ]}                what DumpMap gives
//	{"10.0.0.1": …, "10.0.0.2": …}    keys as text
//	[…, …]                            arrays: the values from index 0 on
//
// Keys and values are read by the map's BTF types; without types they are hex
// strings. Keys of LPM tries may be prefixes ("10.0.0.0/8"). The values of
// program arrays are names of programs of the collection, those of maps of maps
// names of maps. Queues and stacks take a list of values.
func FillMap(coll *engine.Collection, name string, v any) (int, error) {
	m, ok := coll.Maps[name]
	if !ok {
		return 0, fmt.Errorf("fill map: %w", unknownName("map", name, slices.Sorted(maps.Keys(coll.Maps))))
	}
	f := &filler{coll: coll, m: m, dec: newDecoder(m.Info())}
	n, err := f.fill(v)
	if err != nil {
		return n, fmt.Errorf("fill map %s: %w", name, err)
	}
	return n, nil
}

type filler struct {
	coll *engine.Collection
	m    engine.Map
	dec  *decoder
}

func (f *filler) fill(v any) (int, error) {
	object, isObject := v.(map[string]any)
	if isObject {
		if list, ok := object["entries"].([]any); ok {
			return f.list(list)
		}
		n := 0
		for _, k := range slices.Sorted(maps.Keys(object)) {
			if err := f.put(k, object[k], false); err != nil {
				return n, fmt.Errorf("key %s: %w", k, err)
			}
			n++
		}
		return n, nil
	}
	list, ok := v.([]any)
	if !ok {
		return 0, errors.New("want a list of entries, or an object with keys and values")
	}
	return f.list(list)
}

func (f *filler) list(list []any) (int, error) {
	for i, e := range list {
		key, value, perCPU := any(i), e, false
		if object, ok := e.(map[string]any); ok && isEntry(object) {
			key = object["key"]
			value, perCPU = object["value"], false
			if values, ok := object["values"]; ok {
				value, perCPU = values, true
			}
		} else if !isArray(f.dec.info.Type) && !isObjectArray(f.dec.info.Type) && f.dec.info.KeySize > 0 {
			return i, fmt.Errorf(`entry %d: want {"key": …, "value": …}`, i)
		}
		if err := f.put(key, value, perCPU); err != nil {
			return i, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return len(list), nil
}

func isObjectArray(t ebpf.MapType) bool { return t == ebpf.ProgramArray || t == ebpf.ArrayOfMaps }

// isEntry tells {"key", "value"} from a value that is an object itself.
func isEntry(object map[string]any) bool {
	_, key := object["key"]
	_, value := object["value"]
	_, values := object["values"]
	if !key || !value && !values {
		return false
	}
	for k := range object {
		switch k {
		case "key", "value", "values", "total":
		default:
			return false
		}
	}
	return true
}

func (f *filler) put(key, value any, perCPU bool) error {
	info := f.dec.info
	if why := Opaque(info.Type); why != "" && !holdsObjects(info.Type) && info.Type != ebpf.Queue && info.Type != ebpf.Stack && info.Type != ebpf.BloomFilter {
		return &engine.NotSupportedError{Feature: "filling maps of type " + abi.MapType(info.Type).String(), Reason: why}
	}
	k := make([]byte, info.KeySize)
	if err := f.encodeKey(k, key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if holdsObjects(info.Type) {
		return f.putObject(k, value)
	}
	v := make([]byte, info.ValueBytes)
	var err error
	switch {
	case !engine.PerCPU(info.Type):
		err = btfdump.Encode(f.dec.value, value, v)
	case perCPU:
		if _, ok := value.([]any); !ok {
			return errors.New("values: want a list with one value for each CPU")
		}
		err = btfdump.EncodePerCPU(f.dec.value, value, info.ValueSize, v)
	default:
		err = everyCPU(f.dec, value, v)
	}
	if err != nil {
		return fmt.Errorf("value: %w", err)
	}
	if info.KeySize == 0 {
		k = nil
	}
	return f.m.Update(k, v, ebpf.UpdateAny)
}

// everyCPU gives each CPU the same value.
func everyCPU(d *decoder, value any, dst []byte) error {
	step := (d.info.ValueSize + 7) &^ 7
	for ; len(dst) >= step && step > 0; dst = dst[step:] {
		if err := btfdump.Encode(d.value, value, dst[:d.info.ValueSize]); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) encodeKey(dst []byte, key any) error {
	if s, ok := key.(string); ok {
		if f.dec.info.Type == ebpf.LPMTrie && f.dec.addressKey() && !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "0x") {
			return putPrefix(dst, s)
		}
		given, err := btfdump.ParseText(f.dec.key, s)
		if err != nil {
			return err
		}
		key = given
	}
	return btfdump.Encode(f.dec.key, key, dst)
}

func holdsObjects(t ebpf.MapType) bool {
	switch t {
	case ebpf.ProgramArray, ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		return true
	}
	return false
}

// putObject stores a program or map of the collection, by name.
func (f *filler) putObject(key []byte, value any) error {
	name, ok := value.(string)
	if !ok {
		return errors.New("value: want the name of a program or map of the object")
	}
	if f.dec.info.Type == ebpf.ProgramArray {
		p, ok := f.coll.Programs[name]
		if !ok {
			return unknownName("program", name, slices.Sorted(maps.Keys(f.coll.Programs)))
		}
		return f.m.UpdateProgram(key, p, ebpf.UpdateAny)
	}
	inner, ok := f.coll.Maps[name]
	if !ok {
		return unknownName("map", name, slices.Sorted(maps.Keys(f.coll.Maps)))
	}
	return f.m.UpdateMap(key, inner, ebpf.UpdateAny)
}
