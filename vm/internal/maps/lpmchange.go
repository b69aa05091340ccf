package maps

import (
	"math/bits"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// Changing the trie, and its order. The caller of everything below but put,
// remove and NextKey holds mu.

// match is how many leading bits of the node's prefix and p agree, at most
// limit.
func (m *lpmTrie) match(n Pointer, p *prefix, limit uint32) uint32 {
	data := add(n, nodeData)
	if m.dataSize > 16 {
		return m.matchLong(data, p.data, limit)
	}
	same := uint32(bits.LeadingZeros64(bigEndian64(data) ^ p.hi))
	if same == 64 && m.dataSize > 8 {
		same += uint32(bits.LeadingZeros64(bigEndian64(add(data, 8)) ^ p.lo))
	}
	return min(same, limit)
}

func (m *lpmTrie) matchLong(a, b Pointer, limit uint32) uint32 {
	same := uint32(0)
	left := m.dataSize
	for ; left >= 8 && same < limit; left -= 8 {
		n := uint32(bits.LeadingZeros64(bigEndian64(a) ^ bigEndian64(b)))
		same += n
		if n < 64 {
			return min(same, limit)
		}
		a, b = add(a, 8), add(b, 8)
	}
	if left > 0 && left < 8 && same < limit {
		same += uint32(bits.LeadingZeros64(bigEndianTail(a, left) ^ bigEndianTail(b, left)))
	}
	return min(same, limit)
}

// bit is the bit of p's address after the first n.
func (m *lpmTrie) bit(p *prefix, n uint32) uint32 {
	switch {
	case m.dataSize > 16:
		return dataBit(p.data, n)
	case n < 64:
		return uint32(p.hi>>(63-n)) & 1
	}
	return uint32(p.lo>>(127-n)) & 1
}

func dataBit(data Pointer, n uint32) uint32 {
	return uint32(read8(add(data, uintptr(n/8)))>>(7-n%8)) & 1
}

// slot is a place that refers to a node: the root, or a node's child.
type slot struct {
	m  *lpmTrie
	at Pointer // nil for the root
}

func (s slot) load() uint32 {
	if s.at == nil {
		return s.m.root.Load()
	}
	return load32(s.at)
}

func (s slot) store(ref uint32) {
	if s.at == nil {
		s.m.root.Store(ref)
	} else {
		store32(s.at, ref)
	}
}

func (m *lpmTrie) put(key, value Pointer, flags uint64) syscall.Errno {
	p := m.prefixOf(key)
	if flags > abi.UpdateExist || p.len > m.maxPrefix {
		return syscall.EINVAL
	}
	m.mu.Lock()
	defer m.mu.Unlock()

	s, match := m.descend(&p)
	ref := s.load()
	var n Pointer
	if ref != 0 {
		n = m.nodes.at(ref - 1)
	}
	exact := ref != 0 && load32(add(n, nodePrefix)) == match
	if exact && load32(add(n, nodeValue)) != 0 {
		if flags == abi.UpdateNoExist {
			return syscall.EEXIST
		}
		return m.replaceValue(n, &p, value)
	}
	if flags == abi.UpdateExist {
		return syscall.ENOENT
	}
	if m.entries == m.spec.MaxEntries {
		return syscall.ENOSPC
	}
	var e syscall.Errno
	switch {
	case exact:
		e = m.replaceValue(n, &p, value)
	case ref == 0:
		e = m.insert(s, &p, value, 0, 0)
	case match == p.len:
		e = m.insert(s, &p, value, ref, dataBit(add(n, nodeData), match))
	default:
		e = m.split(s, &p, value, ref, match)
	}
	if e == 0 {
		m.entries++
	}
	return e
}

// descend goes to where p belongs: an empty slot, the node of p's own prefix,
// or the first node that does not lie above p.
func (m *lpmTrie) descend(p *prefix) (s slot, match uint32) {
	s = slot{m: m}
	for ref := s.load(); ref != 0; ref = s.load() {
		n := m.nodes.at(ref - 1)
		length := load32(add(n, nodePrefix))
		match = m.match(n, p, min(length, p.len))
		if match != length || length == p.len || length == m.maxPrefix {
			return s, match
		}
		s.at = child(n, m.bit(p, length))
	}
	return s, 0
}

// change runs f while readers keep out.
func (m *lpmTrie) change(f func()) {
	m.seq.Add(1)
	f()
	m.seq.Add(1)
}

func (m *lpmTrie) newValue(value Pointer) (uint32, syscall.Errno) {
	v, e := m.values.get()
	if e == 0 {
		copyMem(add(m.values.at(v), slotValue), value, uintptr(m.spec.ValueSize))
	}
	return v, e
}

// replaceValue gives a node a new value, and its address as it was last
// written: bits beyond the prefix are kept as they came.
func (m *lpmTrie) replaceValue(n Pointer, p *prefix, value Pointer) syscall.Errno {
	v, e := m.newValue(value)
	if e != 0 {
		return e
	}
	old := load32(add(n, nodeValue))
	m.change(func() {
		copyMem(add(n, nodeData), p.data, m.dataSize)
		store32(add(n, nodeValue), v+1)
	})
	if old != 0 {
		m.values.put(old - 1)
	}
	return 0
}

// newNode fills a node that nobody refers to yet.
func (m *lpmTrie) newNode(data Pointer, length, value uint32) (uint32, syscall.Errno) {
	i, e := m.nodes.get()
	if e != 0 {
		return i, e
	}
	n := m.nodes.at(i)
	store32(child(n, 0), 0)
	store32(child(n, 1), 0)
	store32(add(n, nodePrefix), length)
	store32(add(n, nodeValue), value)
	copyMem(add(n, nodeData), data, m.dataSize)
	return i, 0
}

func (m *lpmTrie) newLeaf(p *prefix, value Pointer) (uint32, syscall.Errno) {
	v, e := m.newValue(value)
	if e != 0 {
		return noElem, e
	}
	i, e := m.newNode(p.data, p.len, v+1)
	if e != 0 {
		m.values.put(v)
	}
	return i, e
}

// insert puts a new node at s, with below (if not 0) as one of its children.
func (m *lpmTrie) insert(s slot, p *prefix, value Pointer, below, bit uint32) syscall.Errno {
	i, e := m.newLeaf(p, value)
	if e != 0 {
		return e
	}
	m.change(func() {
		if below != 0 {
			store32(child(m.nodes.at(i), bit), below)
		}
		s.store(i + 1)
	})
	return 0
}

// split puts a node without a value at s, above the node that is there and a
// new one for p: they agree in match bits.
func (m *lpmTrie) split(s slot, p *prefix, value Pointer, ref, match uint32) syscall.Errno {
	leaf, e := m.newLeaf(p, value)
	if e != 0 {
		return e
	}
	fork, e := m.newNode(add(m.nodes.at(ref-1), nodeData), match, 0)
	if e != 0 {
		m.values.put(load32(add(m.nodes.at(leaf), nodeValue)) - 1)
		m.nodes.put(leaf)
		return e
	}
	bit := m.bit(p, match)
	m.change(func() {
		f := m.nodes.at(fork)
		store32(child(f, bit), leaf+1)
		store32(child(f, 1-bit), ref)
		s.store(fork + 1)
	})
	return 0
}

func (m *lpmTrie) remove(key Pointer) syscall.Errno {
	p := m.prefixOf(key)
	if p.len > m.maxPrefix {
		return syscall.EINVAL
	}
	m.mu.Lock()
	defer m.mu.Unlock()

	at, above := slot{m: m}, slot{m: m} // of the node, of its parent
	parent := uint32(0)
	ref := at.load()
	for ; ref != 0; ref = at.load() {
		n := m.nodes.at(ref - 1)
		length := load32(add(n, nodePrefix))
		if m.match(n, &p, min(length, p.len)) != length {
			return syscall.ENOENT
		}
		if length == p.len {
			break
		}
		parent, above = ref, at
		at.at = child(n, m.bit(&p, length))
	}
	if ref == 0 {
		return syscall.ENOENT
	}
	n := m.nodes.at(ref - 1)
	v := load32(add(n, nodeValue))
	if v == 0 {
		return syscall.ENOENT
	}
	m.entries--
	m.change(func() { m.cut(ref, parent, at, above) })
	m.values.put(v - 1)
	return 0
}

// cut takes a node's value away, and what is no longer needed with it: the
// node unless it has two children, and a valueless parent left with one.
func (m *lpmTrie) cut(ref, parent uint32, at, above slot) {
	n := m.nodes.at(ref - 1)
	left, right := load32(child(n, 0)), load32(child(n, 1))
	store32(add(n, nodeValue), 0)
	if left != 0 && right != 0 {
		return
	}
	m.nodes.put(ref - 1)
	if left != 0 || right != 0 {
		at.store(left | right)
		return
	}
	at.store(0)
	if parent == 0 {
		return
	}
	p := m.nodes.at(parent - 1)
	if load32(add(p, nodeValue)) == 0 {
		above.store(load32(child(p, 0)) | load32(child(p, 1)))
		m.nodes.put(parent - 1)
	}
}

// NextKey goes from more to less specific prefixes (postorder); a key that is
// not in the trie starts over.
func (m *lpmTrie) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	root := m.root.Load()
	if root == 0 {
		return syscall.ENOENT
	}
	ref := uint32(0)
	if key != nil {
		var there bool
		if ref, there = m.after(pointerTo(key)); there && ref == 0 {
			return syscall.ENOENT
		}
	}
	if ref == 0 {
		ref = m.leftmost(root)
	}
	n := m.nodes.at(ref - 1)
	write32(pointerTo(next), load32(add(n, nodePrefix)))
	copy(next[4:], bytesAt(add(n, nodeData), m.dataSize))
	return 0
}

// after finds the entry that follows key in postorder, 0 if it is the last;
// there says whether key itself was found.
func (m *lpmTrie) after(key Pointer) (next uint32, there bool) {
	p := m.prefixOf(key)
	if p.len > m.maxPrefix {
		return 0, false
	}
	// pending is what follows when everything below it is done: the sibling on
	// the right, or else the nearest ancestor with a value.
	var pending uint32
	sibling := false
	for ref := m.root.Load(); ref != 0; {
		n := m.nodes.at(ref - 1)
		length := load32(add(n, nodePrefix))
		if m.match(n, &p, min(length, p.len)) != length {
			return 0, false
		}
		if length == p.len {
			if load32(add(n, nodeValue)) == 0 {
				return 0, false
			}
			if sibling {
				pending = m.leftmost(pending)
			}
			return pending, true
		}
		if load32(add(n, nodeValue)) != 0 {
			pending, sibling = ref, false
		}
		bit := m.bit(&p, length)
		if right := load32(child(n, 1)); bit == 0 && right != 0 {
			pending, sibling = right, true
		}
		ref = load32(child(n, bit))
	}
	return 0, false
}

// leftmost is the first entry in postorder of the trie below ref.
func (m *lpmTrie) leftmost(ref uint32) uint32 {
	for {
		n := m.nodes.at(ref - 1)
		left, right := load32(child(n, 0)), load32(child(n, 1))
		switch {
		case left != 0:
			ref = left
		case right != 0:
			ref = right
		default:
			return ref
		}
	}
}
