package helpers

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/heap"
	"github.com/skepdev/skep/vm/internal/interp"
)

// Objects that programs allocate, and what owns them: fields of map values,
// lists and trees. Linux's verifier puts the object's description and the place
// of the node into calls; here the heap knows both.
var objectKfuncs = map[string]interp.Helper{
	"bpf_obj_new_impl":          func(t *interp.Thread) uint64 { return objectNew(t, t.Program().Objects) },
	"bpf_percpu_obj_new_impl":   func(t *interp.Thread) uint64 { return objectNew(t, t.Program().PerCPUObjects) },
	"bpf_obj_drop_impl":         objectDrop,
	"bpf_percpu_obj_drop_impl":  objectDrop,
	"bpf_refcount_acquire_impl": objectAcquire,
	"bpf_list_push_front_impl":  func(t *interp.Thread) uint64 { return listPush(t, false) },
	"bpf_list_push_back_impl":   func(t *interp.Thread) uint64 { return listPush(t, true) },
	"bpf_list_pop_front":        func(t *interp.Thread) uint64 { return listTake(t, (*heap.Heap).Pop, false) },
	"bpf_list_pop_back":         func(t *interp.Thread) uint64 { return listTake(t, (*heap.Heap).Pop, true) },
	"bpf_list_front":            func(t *interp.Thread) uint64 { return listTake(t, (*heap.Heap).End, false) },
	"bpf_list_back":             func(t *interp.Thread) uint64 { return listTake(t, (*heap.Heap).End, true) },
	"bpf_rbtree_add_impl":       treeAdd,
	"bpf_rbtree_remove":         treeRemove,
	"bpf_rbtree_first":          func(t *interp.Thread) uint64 { return treeTop(t, (*heap.Heap).First) },
	"bpf_rbtree_root":           func(t *interp.Thread) uint64 { return treeTop(t, (*heap.Heap).Root) },
	"bpf_rbtree_left":           func(t *interp.Thread) uint64 { return treeChild(t, false) },
	"bpf_rbtree_right":          func(t *interp.Thread) uint64 { return treeChild(t, true) },
}

var objectTable = table{
	abi.FnKptrXchg:   kptrXchg,
	abi.FnPerCpuPtr:  func(t *interp.Thread) uint64 { return perCPUPtr(t, uint64(uint32(t.R[2]))) },
	abi.FnThisCpuPtr: func(t *interp.Thread) uint64 { return perCPUPtr(t, uint64(t.CPU)) },
}

// UsesObjects says whether a program that calls that helper or kernel function
// works on the heap.
func UsesObjects(id abi.HelperID, kfunc string) bool {
	return objectTable[id] != nil || objectKfuncs[kfunc] != nil || cpumaskKfuncs[kfunc] != nil
}

// Sizes of what programs declare: struct bpf_list_head, bpf_list_node,
// bpf_rb_root and bpf_rb_node.
const (
	rootSize     = 16
	listNodeSize = 24
	treeNodeSize = 32
)

func objectNew(t *interp.Thread, types map[uint32]*heap.Type) uint64 {
	typ := types[uint32(t.R[1])]
	if typ == nil || t.R[1]>>32 != 0 {
		t.Fail("type %d is not a structure that this program can allocate", t.R[1])
		return 0
	}
	return t.Env.Heap.New(typ)
}

// object is the object that begins at a.
func object(t *interp.Thread, a uint64) bool {
	if start, typ := t.Env.Heap.Object(a); typ != nil && start == a {
		return true
	}
	t.Fail("%#x is not an object that a program allocated", a)
	return false
}

func objectDrop(t *interp.Thread) uint64 {
	if object(t, t.R[1]) {
		t.Env.Heap.Drop(t.R[1])
	}
	return 0
}

func objectAcquire(t *interp.Thread) uint64 {
	if object(t, t.R[1]) && t.Env.Heap.Acquire(t.R[1]) {
		return t.R[1]
	}
	return 0
}

// kptrXchg swaps what a field owns. Who gets the old object owns it.
func kptrXchg(t *interp.Thread) uint64 {
	if t.R[1]%8 != 0 {
		t.Fail("bpf_kptr_xchg: the field at %#x is not aligned", t.R[1])
		return 0
	}
	if t.Write(t.R[1], 8) == nil {
		return 0
	}
	return t.Env.Heap.Swap(t.R[1], t.R[2])
}

func perCPUPtr(t *interp.Thread, cpu uint64) uint64 {
	if cpu >= uint64(t.Env.CPUs) {
		return 0
	}
	a := t.Env.Heap.CPU(t.R[1], int(cpu))
	if a == 0 {
		t.Fail("%#x is not a per-CPU object that a program allocated", t.R[1])
	}
	return a
}

// words makes sure that n bytes at a are words of the run's.
func words(t *interp.Thread, a, n uint64) bool {
	if a%8 != 0 {
		t.Fail("the structure at %#x is not aligned", a)
		return false
	}
	return t.Write(a, n) != nil
}

// node makes sure that a node of that size at a lies in an object.
func node(t *interp.Thread, a, n uint64) bool {
	if a%8 == 0 && t.Env.Heap.Has(a, n) {
		return true
	}
	t.Fail("%#x is not a node of an object that a program allocated", a)
	return false
}

// refuseNode is what happens to a node that is linked already.
func refuseNode(t *interp.Thread, a uint64) uint64 {
	start, _ := t.Env.Heap.Object(a)
	t.Env.Heap.Drop(start)
	return fail(syscall.EINVAL)
}

func listPush(t *interp.Thread, back bool) uint64 {
	head, n := t.R[1], t.R[2]
	if !words(t, head, rootSize) || !node(t, n, listNodeSize) {
		return 0
	}
	if !t.Env.Heap.Push(head, n, back) {
		return refuseNode(t, n)
	}
	return 0
}

func listTake(t *interp.Thread, f func(h *heap.Heap, head uint64, back bool) uint64, back bool) uint64 {
	if !words(t, t.R[1], rootSize) {
		return 0
	}
	return f(t.Env.Heap, t.R[1], back)
}

func treeAdd(t *interp.Thread) uint64 {
	root, n, less := t.R[1], t.R[2], t.R[3]
	if !words(t, root, rootSize) || !node(t, n, treeNodeSize) {
		return 0
	}
	h := t.Env.Heap
	if !h.Claim(n) {
		return refuseNode(t, n)
	}
	parent, right, leftmost := uint64(0), false, true
	for x := h.Root(root); x != 0; x = h.Step(x, right) {
		ret, ok := t.Callback(less, n, x)
		if !ok || !t.Charge(1) {
			return 0
		}
		parent, right = x, ret == 0
		leftmost = leftmost && !right
	}
	h.Insert(root, n, parent, right, leftmost)
	return 0
}

func treeRemove(t *interp.Thread) uint64 {
	if !words(t, t.R[1], rootSize) || !node(t, t.R[2], treeNodeSize) || !t.Env.Heap.Remove(t.R[1], t.R[2]) {
		return 0
	}
	return t.R[2]
}

func treeTop(t *interp.Thread, f func(h *heap.Heap, root uint64) uint64) uint64 {
	if !words(t, t.R[1], rootSize) {
		return 0
	}
	return f(t.Env.Heap, t.R[1])
}

func treeChild(t *interp.Thread, right bool) uint64 {
	if !words(t, t.R[1], rootSize) || !node(t, t.R[2], treeNodeSize) {
		return 0
	}
	return t.Env.Heap.Child(t.R[1], t.R[2], right)
}
