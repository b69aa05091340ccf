package trace

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strconv"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lang"
)

// entry is a key and its value, per-CPU values side by side.
type entry struct{ key, val []byte }

func (s *Session) sortedMaps() []string {
	names := append([]string{}, s.Object.MapOrder...)
	sort.Strings(names)
	return names
}

// entries reads a whole map.
func (s *Session) entries(m *lang.Map) ([]entry, error) {
	live := s.coll.Maps[m.Spec]
	info := live.Info()
	if m.Key == nil {
		v := make([]byte, info.ValueBytes)
		if err := live.Lookup(make([]byte, 4), v, 0); err != nil {
			return nil, err
		}
		return []entry{{nil, v}}, nil
	}
	var out []entry
	var prev []byte
	for range info.MaxEntries + 1 {
		key := make([]byte, info.KeySize)
		err := live.NextKey(prev, key)
		if errors.Is(err, engine.ErrKeyNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		prev = key
		v := make([]byte, info.ValueBytes)
		if err := live.Lookup(key, v, ebpf.MapLookupFlags(0)); err != nil {
			continue // deleted meanwhile
		}
		out = append(out, entry{key, v})
	}
	return out, nil
}

// cpus splits a per-CPU value.
func (m mapView) cpus(v []byte) [][]byte {
	if !m.PerCPU {
		return [][]byte{v}
	}
	var out [][]byte
	size := (m.ValueSize + 7) &^ 7
	for len(v) >= size {
		out = append(out, v[:size])
		v = v[size:]
	}
	return out
}

type mapView struct{ *lang.Map }

// printMap prints a map: the top entries only, values divided by div.
func (s *Session) printMap(name string, top, div int64) {
	m := s.Object.Maps[name]
	list, err := s.entries(m)
	if err != nil {
		fmt.Fprintf(s.Err, "ERROR: read map %s: %v\n", name, err)
		return
	}
	v := s.mapDatum(mapView{m}, list, top, div)
	if v == nil && s.zeroed[name] {
		// bpftrace's JSON has them, without an element.
		switch m.Value.Kind {
		case lang.KindHist, lang.KindLHist:
			v = histogram{}
		case lang.KindTSeries:
			v = series{}
		}
		if _, isJSON := s.print.(*jsonPrinter); !isJSON {
			v = nil
		}
	}
	if v == nil {
		return
	}
	s.print.mapValue(name, v)
}

// mapDatum sorts and decodes a map.
func (s *Session) mapDatum(m mapView, list []entry, top, div int64) datum {
	if div == 0 {
		div = 1
	}
	s.sortEntries(m, list)
	if n := int64(len(list)); top > 0 && top < n {
		list = list[n-top:]
	}
	var out ordered
	newest := int64(0)
	if m.Value.Kind == lang.KindTSeries {
		for _, e := range list {
			for epoch := range m.intervals(e.val) {
				newest = max(newest, epoch)
			}
		}
	}
	for _, e := range list {
		var v datum
		if m.Value.Kind == lang.KindTSeries {
			v = m.series(s, e.val, newest)
		} else {
			v = s.aggregated(m, e.val, div)
		}
		if m.Key == nil {
			if v == nil {
				return nil
			}
			if m.Value.Kind == lang.KindStats || m.Value.Kind == lang.KindAvg {
				return stats{v}
			}
			return v
		}
		if v == nil {
			continue
		}
		out = append(out, pair{s.dec.alone(m.Key, e.key), v})
	}
	if m.Key == nil {
		return nil
	}
	if m.Value.Kind == lang.KindStats || m.Value.Kind == lang.KindAvg {
		return stats{out}
	}
	return out
}

// aggregated is a map's value over all CPUs; nil if there is none.
func (s *Session) aggregated(m mapView, val []byte, div int64) datum {
	t := m.Value
	cpus := m.cpus(val)
	switch t.Kind {
	case lang.KindCount, lang.KindSum:
		return divided(m.sum(cpus, 0), t.Signed, div)
	case lang.KindMin, lang.KindMax:
		v, ok := m.extreme(cpus)
		if !ok && m.Key == nil {
			return divided(0, t.Signed, div)
		}
		return divided(v, t.Signed, div)
	case lang.KindAvg, lang.KindStats:
		total, n := m.sum(cpus, 0), m.sum(cpus, 8)
		avg := uint64(0)
		if n != 0 {
			if t.Signed {
				avg = uint64(int64(total) / int64(n))
			} else {
				avg = total / n
			}
		}
		if t.Kind == lang.KindAvg {
			return divided(avg, t.Signed, div)
		}
		return record{[]string{"count", "average", "total"}, []datum{divided(n, t.Signed, 1), divided(avg, t.Signed, 1), divided(total, t.Signed, 1)}}
	case lang.KindHist:
		return m.hist(m.buckets(cpus), uint64(div))
	case lang.KindLHist:
		return m.lhist(m.buckets(cpus))
	case lang.KindInt:
		d := s.dec.alone(t, val)
		if n, ok := number(d); ok && div != 1 {
			return divided(uint64(n), t.Signed, div)
		}
		return d
	}
	return s.dec.alone(t, val)
}

func divided(v uint64, signed bool, div int64) datum {
	if signed {
		return int64(v) / div
	}
	return v / uint64(div)
}

func (m mapView) sum(cpus [][]byte, off int) (total uint64) {
	for _, v := range cpus {
		total += ne().Uint64(v[off:])
	}
	return total
}

func (m mapView) extreme(cpus [][]byte) (best uint64, found bool) {
	for _, v := range cpus {
		if ne().Uint64(v[8:]) == 0 {
			continue
		}
		n := ne().Uint64(v)
		less := n < best
		if m.Value.Signed {
			less = int64(n) < int64(best)
		}
		if !found || (m.Value.Kind == lang.KindMin) == less && n != best {
			best, found = n, true
		}
	}
	return best, found
}

func (m mapView) buckets(cpus [][]byte) []uint64 {
	out := make([]uint64, m.Value.Size/8)
	for _, v := range cpus {
		for i := range out {
			out[i] += ne().Uint64(v[8*i:])
		}
	}
	return out
}

// used is the first and last bucket that is not empty; -1 if all are.
func used(b []uint64) (first, last int) {
	first = -1
	for i, n := range b {
		if n > 0 {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return first, last
}

func (m mapView) hist(b []uint64, div uint64) datum {
	first, last := used(b)
	if first < 0 {
		return nil
	}
	label := func(i int) datum {
		if i <= 2<<m.Bits {
			return int64(i)
		}
		return histLabel(i, m.Bits)
	}
	var h histogram
	if first > 0 {
		h.lower = label(first - 1)
	}
	for i := first; i <= last; i++ {
		h.labels = append(h.labels, label(i))
		h.counts = append(h.counts, b[i]/div)
	}
	return h
}

// histLabel is the lower bound of bucket i+1, as "32K". Each power of two has
// 2^bits buckets.
func histLabel(i, bits int) datum {
	n := 1 << bits
	part := i & (n - 1)
	power := i>>bits - 1
	value := uint64(1) << power * uint64(n+part)
	decade := power / 10
	text := strconv.FormatUint(uint64(1)<<(power-10*decade)*uint64(n+part), 10)
	if decade > 0 {
		text += " KMGTPE"[decade : decade+1]
	}
	return symbol{text, value}
}

func (m mapView) lhist(b []uint64) datum {
	first, last := used(b)
	if first < 0 {
		return nil
	}
	label := func(i int) datum {
		v := m.Min + int64(i)*m.Step
		if m.Step%1024 != 0 || v == 0 {
			return v
		}
		switch {
		case v%(1<<20) == 0:
			return symbol{strconv.FormatInt(v>>20, 10) + "M", uint64(v)}
		case v%1024 == 0:
			return symbol{strconv.FormatInt(v>>10, 10) + "K", uint64(v)}
		}
		return v
	}
	var h histogram
	if first > 0 {
		h.lower = label(first - 1)
	}
	for i := first; i <= last; i++ {
		if m.Min+int64(i)*m.Step <= m.Max {
			h.labels = append(h.labels, label(i))
		}
		h.counts = append(h.counts, b[i])
	}
	return h
}

// interval is one interval of a time series.
type interval struct {
	value, meta uint64
}

// tseriesBytes is an interval's size in the map: value, meta, number plus 1.
const tseriesBytes = 24

// intervals merges the CPUs' intervals by number.
func (m mapView) intervals(val []byte) map[int64]interval {
	out := map[int64]interval{}
	for _, v := range m.cpus(val) {
		for i := range int(m.Intervals) {
			b := v[i*tseriesBytes:]
			id := int64(ne().Uint64(b[16:]))
			if id == 0 {
				continue
			}
			n := interval{ne().Uint64(b), ne().Uint64(b[8:])}
			if old, ok := out[id-1]; ok {
				n = m.merge(old, n)
			}
			out[id-1] = n
		}
	}
	return out
}

func (m mapView) merge(a, b interval) interval {
	less := b.value < a.value
	if m.Value.Signed {
		less = int64(b.value) < int64(a.value)
	}
	switch m.Agg {
	case "avg", "sum":
		return interval{a.value + b.value, a.meta + b.meta}
	case "min":
		if less {
			return b
		}
		return a
	case "max":
		if less {
			return a
		}
		return b
	}
	if b.meta > a.meta {
		return b
	}
	return a
}

// series is a time series; gaps after its first interval are empty points.
func (m mapView) series(s *Session, val []byte, newest int64) datum {
	have := m.intervals(val)
	var out series
	for id := newest - m.Intervals + 1; id <= newest; id++ {
		n, ok := have[id]
		if !ok && len(out) == 0 {
			continue
		}
		p := point{at: s.seriesTime(id * m.Interval)}
		if ok {
			v := n.value
			if m.Agg == "avg" && n.meta > 0 {
				if m.Value.Signed {
					v = uint64(int64(v) / int64(n.meta))
				} else {
					v /= n.meta
				}
			}
			p.val = divided(v, m.Value.Signed, 1)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// sortEntries orders a map for printing: by value if it is a number, else by
// key.
func (s *Session) sortEntries(m mapView, list []entry) {
	t := m.Value
	var rank func(e entry) int64
	switch t.Kind {
	case lang.KindCount, lang.KindSum:
		rank = func(e entry) int64 { return int64(m.sum(m.cpus(e.val), 0)) }
	case lang.KindInt:
		rank = func(e entry) int64 { return int64(ne().Uint64(e.val)) }
	case lang.KindMin, lang.KindMax:
		rank = func(e entry) int64 { v, _ := m.extreme(m.cpus(e.val)); return int64(v) }
	case lang.KindAvg, lang.KindStats:
		rank = func(e entry) int64 {
			n := int64(m.sum(m.cpus(e.val), 8))
			if n == 0 {
				return 0
			}
			return int64(m.sum(m.cpus(e.val), 0)) / n
		}
	case lang.KindHist, lang.KindLHist:
		rank = func(e entry) (n int64) {
			for _, b := range m.buckets(m.cpus(e.val)) {
				n += int64(b)
			}
			return n
		}
	case lang.KindTSeries:
		rank = func(e entry) (n int64) {
			for id := range m.intervals(e.val) {
				n = max(n, id)
			}
			return n
		}
	}
	if m.Key == nil {
		return
	}
	// Equal values come in the order of their keys.
	sort.SliceStable(list, func(i, j int) bool { return lessKey(m.Key, list[i].key, list[j].key, true) })
	if rank == nil {
		return
	}
	ranks := make(map[*byte]int64, len(list))
	for _, e := range list {
		ranks[&e.key[0]] = rank(e)
	}
	signed := t.Signed || t.Kind == lang.KindHist || t.Kind == lang.KindLHist
	sort.SliceStable(list, func(i, j int) bool {
		a, b := ranks[&list[i].key[0]], ranks[&list[j].key[0]]
		if signed {
			return a < b
		}
		return uint64(a) < uint64(b)
	})
}

// lessKey compares keys: numbers as numbers, text as text, tuples by their
// fields.
func lessKey(t *lang.Type, a, b []byte, alone bool) bool {
	switch t.Kind {
	case lang.KindInt:
		size := t.Size
		if alone {
			size = 8
		}
		x, _ := number(integer(a, size, true))
		y, _ := number(integer(b, size, true))
		return x < y
	case lang.KindTuple:
		for _, f := range t.Fields {
			if f.Type.Kind != lang.KindInt && f.Type.Kind != lang.KindString && f.Type.Kind != lang.KindTuple {
				continue
			}
			x, y := a[f.Off:f.Off+f.Type.Size], b[f.Off:f.Off+f.Type.Size]
			if lessKey(f.Type, x, y, false) {
				return true
			}
			if lessKey(f.Type, y, x, false) {
				return false
			}
		}
		return false
	}
	return bytes.Compare(a, b) < 0
}

// clear deletes all keys; scalars become zero.
func (s *Session) clear(name string, zero bool) error {
	m := s.Object.Maps[name]
	live := s.coll.Maps[m.Spec]
	list, err := s.entries(m)
	if err != nil {
		return err
	}
	for _, e := range list {
		switch {
		case m.Key == nil:
			err = live.Update(make([]byte, 4), make([]byte, len(e.val)), 0)
		case zero:
			err = live.Update(e.key, make([]byte, len(e.val)), 0)
		default:
			if err = live.Delete(e.key); errors.Is(err, engine.ErrKeyNotExist) {
				err = nil
			}
		}
		if err != nil {
			return err
		}
	}
	switch {
	case m.Key != nil:
	case !zero:
		s.cleared(name)
	case s.zeroed == nil:
		s.zeroed = map[string]bool{name: true}
	default:
		s.zeroed[name] = true
	}
	return nil
}
