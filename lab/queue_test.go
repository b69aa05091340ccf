package lab

import (
	"bytes"
	"testing"
	"time"
)

func TestQueueOrderAndBound(t *testing.T) {
	q := newQueue(100, false)
	for i := range 130 {
		q.push([]byte{byte(i)}, i)
	}
	if q.drops() != 30 {
		t.Errorf("%d drops, want 30", q.drops())
	}
	q.close()
	q.push([]byte{1}, 0)
	i := 0
	for f, ok := q.pop(nil); ok; f, ok = q.pop(f.data) {
		if f.tag != i || !bytes.Equal(f.data, []byte{byte(i)}) {
			t.Fatalf("frame %d: tag %d, data %v", i, f.tag, f.data)
		}
		i++
	}
	if i != 100 {
		t.Errorf("%d frames, want 100", i)
	}
}

// The queue copies: the sender may use its buffer again at once, and a popped
// frame stays as it is until it is given back.
func TestQueueCopies(t *testing.T) {
	q := newQueue(4, true)
	b := []byte("first")
	q.push(b, 0)
	copy(b, "XXXXX")
	f, _ := q.pop(nil)
	q.push([]byte("second"), 0)
	if string(f.data) != "first" || f.at.IsZero() {
		t.Errorf("frame %q at %v", f.data, f.at)
	}
	g, _ := q.pop(f.data)
	if string(g.data) != "second" || g.at.Before(f.at) {
		t.Errorf("frame %q at %v", g.data, g.at)
	}
}

func TestQueueWakes(t *testing.T) {
	for name, wake := range map[string]func(q *queue){
		"push":    func(q *queue) { q.push([]byte{1}, 0) },
		"close":   func(q *queue) { q.close() },
		"discard": func(q *queue) { q.discard() },
	} {
		q := newQueue(4, false)
		got := make(chan bool)
		go func() { _, ok := q.pop(nil); got <- ok }()
		time.Sleep(time.Millisecond)
		wake(q)
		select {
		case ok := <-got:
			if ok != (name == "push") {
				t.Errorf("%s: pop says %v", name, ok)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s does not wake pop", name)
		}
	}
	q := newQueue(4, false)
	q.push([]byte{1}, 0)
	q.discard()
	if _, ok := q.pop(nil); ok {
		t.Error("a discarded frame was popped")
	}
}

func TestQueueAllocatesNothing(t *testing.T) {
	q := newQueue(64, true)
	data := make([]byte, 1514)
	var used []byte
	if n := testing.AllocsPerRun(1000, func() {
		q.push(data, 0)
		f, _ := q.pop(used)
		used = f.data
	}); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}
