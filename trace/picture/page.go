package picture

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits of a page.
const (
	maxLine   = 4 << 20
	maxStates = 1000
	maxMaps   = 200
	maxKeys   = 40
	maxBucket = 256
)

// Page collects messages. It is not safe for concurrent use.
type Page struct {
	// Title heads the page.
	Title string
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	rest []byte
	long bool // a line that is too long is being left out
	maps []*series
	left int // messages left out
}

// series is a map's states, in order.
type series struct {
	name, kind string
	states     []state
	dropped    int
}

// state is what a map held when it was printed.
type state struct {
	at   time.Time
	keys []entry
}

// entry is the value of a key; the key is empty for a map without.
type entry struct {
	key     string
	buckets []bucket // of a histogram
	points  []point  // of a time series
	value   float64  // of a number
	fields  []field  // of statistics
}

// bucket counts values from min to max; a missing bound is open.
type bucket struct {
	Min, Max *whole
	Count    whole
}

// whole is an integer; those that a double cannot hold come as strings, and what
// 64 bits cannot hold is the nearest that they can.
type whole int64

func (w *whole) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return err
	}
	*w = whole(v)
	return nil
}

// real is a number, or a string that has one.
type real float64

func (r *real) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return errors.New("no number")
	}
	*r = real(v)
	return nil
}

// point is an interval's value.
type point struct {
	at    time.Time
	value float64
}

type field struct {
	name  string
	value float64
}

// Write takes messages, in pieces as they come. It never fails: what is no
// message, or none that can be drawn, is left out.
func (p *Page) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if len(p.rest)+len(line) > maxLine {
			p.rest, p.long = p.rest[:0], true
		} else if !p.long {
			p.rest = append(p.rest, line...)
		}
		if !whole {
			break
		}
		if p.long {
			p.left++
		} else {
			p.message(p.rest)
		}
		p.rest, p.long, b = p.rest[:0], false, rest
	}
	return n, nil
}

// message is one line.
func (p *Page) message(line []byte) {
	var m struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(line, &m) != nil {
		return
	}
	switch m.Type {
	case "hist", "map", "tseries", "stats":
	default:
		return
	}
	named, err := pairs(m.Data)
	if err != nil || len(named) != 1 {
		return
	}
	keys, err := entries(m.Type, named[0].value)
	if err != nil {
		p.left++
		return
	}
	p.add(named[0].key, m.Type, keys)
}

func (p *Page) add(name, kind string, keys []entry) {
	var s *series
	for _, have := range p.maps {
		if have.name == name {
			s = have
		}
	}
	if s == nil {
		if len(p.maps) == maxMaps {
			p.left++
			return
		}
		s = &series{name: name, kind: kind}
		p.maps = append(p.maps, s)
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	s.kind = kind
	s.states = append(s.states, state{now(), keys})
	if len(s.states) > maxStates {
		s.states = s.states[1:]
		s.dropped++
	}
}

// pair is a member of an object.
type pair struct {
	key   string
	value json.RawMessage
}

// pairs are an object's members in their order.
func pairs(b []byte) ([]pair, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("no object")
	}
	var out []pair
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, errors.New("no key")
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		out = append(out, pair{key, v})
	}
	return out, nil
}

// entries reads a map's value: of one kind, or an object of such by key.
func entries(kind string, b json.RawMessage) ([]entry, error) {
	if e, err := value(kind, b); err == nil {
		return []entry{e}, nil
	}
	keyed, err := pairs(b)
	if err != nil {
		return nil, err
	}
	var out []entry
	for _, k := range keyed {
		e, err := value(kind, k.value)
		if err != nil {
			return nil, err
		}
		e.key = k.key
		out = append(out, e)
	}
	return out, nil
}

func value(kind string, b json.RawMessage) (entry, error) {
	switch kind {
	case "hist":
		var bs []bucket
		if err := json.Unmarshal(b, &bs); err != nil {
			return entry{}, err
		}
		if len(bs) > maxBucket {
			return entry{}, errors.New("too many buckets")
		}
		return entry{buckets: bs}, nil
	case "tseries":
		var ps []struct {
			Start string `json:"interval_start"`
			Value real
		}
		if err := json.Unmarshal(b, &ps); err != nil {
			return entry{}, err
		}
		e := entry{points: []point{}}
		for _, p := range ps {
			at, err := time.Parse("2006-01-02 15:04:05.999999999", p.Start)
			if err != nil {
				return entry{}, err
			}
			e.points = append(e.points, point{at, float64(p.Value)})
		}
		return e, nil
	case "stats":
		ms, err := pairs(b)
		if err != nil {
			return entry{}, err
		}
		var e entry
		for _, m := range ms {
			var v real
			if err := json.Unmarshal(m.value, &v); err != nil {
				return entry{}, err
			}
			e.fields = append(e.fields, field{m.key, float64(v)})
		}
		return e, nil
	}
	var v real
	if err := json.Unmarshal(b, &v); err != nil {
		return entry{}, err
	}
	return entry{value: float64(v)}, nil
}
