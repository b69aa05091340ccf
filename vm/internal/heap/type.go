package heap

// Kind tells what a field of a value or object means to the runtime.
type Kind uint8

// Kinds of fields, by the names that Linux gives them (enum btf_field_type).
const (
	_         Kind = iota
	Kptr           // owns an object
	List           // struct bpf_list_head
	ListNode       // struct bpf_list_node
	Tree           // struct bpf_rb_root
	TreeNode       // struct bpf_rb_node
	Refcount       // struct bpf_refcount
	SpinLock       // struct bpf_spin_lock, also the resilient one
	Workqueue      // struct bpf_wq
)

// sizes are the bytes of a field.
var sizes = [...]uint32{
	Kptr: 8, List: 16, ListNode: 24, Tree: 16, TreeNode: 32, Refcount: 4, SpinLock: 4, Workqueue: 16,
}

// Size is how many bytes a field of that kind takes.
func (k Kind) Size() uint32 { return sizes[k] }

// Field is a field with a meaning. Offset is in bytes.
type Field struct {
	Kind   Kind
	Offset uint32
}

// Type describes objects that programs allocate. It does not change.
type Type struct {
	Name string
	// Size in bytes.
	Size   uint32
	Fields []Field
	// PerCPU says that an object is one copy for each CPU.
	PerCPU bool
}

// Find is the offset of the only field of a kind.
func (t *Type) Find(k Kind) (offset uint32, ok bool) {
	for _, f := range t.Fields {
		if f.Kind == k {
			return f.Offset, true
		}
	}
	return 0, false
}
