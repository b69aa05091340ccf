package heap

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

var item = &Type{Name: "item", Size: 48, Fields: []Field{{TreeNode, 8}}}

// TestTree inserts and removes at random and holds the tree to what a red-black
// tree is: ordered, no red node with a red child, as many black ones on each way.
func TestTree(t *testing.T) {
	h := New(nil, 1)
	defer h.Close()
	head := h.New(&Type{Name: "head", Size: 16})
	rnd := rand.New(rand.NewPCG(1, 2))
	nodes := map[uint64]uint64{} // key by node
	for step := range 4000 {
		if len(nodes) > 0 && rnd.IntN(5) < 2 {
			for n := range nodes {
				if !h.Remove(head, n) || h.Remove(head, n) {
					t.Fatalf("step %d: remove", step)
				}
				h.Drop(n - 8)
				delete(nodes, n)
				break
			}
		} else {
			n := h.New(item) + 8
			key := rnd.Uint64N(200)
			h.setWord(n-8, key)
			if !h.Claim(n) || h.Claim(n) {
				t.Fatal("claim")
			}
			parent, right, leftmost := uint64(0), false, true
			for x := h.Root(head); x != 0; x = h.Step(x, right) {
				parent, right = x, key >= h.word(x-8)
				leftmost = leftmost && !right
			}
			h.Insert(head, n, parent, right, leftmost)
			nodes[n] = key
		}
		var keys []uint64
		check(t, h, h.Root(head), 0, &keys)
		if len(keys) != len(nodes) || !slices.IsSorted(keys) {
			t.Fatalf("step %d: %d of %d nodes, sorted %v", step, len(keys), len(nodes), slices.IsSorted(keys))
		}
		if first := h.First(head); len(keys) > 0 && (first == 0 || h.word(first-8) != keys[0]) {
			t.Fatalf("step %d: the first node is not the least", step)
		}
	}
	h.DropField(head, Tree)
	if n := h.Live(); n != 1 {
		t.Errorf("%d objects after the tree went", n)
	}
}

// check returns the black nodes of each way down.
func check(t *testing.T, h *Heap, n, parent uint64, keys *[]uint64) int {
	if n == 0 {
		return 1
	}
	if h.word(n)&^3 != parent {
		t.Fatal("a node has another parent")
	}
	black := h.word(n)&1 == 1
	if !black && parent != 0 && h.word(parent)&1 == 0 {
		t.Fatal("a red node has a red child")
	}
	l := check(t, h, h.word(n+treeLeft), n, keys)
	*keys = append(*keys, h.word(n-8))
	r := check(t, h, h.word(n+treeRight), n, keys)
	if l != r {
		t.Fatalf("%d black nodes left, %d right", l, r)
	}
	if black {
		l++
	}
	return l
}

func TestList(t *testing.T) {
	h := New(nil, 1)
	defer h.Close()
	head := h.New(&Type{Name: "head", Size: 16})
	elem := &Type{Name: "elem", Size: 32, Fields: []Field{{ListNode, 8}}}
	var nodes []uint64
	for i := range 4 {
		n := h.New(elem) + 8
		nodes = append(nodes, n)
		if !h.Push(head, n, i%2 == 0) || h.Push(head, n, true) {
			t.Fatal("push")
		}
	}
	for i, want := range []struct {
		back bool
		node int
	}{{false, 3}, {true, 2}, {false, 1}} {
		if got := h.Pop(head, want.back); got != nodes[want.node] {
			t.Errorf("pop %d: %#x", i, got)
		}
	}
	if h.End(head, true) != nodes[0] || h.End(head, false) != nodes[0] {
		t.Error("the last one is not both ends")
	}
	h.DropField(head, List)
	if h.Pop(head, true) != 0 || h.Live() != 4 {
		t.Errorf("%d objects after the list went", h.Live())
	}
}

func TestObjects(t *testing.T) {
	h := New(nil, 3)
	counted := &Type{Name: "counted", Size: 24, Fields: []Field{{Refcount, 0}, {Kptr, 8}}}
	a, b := h.New(counted), h.New(counted)
	h.setWord(a+8, b)
	if !h.Acquire(a) || h.Acquire(a+8) || !h.Has(a, 24) || h.Has(a, 25) || h.Has(a+24, 1) || h.Has(1, 1) {
		t.Error("what is memory and what is not")
	}
	h.Drop(a)
	if h.Live() != 2 {
		t.Error("gone with the first of two holds")
	}
	h.Drop(a)
	if h.Live() != 0 || h.Has(a, 1) || h.Acquire(b) {
		t.Error("not gone with the last hold, or not what it owned")
	}
	h.Drop(a)
	h.Drop(a + 1)
	per := h.New(&Type{Name: "per", Size: 12, PerCPU: true})
	if h.CPU(per, 2) != per+32 || h.CPU(per, 3) != 0 || h.CPU(per, -1) != 0 || !h.Has(per+32, 12) {
		t.Error("copies of CPUs")
	}
	if h.New(&Type{Size: 0}) != 0 || h.New(&Type{Size: MaxObject + 1}) != 0 {
		t.Error("sizes that no object has")
	}
	if err := h.Close(); err != nil || h.New(counted) != 0 || h.Close() != nil {
		t.Error("closed", err)
	}
}

// TestTogether is for the race detector.
func TestTogether(t *testing.T) {
	h := New(nil, 1)
	defer h.Close()
	slot := h.New(&Type{Name: "slot", Size: 8, Fields: []Field{{Kptr, 0}}})
	counted := &Type{Name: "counted", Size: 40, Fields: []Field{{Refcount, 0}}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				o := h.New(counted)
				if h.Acquire(o) {
					h.Drop(o)
				}
				h.Drop(h.Swap(slot, o))
			}
		})
	}
	wg.Wait()
	h.Drop(slot)
	if h.Live() != 0 {
		t.Errorf("%d objects left", h.Live())
	}
}
