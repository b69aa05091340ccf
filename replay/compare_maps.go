package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/btfdump"
)

// maps compares the tables; number is the packet after which, or 0. With watch
// only that entry is.
func (p *pair) maps(ctx context.Context, number int) (*Difference, error) {
	if p.watch != nil {
		return p.watched(number)
	}
	for _, name := range p.names {
		c := newMapPair(p.left.coll.Maps[name], p.right.coll.Maps[name])
		key, differ, err := c.compare(ctx)
		if err != nil {
			return nil, fmt.Errorf("compare map %s: %w", name, err)
		}
		if differ {
			p.result.at = &entryAt{name, key}
			return c.explain(name, key, number)
		}
	}
	return nil, nil
}

// entryAt names an entry of a map.
type entryAt struct {
	name string
	key  []byte
}

func (p *pair) watched(number int) (*Difference, error) {
	c := newMapPair(p.left.coll.Maps[p.watch.name], p.right.coll.Maps[p.watch.name])
	same, err := c.sameAt(p.watch.key)
	if err != nil {
		return nil, fmt.Errorf("compare map %s: %w", p.watch.name, err)
	}
	if same {
		return nil, nil
	}
	return c.explain(p.watch.name, p.watch.key, number)
}

// mapPair is one map on both engines. Nothing of it is held in memory but one
// chunk, or one entry, of each side.
type mapPair struct {
	left, right engine.Map
	dl, dr      *decoder
	lv, rv      []byte
}

func newMapPair(left, right engine.Map) *mapPair {
	l, r := left.Info(), right.Info()
	return &mapPair{left, right, newDecoder(l), newDecoder(r), make([]byte, l.ValueBytes), make([]byte, r.ValueBytes)}
}

// compare returns the smallest key (by its bytes; of arrays, by its index) at
// which the sides differ.
func (c *mapPair) compare(ctx context.Context) (key []byte, differ bool, err error) {
	if l, r := c.dl.info, c.dr.info; isArray(l.Type) && l.KeySize == 4 && l.MaxEntries == r.MaxEntries && l.ValueBytes > 0 && r.ValueBytes > 0 {
		return c.compareArrays(ctx)
	}
	note := func(k []byte) {
		if !differ || bytes.Compare(k, key) < 0 {
			key, differ = bytes.Clone(k), true
		}
	}
	var inner error
	_, err = entries(ctx, c.left, false, func(k, v []byte) bool {
		ok, err := lookup(c.right, k, c.rv)
		if err != nil {
			inner = err
			return false
		}
		if !ok || !c.dl.same(v, c.rv, c.dr) {
			note(k)
		}
		return true
	})
	if err := errors.Join(err, inner); err != nil {
		return nil, false, err
	}
	_, err = entries(ctx, c.right, false, func(k, _ []byte) bool {
		ok, err := lookup(c.left, k, c.lv)
		if err != nil {
			inner = err
			return false
		}
		if !ok {
			note(k)
		}
		return true
	})
	return key, differ, errors.Join(err, inner)
}

func (c *mapPair) compareArrays(ctx context.Context) (key []byte, differ bool, err error) {
	n := perChunk(max(c.dl.info.ValueBytes, c.dr.info.ValueBytes))
	l, r := newArrayReader(c.left, n), newArrayReader(c.right, n)
	for {
		first, lv, err := l.read()
		if err != nil {
			return nil, false, err
		}
		_, rv, err := r.read()
		if err != nil {
			return nil, false, err
		}
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if len(lv) == 0 || len(rv) == 0 {
			return nil, false, nil
		}
		if bytes.Equal(lv, rv) {
			continue
		}
		for i := 0; len(lv) > 0 && len(rv) > 0; i++ {
			if !c.dl.same(lv[:c.dl.info.ValueBytes], rv[:c.dr.info.ValueBytes], c.dr) {
				return binary.NativeEndian.AppendUint32(nil, uint32(first+i)), true, nil
			}
			lv, rv = lv[c.dl.info.ValueBytes:], rv[c.dr.info.ValueBytes:]
		}
	}
}

func (c *mapPair) sameAt(key []byte) (bool, error) {
	lok, err := lookup(c.left, key, c.lv)
	if err != nil {
		return false, err
	}
	rok, err := lookup(c.right, key, c.rv)
	if err != nil {
		return false, err
	}
	return lok == rok && (!lok || c.dl.same(c.lv, c.rv, c.dr)), nil
}

// explain says what differs at key.
func (c *mapPair) explain(name string, key []byte, number int) (*Difference, error) {
	lok, err := lookup(c.left, key, c.lv)
	if err != nil {
		return nil, fmt.Errorf("compare map %s: %w", name, err)
	}
	rok, err := lookup(c.right, key, c.rv)
	if err != nil {
		return nil, fmt.Errorf("compare map %s: %w", name, err)
	}
	var l, r []byte
	if lok {
		l = c.lv
	}
	if rok {
		r = c.rv
	}
	diff := c.dl.difference(key, l, r, c.dr)
	diff.Packet, diff.What, diff.Where = number, "map", name+" "+diff.Where
	return diff, nil
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
