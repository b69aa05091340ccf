package lab

import (
	"sync"
	"time"
)

// frame is an Ethernet frame on its way, in a buffer that its queue owns.
type frame struct {
	data []byte
	at   time.Time
	// tag is the queue owner's: a direction, the end of a wire.
	tag int
}

// queue is a bounded first-in first-out of frames. It copies what it is given
// into buffers that it uses again, so that a queue in steady use allocates
// nothing.
type queue struct {
	limit int
	stamp bool // note the time of each push

	mu      sync.Mutex
	ready   sync.Cond
	ring    []frame
	head, n int
	free    [][]byte
	closed  bool
	dropped uint64
}

// keptBuffers bounds the unused buffers that a queue keeps.
const keptBuffers = 256

func newQueue(limit int, stamp bool) *queue {
	q := &queue{limit: limit, stamp: stamp}
	q.ready.L = &q.mu
	return q
}

// push appends a copy of data, or counts it as dropped if the queue is full.
// After close it does nothing.
func (q *queue) push(data []byte, tag int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if q.n == q.limit {
		q.dropped++
		return
	}
	if q.n == len(q.ring) {
		q.grow()
	}
	var buf []byte
	if k := len(q.free); k > 0 {
		buf, q.free = q.free[k-1], q.free[:k-1]
	}
	f := frame{data: append(buf[:0], data...), tag: tag}
	if q.stamp {
		f.at = time.Now()
	}
	q.ring[(q.head+q.n)%len(q.ring)] = f
	q.n++
	q.ready.Signal()
}

func (q *queue) grow() {
	ring := make([]frame, min(max(64, 2*len(q.ring)), q.limit))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)%len(q.ring)]
	}
	q.ring, q.head = ring, 0
}

// pop waits for the oldest frame. used is the buffer of the frame before,
// which the queue takes back. It reports false once the queue is closed and
// empty.
func (q *queue) pop(used []byte) (frame, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if used != nil && len(q.free) < keptBuffers {
		q.free = append(q.free, used)
	}
	for q.n == 0 {
		if q.closed {
			return frame{}, false
		}
		q.ready.Wait()
	}
	f := q.ring[q.head]
	q.ring[q.head] = frame{}
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return f, true
}

// close lets pop drain what is there and then report false.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}

// discard closes the queue and drops what is in it.
func (q *queue) discard() {
	q.mu.Lock()
	q.n, q.ring = 0, nil
	q.mu.Unlock()
	q.close()
}

func (q *queue) drops() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
