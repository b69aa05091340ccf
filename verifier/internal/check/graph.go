package check

import (
	"github.com/skepdev/skep/isa"
)

// isGraphKfunc reports functions of lists and trees.
func isGraphKfunc(name string) bool { return isListKfunc(name) || isTreeKfunc(name) }

func isListKfunc(name string) bool {
	switch name {
	case "bpf_list_push_front_impl", "bpf_list_push_back_impl", "bpf_list_pop_front", "bpf_list_pop_back",
		"bpf_list_front", "bpf_list_back":
		return true
	}
	return false
}

func isTreeKfunc(name string) bool {
	switch name {
	case kfRBTreeAdd, "bpf_rbtree_remove", "bpf_rbtree_first", "bpf_rbtree_root", "bpf_rbtree_left", "bpf_rbtree_right":
		return true
	}
	return false
}

// graphNodeReg is a node of a list or tree.
func graphNodeReg(head *field) Reg {
	r := pointerReg(BTFPtr, Alloc)
	r.Obj, r.Off = head.typ, int32(head.node)
	return r
}

// graphRoot is a list head or tree root, whose lock must be held
// (__process_kf_arg_ptr_to_graph_root).
func (c *Checker) graphRoot(k *kfuncCall, reg int, r *Reg, class kfuncArgClass) error {
	kind := fieldListHead
	ours := isListKfunc(k.name)
	if class == kargTreeRoot {
		kind, ours = fieldRBRoot, isTreeKfunc(k.name)
	}
	own := r.Kind == BTFPtr && r.Flags == Alloc
	switch {
	case !ours:
		return c.bug("%s takes a %s", k.name, kind)
	case !(r.Kind == MapValue && r.Flags == 0) && !own:
		return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d expected pointer to map value or allocated object", reg-1)
	case own && r.Ref == 0:
		return c.rejectReg(reg, RuleReleased, EINVAL, "allocated object must be referenced")
	case !r.IsConst():
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "R%d doesn't have constant offset. %s has to be at the constant offset", reg, kind)
	}
	rec := c.recordOfReg(r)
	at := int64(r.Off) + int64(r.Value())
	f := rec.at(at)
	if f == nil || f.kind != kind {
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "%s not found at offset=%d", kind, uint32(at))
	}
	if err := c.holdsLockOf(r, rec, kind); err != nil {
		return err
	}
	k.head = f
	return nil
}

// holdsLockOf makes sure that the lock in the same object is held
// (check_reg_allocation_locked).
func (c *Checker) holdsLockOf(r *Reg, rec *record, kind fieldKind) error {
	held := false
	for i := range c.cur.Refs {
		ref := &c.cur.Refs[i]
		held = held || ref.Kind&refLocks != 0 && ref.ID == r.ID && ref.Obj == lockIdentity(r)
	}
	if held {
		return nil
	}
	at := int64(-1)
	if f := rec.find(fieldSpinLock); f != nil {
		at = int64(f.offset)
	}
	missing := c.textf("bpf_spin_lock at off=%d must be held for %s", at, kind)
	if c.cur.Locks > 0 {
		return c.also(c.reject(RuleLock, EINVAL, "held lock and object are not in the same allocation"), missing)
	}
	return c.reject(RuleLock, EINVAL, "%s", missing)
}

// graphNode is the node to add or remove (__process_kf_arg_ptr_to_graph_node).
func (c *Checker) graphNode(k *kfuncCall, reg int, r *Reg, class kfuncArgClass) error {
	head, kind := fieldListHead, fieldListNode
	if class == kargTreeNode {
		head, kind = fieldRBRoot, fieldRBNode
	}
	if class == kargTreeNode && !k.is(kfRBTreeAdd) {
		if !c.opts.since(6, 16) && (r.Flags&NonOwn == 0 || r.Ref != 0) {
			return c.rejectReg(reg, RuleArgument, EINVAL, "rbtree_remove node input must be non-owning ref")
		}
		if r.Flags&NonOwn == 0 && r.Ref == 0 {
			return c.rejectReg(reg, RuleArgument, EINVAL, "%s can only take non-owning or refcounted bpf_rb_node pointer", k.name)
		}
		if c.inTreeCallback() {
			return c.rejectReg(reg, RuleCallback, EINVAL, "%s not allowed in rbtree cb", k.name)
		}
	} else {
		if r.Kind != BTFPtr || r.Flags != Alloc {
			return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d expected pointer to allocated object", reg-1)
		}
		if r.Ref == 0 {
			return c.rejectReg(reg, RuleReleased, EINVAL, "allocated object must be referenced")
		}
	}
	if !r.IsConst() {
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "R%d doesn't have constant offset. %s has to be at the constant offset", reg, kind)
	}
	at := int64(r.Off) + int64(r.Value())
	if f := c.recordOfReg(r).at(at); f == nil || f.kind != kind {
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "%s not found at offset=%d", kind, uint32(at))
	}
	if k.head == nil {
		return c.bug("a node without a %s", head)
	}
	want := k.head
	if r.Obj != want.typ {
		return c.rejectReg(reg, RuleArgument, EINVAL, "operation on %s expects arg#1 %s at offset=%d in struct %s, but arg is at offset=%d in struct %s",
			head, kind, want.node, c.types.nameOf(want.typ), at, c.types.nameOf(r.Obj))
	}
	if at != int64(want.node) {
		return c.rejectReg(reg, RuleArgument, EINVAL, "arg#1 offset=%d, but expected %s at offset=%d in struct %s", at, kind, want.node, c.types.nameOf(want.typ))
	}
	k.object = r.Obj
	return nil
}

// lend makes a pointer a borrowed one: valid until the lock is given back.
// Counted objects stay readable in an RCU read section (ref_set_non_owning).
func (c *Checker) lend(r *Reg) {
	r.Flags |= NonOwn
	if c.recordOfReg(r).has(fieldRefcount) {
		r.Flags |= RCU
	}
}

// lendNode gives an object to a list or tree and keeps a borrowed pointer
// (ref_convert_owning_non_owning).
func (c *Checker) lendNode(ref uint32) error {
	if ref == 0 || !c.cur.dropRef(ref) {
		return c.bug("an object without a reference was added")
	}
	c.cur.eachReg(func(r *Reg) {
		if r.Ref == ref {
			r.Ref = 0
			c.lend(r)
		}
	})
	return nil
}

// rbtreeLess finds two borrowed nodes (set_rbtree_add_callback_state).
func (c *Checker) rbtreeLess(caller, callee *Frame) error {
	r := &caller.Regs[1]
	f := c.recordOfReg(r).at(int64(r.Off) + int64(r.Value()))
	if f == nil || f.kind != fieldRBRoot || f.typ == 0 {
		return c.bug("a tree of nothing")
	}
	callee.Regs[1] = graphNodeReg(f)
	c.lend(&callee.Regs[1])
	callee.Regs[2] = graphNodeReg(f)
	c.lend(&callee.Regs[2])
	callee.Ret = zeroOrOne
	return nil
}

// inTreeCallback reports that a tree's comparison is running, somewhere up the
// calls.
func (c *Checker) inTreeCallback() bool {
	for i := c.cur.Cur; i > 0; i-- {
		f := c.cur.Frames[i]
		if f.InCallback && f.Callsite >= 0 && c.calledTree(c.insns[f.Callsite]) {
			return true
		}
	}
	return false
}

func (c *Checker) calledTree(ins isa.Instruction) bool {
	k := c.kfuncOf(ins)
	return k != nil && isTreeKfunc(k.name)
}
