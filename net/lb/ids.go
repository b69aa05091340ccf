package lb

import "fmt"

// ids hands out numbers from 1 to max. A number that was given back may still
// stand in the connection table; it is handed out again only after the table
// has been cleaned of it.
type ids struct {
	what string
	max  uint32
	next uint32
	used map[uint32]bool
	// past are numbers from next on that were given back: they wait in dirty.
	past  map[uint32]bool
	dirty []uint32
	clean []uint32
}

func newIDs(what string, max uint32) *ids {
	return &ids{what: what, max: max, next: 1, used: map[uint32]bool{}, past: map[uint32]bool{}}
}

// take returns a number, and whether it was in use before; purge is called when
// only dirty ones are left.
func (s *ids) take(purge func()) (id uint32, again bool, err error) {
	for s.next <= s.max {
		id := s.next
		s.next++
		if !s.used[id] && !s.past[id] {
			s.used[id] = true
			return id, false, nil
		}
	}
	if len(s.clean) == 0 && len(s.dirty) > 0 {
		purge()
		s.clean, s.dirty = append(s.clean, s.dirty...), nil
	}
	if n := len(s.clean); n > 0 {
		id := s.clean[n-1]
		s.clean = s.clean[:n-1]
		s.used[id] = true
		return id, true, nil
	}
	return 0, false, fmt.Errorf("no room for another %s: all %d are in use", s.what, s.max)
}

// claim marks a number as used.
func (s *ids) claim(id uint32) bool {
	if id == 0 || id > s.max || s.used[id] {
		return false
	}
	s.used[id] = true
	return true
}

func (s *ids) give(id uint32) {
	if s.used[id] {
		delete(s.used, id)
		if id >= s.next {
			s.past[id] = true
		}
		s.dirty = append(s.dirty, id)
	}
}
