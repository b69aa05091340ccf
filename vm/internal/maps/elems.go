package maps

import (
	"math"
	"sync"
	"sync/atomic"
	"syscall"
)

// noElem is no element; elements count from 0.
const noElem = math.MaxUint32

// elems hands out the elements 0 … max-1 of an arena and takes them back.
// Fresh elements come in order, so memory that was never needed is never
// touched. Returned ones wait on lists that are spread over shards; the link
// is kept in the element, at byte linkAt.
type elems struct {
	base   Pointer
	stride uintptr
	linkAt uintptr
	max    uint32

	fresh  atomic.Uint32 // elements from here on were never handed out
	shards []shard

	// chunk is how many elements are charged together when they are first
	// needed; 0 if all were charged at creation.
	chunk  uint32
	charge func(bytes int64) bool
}

// shard is a list of free elements.
type shard struct {
	mu    sync.Mutex
	head  uint32        // element + 1, or 0
	count atomic.Uint32 // of the list, to look before locking
	_     [48]byte      // shards do not share a cache line
}

func (e *elems) at(i uint32) Pointer { return add(e.base, uintptr(i)*e.stride) }

// get takes an element; hint spreads callers over the shards. The errno is
// E2BIG if all are in use and ENOMEM if another one may not be charged.
func (e *elems) get(hint uint32) (uint32, syscall.Errno) {
	n := uint32(len(e.shards))
	hint %= n
	if i := e.shards[hint].pop(e); i != noElem {
		return i, 0
	}
	i, errno := e.bump()
	if errno == 0 {
		return i, 0
	}
	for k := uint32(1); k < n; k++ {
		if i := e.shards[(hint+k)%n].pop(e); i != noElem {
			return i, 0
		}
	}
	return noElem, errno
}

// bump takes a fresh element.
func (e *elems) bump() (uint32, syscall.Errno) {
	for {
		f := e.fresh.Load()
		if f >= e.max {
			return noElem, syscall.E2BIG
		}
		pay := e.chunk != 0 && f%e.chunk == 0
		if pay && !e.charge(int64(e.chunk)*int64(e.stride)) {
			return noElem, syscall.ENOMEM
		}
		if e.fresh.CompareAndSwap(f, f+1) {
			return f, 0
		}
		if pay {
			e.charge(-int64(e.chunk) * int64(e.stride))
		}
	}
}

// charged is how many bytes were charged by and by.
func (e *elems) charged() int64 {
	if e.chunk == 0 {
		return 0
	}
	chunks := (int64(e.fresh.Load()) + int64(e.chunk) - 1) / int64(e.chunk)
	return chunks * int64(e.chunk) * int64(e.stride)
}

// put gives an element back. Readers may still stand on it: what they follow
// stays as it is but for the link.
func (e *elems) put(hint, i uint32) {
	s := &e.shards[hint%uint32(len(e.shards))]
	s.mu.Lock()
	store32(add(e.at(i), e.linkAt), s.head)
	s.head = i + 1
	s.count.Add(1)
	s.mu.Unlock()
}

func (s *shard) pop(e *elems) uint32 {
	if s.count.Load() == 0 {
		return noElem
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head == 0 {
		return noElem
	}
	i := s.head - 1
	s.head = load32(add(e.at(i), e.linkAt))
	s.count.Add(^uint32(0))
	return i
}
