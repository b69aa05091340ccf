package heap

// A red-black tree as Linux keeps it (Cormen et al., Introduction to
// Algorithms, ch. 13): programs see its shape through bpf_rbtree_root, _left
// and _right. The lowest bit of the parent's word is 1 for black.

// tree is the one at root, which is guarded by its user's lock. left counts the
// steps it may still take: damaged trees may have no end.
type tree struct {
	h    *Heap
	root uint64
	left int
}

// maxDepth is more than a tree of 2^48 nodes needs for an operation.
const maxDepth = 1 << 9

// ok says whether n can be followed.
func (t *tree) ok(n uint64) bool {
	t.left--
	return n != 0 && n%8 == 0 && t.left > 0 && t.h.Has(n, nodeSize)
}

func (t *tree) parent(n uint64) uint64 { return t.h.word(n) &^ 3 }

func (t *tree) black(n uint64) bool { return n == 0 || !t.h.Has(n, nodeSize) || t.h.word(n)&1 == 1 }

func (t *tree) setParent(n, p uint64) { t.h.setWord(n, p|t.h.word(n)&1) }

func (t *tree) paint(n uint64, black bool) {
	w := t.h.word(n) &^ 1
	if black {
		w |= 1
	}
	t.h.setWord(n, w)
}

// child is the left or right child of n.
func (t *tree) child(n uint64, right bool) uint64 { return t.h.word(n + side(right)) }

func side(right bool) uint64 {
	if right {
		return treeRight
	}
	return treeLeft
}

// replace makes what referred to old, a child of p or the root, refer to n.
func (t *tree) replace(p, old, n uint64) {
	switch {
	case p == 0 || !t.h.Has(p, nodeSize):
		t.h.setWord(t.root, n)
	case t.h.word(p+treeLeft) == old:
		t.h.setWord(p+treeLeft, n)
	default:
		t.h.setWord(p+treeRight, n)
	}
}

// rotate lifts the child of x that lies opposite to right; false if there is
// none.
func (t *tree) rotate(x uint64, right bool) bool {
	y := t.child(x, !right)
	if !t.ok(y) {
		return false
	}
	inner := t.child(y, right)
	t.h.setWord(x+side(!right), inner)
	if t.ok(inner) {
		t.setParent(inner, x)
	}
	p := t.parent(x)
	t.setParent(y, p)
	t.replace(p, x, y)
	t.h.setWord(y+side(right), x)
	t.setParent(x, y)
	return true
}

// Insert puts node into the tree at root, at the right or left of parent, or as
// the first one with parent 0; leftmost says that nothing is before it. The
// caller has claimed it and knows that 16 bytes at root and 32 at node are
// memory.
func (h *Heap) Insert(root, node, parent uint64, right, leftmost bool) {
	t := &tree{h, root, maxDepth}
	h.setWord(node, parent)
	h.setWord(node+treeLeft, 0)
	h.setWord(node+treeRight, 0)
	if parent == 0 {
		h.setWord(root, node)
	} else {
		h.setWord(parent+side(right), node)
	}
	if leftmost {
		h.setWord(root+8, node)
	}
	t.insertFix(node)
	h.setWord(node+treeOwner, root)
}

func (t *tree) insertFix(n uint64) {
	for {
		p := t.parent(n)
		if !t.ok(p) {
			t.paint(n, true)
			return
		}
		if t.black(p) {
			return
		}
		g := t.parent(p)
		if !t.ok(g) {
			return
		}
		right := t.h.word(g+treeRight) == p
		if u := t.child(g, !right); !t.black(u) {
			t.paint(u, true)
			t.paint(p, true)
			t.paint(g, false)
			n = g
			continue
		}
		if t.child(p, !right) == n {
			if !t.rotate(p, right) {
				return
			}
			p = n
		}
		t.paint(p, true)
		t.paint(g, false)
		t.rotate(g, !right)
		return
	}
}

// Claim makes the tree node at node nobody else's; false if it is in a tree.
func (h *Heap) Claim(node uint64) bool { return claim(node + treeOwner) }

// First is the leftmost node of the tree at root, or 0; Root the top one.
func (h *Heap) First(root uint64) uint64 { return h.treeNode(h.word(root + 8)) }

// Root is the top node of the tree at root, or 0.
func (h *Heap) Root(root uint64) uint64 { return h.treeNode(h.word(root)) }

func (h *Heap) treeNode(n uint64) uint64 {
	if n == 0 || n%8 != 0 || !h.Has(n, nodeSize) {
		return 0
	}
	return n
}

// Child is the left or right child of node, or 0; 0 too if it is not in the tree
// at root.
func (h *Heap) Child(root, node uint64, right bool) uint64 {
	if h.word(node+treeOwner) != root {
		return 0
	}
	return h.treeNode(h.word(node + side(right)))
}

// Step is Child without asking whose the node is.
func (h *Heap) Step(node uint64, right bool) uint64 { return h.treeNode(h.word(node + side(right))) }

// Remove takes node out of the tree at root; false if it is not in it.
func (h *Heap) Remove(root, node uint64) bool {
	if h.word(node+treeOwner) != root {
		return false
	}
	t := &tree{h, root, maxDepth}
	if h.word(root+8) == node {
		h.setWord(root+8, t.after(node))
	}
	t.erase(node)
	h.setWord(node, node)
	h.setWord(node+treeOwner, 0)
	return true
}

// after is the node that follows n, or 0.
func (t *tree) after(n uint64) uint64 {
	if x := t.child(n, true); t.ok(x) {
		for t.ok(t.child(x, false)) {
			x = t.child(x, false)
		}
		return x
	}
	for p := t.parent(n); t.ok(p); n, p = p, t.parent(p) {
		if t.child(p, false) == n {
			return p
		}
	}
	return 0
}

func (t *tree) erase(n uint64) {
	l, r := t.child(n, false), t.child(n, true)
	p, black := t.parent(n), t.black(n)
	var x, above uint64 // what takes the place, and its parent
	switch {
	case !t.ok(l) || !t.ok(r):
		x, above = l, p
		if !t.h.Has(l, nodeSize) {
			x = r
		}
		t.replace(p, n, x)
		if t.ok(x) {
			t.setParent(x, p)
		}
	default:
		s := r // what follows n
		for t.ok(t.child(s, false)) {
			s = t.child(s, false)
		}
		was := t.black(s)
		x, above = t.child(s, true), t.parent(s)
		if above == n {
			above = s
		} else if t.h.Has(above, nodeSize) {
			t.replace(above, s, x)
			if t.ok(x) {
				t.setParent(x, above)
			}
			t.h.setWord(s+treeRight, r)
			t.setParent(r, s)
		}
		t.replace(p, n, s)
		t.setParent(s, p)
		t.h.setWord(s+treeLeft, l)
		t.setParent(l, s)
		t.paint(s, black)
		black = was
	}
	if black {
		t.eraseFix(x, above)
	}
}

func (t *tree) eraseFix(x, p uint64) {
	for t.ok(p) && t.black(x) {
		right := t.h.word(p+treeRight) == x // the side of x
		w := t.child(p, !right)
		if !t.ok(w) {
			return
		}
		if !t.black(w) {
			t.paint(w, true)
			t.paint(p, false)
			if !t.rotate(p, right) {
				return
			}
			if w = t.child(p, !right); !t.ok(w) {
				return
			}
		}
		if t.black(t.child(w, false)) && t.black(t.child(w, true)) {
			t.paint(w, false)
			x, p = p, t.parent(p)
			continue
		}
		if t.black(t.child(w, !right)) {
			if near := t.child(w, right); t.ok(near) {
				t.paint(near, true)
			}
			t.paint(w, false)
			if !t.rotate(w, !right) {
				return
			}
			w = t.child(p, !right)
		}
		t.paint(w, t.black(p))
		t.paint(p, true)
		if far := t.child(w, !right); t.ok(far) {
			t.paint(far, true)
		}
		t.rotate(p, right)
		return
	}
	if t.h.treeNode(x) != 0 {
		t.paint(x, true)
	}
}
