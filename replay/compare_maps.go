package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/btfdump"
)

// maps compares the tables; number is the packet after which, or 0.
func (p *pair) maps(number int) (*Difference, error) {
	for _, name := range p.names {
		diff, err := compareMaps(p.left.coll.Maps[name], p.right.coll.Maps[name])
		if err != nil {
			return nil, fmt.Errorf("compare map %s: %w", name, err)
		}
		if diff != nil {
			diff.Packet, diff.What = number, "map"
			diff.Where = name + " " + diff.Where
			return diff, nil
		}
	}
	return nil, nil
}

// entries reads a map into memory, values by key.
func entries(m engine.Map) (map[string][]byte, error) {
	out := map[string][]byte{}
	var err error
	for k, v := range engine.Entries(m, &err) {
		out[string(k)] = bytes.Clone(v)
	}
	return out, err
}

func compareMaps(left, right engine.Map) (*Difference, error) {
	l, err := entries(left)
	if err != nil {
		return nil, err
	}
	r, err := entries(right)
	if err != nil {
		return nil, err
	}
	dec, rdec := newDecoder(left.Info()), newDecoder(right.Info())
	for _, k := range slices.Sorted(maps.Keys(l)) {
		rv, ok := r[k]
		if !ok {
			return dec.difference([]byte(k), l[k], nil, rdec), nil
		}
		if !dec.same(l[k], rv, rdec) {
			return dec.difference([]byte(k), l[k], rv, rdec), nil
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r)) {
		if _, ok := l[k]; !ok {
			return dec.difference([]byte(k), nil, r[k], rdec), nil
		}
	}
	return nil, nil
}

// same compares two values, those of per-CPU maps as [Compare] promises.
func (d *decoder) same(l, r []byte, rd *decoder) bool {
	if !engine.PerCPU(d.info.Type) {
		return bytes.Equal(l, r)
	}
	ls, rs := split(l, d.info.ValueSize), split(r, rd.info.ValueSize)
	if slices.EqualFunc(ls, rs, bytes.Equal) {
		return true
	}
	return d.sum(l) == rd.sum(r)
}

// split cuts a per-CPU value into those that are not zero, sorted.
func split(v []byte, size int) (out [][]byte) {
	step := (size + 7) &^ 7
	for ; step > 0 && len(v) >= step; v = v[step:] {
		if !isZero(v[:size]) {
			out = append(out, v[:size])
		}
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

// sum is the text of the sum over all CPUs: of the integers the type tells, or
// without a type of 8-byte words.
func (d *decoder) sum(v []byte) string {
	if d.value != nil {
		values, err := btfdump.DecodePerCPU(d.value, v, d.info.ValueSize)
		if err != nil {
			return string(v)
		}
		if s, ok := sumValues(values); ok {
			return s.String()
		}
		return string(v)
	}
	size := d.info.ValueSize
	if size%8 != 0 {
		return string(v)
	}
	words := make([]uint64, size/8)
	for ; len(v) >= size && size > 0; v = v[size:] {
		for i := range words {
			words[i] += binary.NativeEndian.Uint64(v[8*i:])
		}
	}
	return fmt.Sprint(words)
}

// difference says what differs at a key: the first field that does, or all.
func (d *decoder) difference(key, l, r []byte, rd *decoder) *Difference {
	diff := &Difference{Where: "key " + d.decodeKey(key).String(), Left: "no entry", Right: "no entry"}
	var lv, rv btfdump.Value
	if l != nil {
		lv = d.whole(l)
		diff.Left = lv.String()
	}
	if r != nil {
		rv = rd.whole(r)
		diff.Right = rv.String()
	}
	if l != nil && r != nil {
		if path, a, b, ok := firstDifference("", lv, rv); ok && path != "" {
			diff.Where += " " + path
			diff.Left, diff.Right = a.String(), b.String()
		}
	}
	return diff
}

// whole is a value as it is shown in a difference: per-CPU values as their sum
// if they have one, else as a list.
func (d *decoder) whole(v []byte) btfdump.Value {
	if !engine.PerCPU(d.info.Type) {
		return d.decode(d.value, v)
	}
	values, err := btfdump.DecodePerCPU(d.value, v, d.info.ValueSize)
	if err != nil {
		return btfdump.Bytes(v)
	}
	if s, ok := sumValues(values); ok {
		return s
	}
	return btfdump.Value{Kind: btfdump.List, Elems: values}
}

// firstDifference walks two values of one shape to the first leaf that differs.
func firstDifference(path string, a, b btfdump.Value) (where string, l, r btfdump.Value, ok bool) {
	if a.Equal(b) {
		return "", a, b, false
	}
	if a.Kind == btfdump.Struct && b.Kind == btfdump.Struct && len(a.Fields) == len(b.Fields) {
		for i, f := range a.Fields {
			sub := f.Name
			if path != "" {
				sub = path + "." + f.Name
			}
			if where, l, r, ok := firstDifference(sub, f.Value, b.Fields[i].Value); ok {
				return where, l, r, true
			}
		}
	}
	if a.Kind == btfdump.List && b.Kind == btfdump.List && len(a.Elems) == len(b.Elems) {
		for i := range a.Elems {
			if where, l, r, ok := firstDifference(fmt.Sprintf("%s[%d]", path, i), a.Elems[i], b.Elems[i]); ok {
				return where, l, r, true
			}
		}
	}
	return path, a, b, true
}
