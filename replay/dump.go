package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/btfdump"
)

// Value is a decoded key or value: JSON with fields in declaration order, and
// one line of text through String.
type Value interface {
	json.Marshaler
	fmt.Stringer
}

// MapDump is a map's contents, decoded by its BTF types; without types keys
// and values are hex strings.
type MapDump struct {
	Name       string  `json:"name"`
	Type       string  `json:"type"`
	MaxEntries int     `json:"max_entries"`
	Entries    []Entry `json:"entries"`
	// Zero counts the entries of an array that were left out because all
	// their bytes are zero.
	Zero int `json:"zero_entries,omitempty"`
	// More says that the map has more entries than were asked for.
	More bool `json:"more,omitempty"`
	// Note says why there are no entries, or none that can be decoded.
	Note string `json:"note,omitempty"`
}

// Entry is one key and its value, or in per-CPU maps its values.
type Entry struct {
	Key    Value   `json:"key"`
	Value  Value   `json:"value,omitempty"`
	PerCPU []Value `json:"values,omitempty"`
	// Total is the sum over all CPUs, where values are made of integers.
	Total Value `json:"total,omitempty"`
}

// DumpOptions say how much to dump. The zero value is good.
type DumpOptions struct {
	// All dumps the zero entries of arrays too. Otherwise those of arrays
	// with more than 16 entries are counted only.
	All bool
	// Limit bounds the number of entries; 0 means 65536.
	Limit int
}

const (
	manyEntries  = 16
	defaultLimit = 1 << 16
)

// Opaque says why maps of type t have no contents that could be dumped or
// compared, or "" if they have.
func Opaque(t ebpf.MapType) string {
	switch t {
	case ebpf.RingBuf, ebpf.UserRingbuf, ebpf.PerfEventArray:
		return "a stream of records, not a table"
	case ebpf.ProgramArray, ebpf.CGroupArray, ebpf.ArrayOfMaps, ebpf.HashOfMaps, ebpf.SockMap, ebpf.SockHash,
		ebpf.XSKMap, ebpf.ReusePortSockArray, ebpf.StructOpsMap:
		return "it refers to live objects"
	case ebpf.Queue, ebpf.Stack:
		return "reading would empty it"
	case ebpf.StackTrace, ebpf.BloomFilter, ebpf.CGroupStorage, ebpf.PerCPUCGroupStorage, ebpf.SkStorage,
		ebpf.InodeStorage, ebpf.TaskStorage, ebpf.CgroupStorage, ebpf.Arena:
		return "it cannot be walked"
	}
	return ""
}

// DumpMap reads and decodes a map's entries, sorted by key. Values that the
// types cannot explain are hex strings.
func DumpMap(m engine.Map, opts DumpOptions) (*MapDump, error) {
	info := m.Info()
	d := &MapDump{Name: info.Name, Type: abi.MapType(info.Type).String(), MaxEntries: info.MaxEntries, Entries: []Entry{}}
	if why := Opaque(info.Type); why != "" {
		d.Note = why
		return d, nil
	}
	limit := opts.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	skipZero := !opts.All && isArray(info.Type) && info.MaxEntries > manyEntries
	dec := newDecoder(info)
	var err error
	d.Zero, err = entries(context.Background(), m, skipZero || sparse(info.Type), func(k, v []byte) bool {
		if len(d.Entries) == limit {
			d.More = true
			return false
		}
		d.Entries = append(d.Entries, dec.entry(k, v))
		return true
	})
	if sparse(info.Type) {
		d.Zero = 0 // slots without a value are no entries
	}
	if err != nil {
		return d, fmt.Errorf("dump map %s: %w", info.Name, err)
	}
	d.Note = dec.note
	slices.SortStableFunc(d.Entries, func(a, b Entry) int { return order(a.Key, b.Key) })
	return d, nil
}

func isArray(t ebpf.MapType) bool {
	switch t {
	case ebpf.Array, ebpf.PerCPUArray, ebpf.DevMap, ebpf.CPUMap:
		return true
	}
	return false
}

// decoder decodes one map's entries.
type decoder struct {
	info       engine.MapInfo
	key, value btf.Type
	note       string
}

func newDecoder(info engine.MapInfo) *decoder {
	d := &decoder{info: info, key: typeOf(info.Key, info.KeySize), value: typeOf(info.Value, info.ValueSize)}
	if d.key == nil && isArray(info.Type) && info.KeySize == 4 {
		d.key = &btf.Int{Name: "unsigned int", Size: 4}
	}
	return d
}

func (d *decoder) entry(k, v []byte) Entry {
	e := Entry{Key: d.decodeKey(k)}
	if !engine.PerCPU(d.info.Type) {
		e.Value = d.decode(d.value, v)
		return e
	}
	values, err := btfdump.DecodePerCPU(d.value, v, d.info.ValueSize)
	if err != nil {
		d.noteBad(err)
		values, _ = btfdump.DecodePerCPU(nil, v, d.info.ValueSize)
	}
	for _, v := range values {
		e.PerCPU = append(e.PerCPU, v)
	}
	if sum, ok := sumValues(values); ok {
		e.Total = sum
	}
	return e
}

func (d *decoder) decodeKey(k []byte) Value {
	if d.info.Type == ebpf.LPMTrie {
		if s, ok := prefixText(k); ok && d.addressKey() {
			return btfdump.String(s)
		}
	}
	return d.decode(d.key, k)
}

func (d *decoder) decode(t btf.Type, b []byte) btfdump.Value {
	v, err := btfdump.Decode(t, b)
	if err != nil {
		d.noteBad(err)
		return btfdump.Bytes(b)
	}
	return v
}

func (d *decoder) noteBad(err error) {
	if d.note == "" && errors.Is(err, btfdump.ErrBadType) {
		d.note = "shown as bytes: " + err.Error()
	}
}

// sumValues adds values of one shape, number by number.
func sumValues(values []btfdump.Value) (btfdump.Value, bool) {
	if len(values) == 0 {
		return btfdump.Value{}, false
	}
	sum := values[0]
	for _, v := range values[1:] {
		var ok bool
		if sum, ok = add(sum, v); !ok {
			return btfdump.Value{}, false
		}
	}
	return sum, numeric(sum)
}

func numeric(v btfdump.Value) bool {
	switch v.Kind {
	case btfdump.Int, btfdump.Uint:
		return true
	case btfdump.List:
		for _, e := range v.Elems {
			if !numeric(e) {
				return false
			}
		}
		return len(v.Elems) > 0
	case btfdump.Struct:
		for _, f := range v.Fields {
			if !numeric(f.Value) {
				return false
			}
		}
		return len(v.Fields) > 0
	}
	return false
}

// add adds two values of the same shape; sums wrap around at 64 bits.
func add(a, b btfdump.Value) (btfdump.Value, bool) {
	number := func(k btfdump.Kind) bool { return k == btfdump.Int || k == btfdump.Uint }
	switch {
	case number(a.Kind) && number(b.Kind):
		if a.Kind == btfdump.Int || b.Kind == btfdump.Int {
			return btfdump.Int64(int64(a.Uint + b.Uint)), true
		}
		return btfdump.Uint64(a.Uint + b.Uint), true
	case a.Kind == btfdump.List && b.Kind == btfdump.List && len(a.Elems) == len(b.Elems):
		out := btfdump.Value{Kind: btfdump.List}
		for i := range a.Elems {
			e, ok := add(a.Elems[i], b.Elems[i])
			if !ok {
				return btfdump.Value{}, false
			}
			out.Elems = append(out.Elems, e)
		}
		return out, true
	case a.Kind == btfdump.Struct && b.Kind == btfdump.Struct && len(a.Fields) == len(b.Fields):
		out := btfdump.Value{Kind: btfdump.Struct}
		for i, f := range a.Fields {
			e, ok := add(f.Value, b.Fields[i].Value)
			if !ok || f.Name != b.Fields[i].Name {
				return btfdump.Value{}, false
			}
			out.Fields = append(out.Fields, btfdump.Field{Name: f.Name, Value: e})
		}
		return out, true
	}
	return btfdump.Value{}, false
}
