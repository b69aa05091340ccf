package maps

// The order in which an LRU table gives elements up, kept per stripe under the
// stripe's lock. As in Linux it is approximate: a lookup only marks the element
// as used, without a lock; marked elements are moved when room is needed.
//
// New elements enter the inactive list. One that is found marked at its end
// moves to the active list; the active list, when it is the longer one, gives
// back what was not marked again.

// The LRU part of an element, from byte 8 on.
const (
	lruPrev   = 8  // element + 1, or 0
	lruNext   = 12 // element + 1, or 0
	lruUsed   = 16
	lruList   = 20
	lruHeader = 16
)

const (
	inactive = 0
	active   = 1
)

// lruScan bounds how many elements are moved to find one to give up.
const lruScan = 64

type lru struct {
	lists [2]struct{ head, tail, n uint32 }
}

func (l *lru) init() {
	for i := range l.lists {
		l.lists[i].head, l.lists[i].tail = noElem, noElem
	}
}

func (l *lru) add(e *elems, i, list uint32) {
	p, at := &l.lists[list], e.at(i)
	write32(add(at, lruList), list)
	write32(add(at, lruPrev), 0)
	write32(add(at, lruNext), p.head+1)
	if p.head != noElem {
		write32(add(e.at(p.head), lruPrev), i+1)
	} else {
		p.tail = i
	}
	p.head = i
	p.n++
}

func (l *lru) remove(e *elems, i uint32) {
	at := e.at(i)
	p := &l.lists[read32(add(at, lruList))]
	prev, next := read32(add(at, lruPrev))-1, read32(add(at, lruNext))-1
	if prev != noElem {
		write32(add(e.at(prev), lruNext), next+1)
	} else {
		p.head = next
	}
	if next != noElem {
		write32(add(e.at(next), lruPrev), prev+1)
	} else {
		p.tail = prev
	}
	p.n--
}

// touch marks an element as used. Any goroutine.
func touch(e *elems, i uint32) {
	if u := add(e.at(i), lruUsed); load32(u) == 0 {
		store32(u, 1)
	}
}

// takeMark reports whether an element was used since the last time.
func takeMark(e *elems, i uint32) bool {
	u := add(e.at(i), lruUsed)
	if load32(u) == 0 {
		return false
	}
	store32(u, 0)
	return true
}

func (l *lru) move(e *elems, i, list uint32) {
	l.remove(e, i)
	l.add(e, i, list)
}

// victim chooses the element to give up, or noElem if there is none. It stays
// in its list.
func (l *lru) victim(e *elems) uint32 {
	for n := 0; n < lruScan && l.lists[active].n > l.lists[inactive].n; n++ {
		i := l.lists[active].tail
		if takeMark(e, i) {
			l.move(e, i, active)
		} else {
			l.move(e, i, inactive)
		}
	}
	for range lruScan {
		i := l.lists[inactive].tail
		if i == noElem {
			break
		}
		if !takeMark(e, i) {
			return i
		}
		l.move(e, i, active)
	}
	if i := l.lists[inactive].tail; i != noElem {
		return i
	}
	return l.lists[active].tail
}
