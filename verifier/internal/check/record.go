package check

import (
	"strings"

	"github.com/cilium/ebpf/btf"
)

// record lists the members of a value that have a meaning to the kernel: locks,
// timers, pointers (struct btf_record).
type record struct {
	list []field
}

type field struct {
	kind         fieldKind
	offset, size uint32
	typ          uint32 // pointers, list heads and tree roots: handle of what they lead to
	node         uint32 // list heads and tree roots: offset of the node in that
}

type fieldKind uint8

const (
	fieldSpinLock fieldKind = iota
	fieldResSpinLock
	fieldTimer
	fieldWorkqueue
	fieldTaskWork
	fieldKptrUnref
	fieldKptrRef
	fieldKptrPerCPU
	fieldUptr
	fieldListHead
	fieldListNode
	fieldRBRoot
	fieldRBNode
	fieldRefcount
)

var fieldNames = [...]string{
	"bpf_spin_lock", "bpf_res_spin_lock", "bpf_timer", "bpf_wq", "bpf_task_work", "kptr", "kptr", "percpu_kptr", "uptr",
	"bpf_list_head", "bpf_list_node", "bpf_rb_root", "bpf_rb_node", "bpf_refcount",
}

func (k fieldKind) String() string { return fieldNames[k] }

func (k fieldKind) isKptr() bool {
	return k == fieldKptrUnref || k == fieldKptrRef || k == fieldKptrPerCPU || k == fieldUptr
}

func (r *record) fields() []field {
	if r == nil {
		return nil
	}
	return r.list
}

func (r *record) has(k fieldKind) bool { return r.find(k) != nil }

func (r *record) find(k fieldKind) *field {
	for i := range r.fields() {
		if r.list[i].kind == k {
			return &r.list[i]
		}
	}
	return nil
}

func (r *record) hasNode() bool { return r.has(fieldListNode) || r.has(fieldRBNode) }

// at is the field that begins at off.
func (r *record) at(off int64) *field {
	for i := range r.fields() {
		if int64(r.list[i].offset) == off {
			return &r.list[i]
		}
	}
	return nil
}

// overlap is a field that shares bytes with [lo, hi).
func (r *record) overlap(lo, hi int64) *field {
	for i := range r.fields() {
		if f := &r.list[i]; lo < int64(f.offset+f.size) && int64(f.offset) < hi {
			return f
		}
	}
	return nil
}

// recordOf is the record of one of the program's own types.
func (t *typeTable) recordOf(typ btf.Type) *record {
	if typ == nil {
		return nil
	}
	typ = plain(typ)
	if r, ok := t.records[typ]; ok {
		return r
	}
	r := &record{}
	t.records[typ] = r // before what it leads to: types may be cyclic
	t.collect(typ, 0, 0, r, "")
	if len(r.list) == 0 {
		r = nil
		t.records[typ] = nil
	}
	return r
}

// special are the structures with a meaning, by name.
var special = map[string]fieldKind{
	"bpf_spin_lock": fieldSpinLock, "bpf_res_spin_lock": fieldResSpinLock, "bpf_timer": fieldTimer,
	"bpf_wq": fieldWorkqueue, "bpf_task_work": fieldTaskWork, "bpf_list_head": fieldListHead, "bpf_list_node": fieldListNode,
	"bpf_rb_root": fieldRBRoot, "bpf_rb_node": fieldRBNode, "bpf_refcount": fieldRefcount,
}

// collect adds the fields of typ at offset base.
func (t *typeTable) collect(typ btf.Type, base uint32, depth int, r *record, contains string) {
	const maxFields, maxDepth = 64, 16
	if depth > maxDepth || len(r.list) >= maxFields {
		return
	}
	switch v := typ.(type) {
	case *btf.Struct:
		if k, ok := special[v.Name]; ok {
			f := field{kind: k, offset: base, size: v.Size}
			if contains != "" {
				t.resolveContains(contains, &f)
			}
			r.list = append(r.list, f)
			return
		}
		for i := range v.Members {
			m := &v.Members[i]
			if m.BitfieldSize != 0 {
				continue
			}
			t.collect(plainKeepTags(m.Type), base+m.Offset.Bytes(), depth+1, r, containsTag(m.Tags))
		}
	case *btf.Datasec:
		for _, s := range v.Vars {
			if w, ok := s.Type.(*btf.Var); ok {
				t.collect(plainKeepTags(w.Type), base+s.Offset, depth+1, r, containsTag(w.Tags))
			}
		}
	case *btf.Array:
		elem := plainKeepTags(v.Type)
		size, ok := sizeOf(elem)
		if !ok {
			return
		}
		for i := uint32(0); i < v.Nelems && len(r.list) < maxFields; i++ {
			before := len(r.list)
			t.collect(elem, base+i*size, depth+1, r, contains)
			if len(r.list) == before {
				return
			}
		}
	case *btf.Pointer:
		t.collectPointer(v, base, r)
	}
}

// plainKeepTags is plain; type tags of pointers stand behind the pointer.
func plainKeepTags(t btf.Type) btf.Type { return plain(t) }

func containsTag(tags []string) string {
	for _, t := range tags {
		if s, ok := strings.CutPrefix(t, "contains:"); ok {
			return s
		}
	}
	return ""
}

// resolveContains reads "struct:member", which says what a list or tree is of.
func (t *typeTable) resolveContains(s string, f *field) {
	name, member, ok := strings.Cut(s, ":")
	if !ok || t.prog == nil {
		return
	}
	var st *btf.Struct
	if t.prog.TypeByName(name, &st) != nil {
		return
	}
	for i := range st.Members {
		if st.Members[i].Name == member {
			f.typ, f.node = t.handle(st, false), st.Members[i].Offset.Bytes()
		}
	}
}

func (t *typeTable) collectPointer(p *btf.Pointer, base uint32, r *record) {
	kind, ok := fieldKptrUnref, false
	for _, tag := range tagsOf(p.Target) {
		switch tag {
		case "kptr_untrusted":
			kind, ok = fieldKptrUnref, true
		case "kptr":
			kind, ok = fieldKptrRef, true
		case "percpu_kptr":
			kind, ok = fieldKptrPerCPU, true
		case "uptr":
			kind, ok = fieldUptr, true
		}
	}
	target := plain(p.Target)
	if !ok || target == nil || !isStruct(target) {
		return
	}
	f := field{kind: kind, offset: base, size: 8}
	// A structure of the kernel by that name comes first.
	if kind != fieldUptr {
		f.typ = t.kernelStruct(flavorless(target.TypeName()))
	}
	if f.typ == 0 {
		f.typ = t.handle(t.own(target), false)
	}
	r.list = append(r.list, f)
}

// rcuProtected are the kernel's structures that outlive their last reference
// until the end of a read section.
var rcuProtected = map[string]bool{
	"prog_test_ref_kfunc": true, "cgroup": true, "bpf_cpumask": true, "task_struct": true, "bpf_crypto_ctx": true,
}

func (f *field) rcuSafe(c *Checker) bool {
	return f.kind == fieldKptrPerCPU || f.kind == fieldKptrRef && (!c.types.isKernel(f.typ) || rcuProtected[c.types.nameOf(f.typ)])
}

// recordOfReg is the record of what a register points into.
func (c *Checker) recordOfReg(r *Reg) *record {
	switch {
	case r.Kind == MapValue:
		if m := c.mapOf(r); m != nil {
			return m.record
		}
	case r.Kind == BTFPtr && r.Flags&Alloc != 0:
		return c.types.recordOf(c.types.at(r.Obj).t)
	}
	return nil
}
