package heap

import "sync/atomic"

// Lists and trees, in the layout of Linux: a struct bpf_list_head is next and
// prev, a struct bpf_list_node these and its owner, the address of the head; a
// struct bpf_rb_root is the root and the leftmost node, a struct bpf_rb_node
// parent with colour, right, left and owner. A program holds the lock that
// guards them; without a proof of that, what it finds may be damaged, but is
// memory.
const (
	next      = 0
	prev      = 8
	listOwner = 16

	treeRight = 8
	treeLeft  = 16
	treeOwner = 24
	nodeSize  = 32
)

// poison owns a node that is being put in (BPF_PTR_POISON).
const poison = 0xeb9f0000eb9f

// word is the word at a of a head or an object; 0 if a lies in no live object.
// Heads are words of memory that the caller knows to be such.
func (h *Heap) word(a uint64) uint64 { return atomic.LoadUint64((*uint64)(ptr(a))) }

func (h *Heap) setWord(a, v uint64) { atomic.StoreUint64((*uint64)(ptr(a)), v) }

// claim makes the node whose owner stands at a nobody else's; false if it has an
// owner.
func claim(a uint64) bool { return atomic.CompareAndSwapUint64((*uint64)(ptr(a)), 0, poison) }

// linked says whether n is the head itself or a node of a live object.
func (h *Heap) linked(head, n uint64) bool { return n == head || n%8 == 0 && h.Has(n, listOwner+8) }

// Push puts node at the front or back of the list at head; false if it is in a
// list already. The caller knows that 16 bytes at head and 24 at node are memory.
func (h *Heap) Push(head, node uint64, back bool) bool {
	if !claim(node + listOwner) {
		return false
	}
	if h.word(head) == 0 {
		h.setWord(head+next, head)
		h.setWord(head+prev, head)
	}
	before, after := head, h.word(head+next)
	if back {
		before, after = h.word(head+prev), head
	}
	if h.linked(head, before) && h.linked(head, after) {
		h.setWord(node+next, after)
		h.setWord(node+prev, before)
		h.setWord(after+prev, node)
		h.setWord(before+next, node)
	}
	h.setWord(node+listOwner, head)
	return true
}

// End is the first or last node of the list at head, or 0.
func (h *Heap) End(head uint64, back bool) uint64 {
	n := h.word(head + next)
	if back {
		n = h.word(head + prev)
	}
	if n == 0 || n == head || !h.linked(head, n) || h.word(n+listOwner) != head {
		return 0
	}
	return n
}

// Pop takes the first or last node out of the list at head, or gives 0.
func (h *Heap) Pop(head uint64, back bool) uint64 {
	n := h.End(head, back)
	if n == 0 {
		return 0
	}
	before, after := h.word(n+prev), h.word(n+next)
	if !h.linked(head, before) || !h.linked(head, after) {
		return 0
	}
	h.setWord(before+next, after)
	h.setWord(after+prev, before)
	h.setWord(n+listOwner, 0)
	return n
}
