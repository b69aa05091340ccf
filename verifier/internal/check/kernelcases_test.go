package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// Cases in testdata/kernel see a small kernel, made here: its structures and
// functions are written as in C, as far as the verifier looks at them. In their
// code "call bpf_name" calls a kernel function; "&type" is the number of one of
// the program's types, "&&type" of one of the kernel's.

// structs are the structures of the small kernel: name, size, members as
// "type name offset".
var kernelStructs = []string{
	"bpf_dynptr 16", "bpf_iter_num 8", "bpf_iter_task 24", "bpf_list_head 16", "bpf_list_node 24", "bpf_rb_root 16",
	"bpf_rb_node 32", "bpf_wq 16", "bpf_res_spin_lock 8", "seq_file 8", "bpf_map 8", "__sk_buff 8",
	"cgroup 16: u64 id 0", "sk_buff 16: u64 len 0", "bpf_iter_meta 8: seq_file* seq 0",
	"task_struct 24: u32 pid 0, cgroup* cgroups 8, task_struct* parent 16",
	"bpf_dummy_ops_state 8: u32 val 0", "bpf_struct_ops_bpf_dummy_ops 8", "bpf_dummy_ops 16: fn test_1 0, fn test_sleepable 8",
	"nf_conn 16: u32 timeout 0, u32 mark 8",
}

var kernelFuncs = []string{
	"void* bpf_obj_new_impl(u64 local_type_id__k, void* meta__ign)", "void bpf_obj_drop_impl(void* p__alloc, void* meta__ign)",
	"void* bpf_percpu_obj_new_impl(u64 local_type_id__k, void* meta__ign)",
	"void bpf_percpu_obj_drop_impl(void* p__alloc, void* meta__ign)",
	"void* bpf_refcount_acquire_impl(void* p__refcounted_kptr, void* meta__ign)",
	"u32 bpf_rbtree_add_impl(bpf_rb_root* root, bpf_rb_node* node, fn less, void* meta__ign, u64 off)",
	"bpf_rb_node* bpf_rbtree_remove(bpf_rb_root* root, bpf_rb_node* node)", "bpf_rb_node* bpf_rbtree_first(bpf_rb_root* root)",
	"u32 bpf_list_push_front_impl(bpf_list_head* head, bpf_list_node* node, void* meta__ign, u64 off)",
	"bpf_list_node* bpf_list_pop_front(bpf_list_head* head)",
	"task_struct* bpf_task_acquire(task_struct* p)", "void bpf_task_release(task_struct* p)", "task_struct* bpf_task_from_pid(u32 pid)",
	"void bpf_rcu_read_lock()", "void bpf_rcu_read_unlock()", "void bpf_preempt_disable()", "void bpf_preempt_enable()",
	"void bpf_local_irq_save(u64* flags__irq_flag)", "void bpf_local_irq_restore(u64* flags__irq_flag)",
	"u32 bpf_iter_num_new(bpf_iter_num* it, u32 start, u32 end)", "u32* bpf_iter_num_next(bpf_iter_num* it)",
	"void bpf_iter_num_destroy(bpf_iter_num* it)",
	"u32 bpf_iter_task_new(bpf_iter_task* it, task_struct* task__nullable, u32 flags)",
	"task_struct* bpf_iter_task_next(bpf_iter_task* it)", "void bpf_iter_task_destroy(bpf_iter_task* it)",
	"u32 bpf_dynptr_from_skb(__sk_buff* s, u64 flags, bpf_dynptr* ptr__uninit)",
	"void* bpf_dynptr_slice(bpf_dynptr* p, u32 offset, void* buffer__opt, u32 buffer__szk)",
	"void* bpf_dynptr_slice_rdwr(bpf_dynptr* p, u32 offset, void* buffer__opt, u32 buffer__szk)",
	"u32 bpf_dynptr_clone(bpf_dynptr* p, bpf_dynptr* clone__uninit)", "u32 bpf_dynptr_size(bpf_dynptr* p)",
	"void* bpf_cast_to_kern_ctx(void* obj)", "void* bpf_rdonly_cast(void* obj__ign, u32 btf_id__k)", "void bpf_throw(u64 cookie)",
	"u32 bpf_copy_from_user_str(void* dst, u32 dst__sz, void* unsafe_ptr__ign, u64 flags)",
	"u32 bpf_res_spin_lock(bpf_res_spin_lock* lock)", "void bpf_res_spin_unlock(bpf_res_spin_lock* lock)",
	"u32 bpf_wq_init(bpf_wq* wq, void* p__map, u32 flags)", "u32 bpf_wq_set_callback_impl(bpf_wq* wq, fn callback_fn, u32 flags, void* aux__prog)",
	"u32 bpf_wq_start(bpf_wq* wq, u32 flags)", "u64 bpf_map_sum_elem_count(bpf_map* map)",
	"u32 bpf_get_file_xattr(void* file, void* name__str, void* value_p)", "u32 bpf_not_in_any_table()", "u32 schedule()",
	"u32 bpf_iter_task(bpf_iter_meta* meta, task_struct* task)", "u32 bpf_dummy_ops__test_1(bpf_dummy_ops_state* cb__nullable)",
	"nf_conn* bpf_skb_ct_lookup(__sk_buff* skb_ctx)", "void bpf_ct_release(nf_conn* nfct)",
}

// The program's own types. Tags of members stand behind their offset.
var programStructs = []string{
	"bpf_spin_lock 4", "bpf_res_spin_lock 8", "bpf_refcount 4", "bpf_rb_root 16", "bpf_rb_node 32", "bpf_list_head 16", "bpf_list_node 24",
	"bpf_wq 16", "pair 16: u64 a 0, u64 b 8",
	"item 88: u64 key 0, bpf_rb_node node 8, bpf_list_node next 40, u64 left 64, u64 right 72",
	"counted 48: u64 key 0, bpf_rb_node node 8, bpf_refcount ref 40",
	"shared 64: bpf_spin_lock lock 0, bpf_rb_root root 8 contains:item:node, bpf_list_head head 24 contains:item:next, bpf_rb_root counts 40 contains:counted:node",
	"resilient 16: bpf_res_spin_lock lock 0, u64 n 8", "deferred 16: bpf_wq wq 0",
}

type smallTypes struct {
	structs map[string]*btf.Struct
	all     []btf.Type
}

func (s *smallTypes) parse(t string) btf.Type {
	if base, ok := strings.CutSuffix(t, "*"); ok {
		return &btf.Pointer{Target: s.parse(base)}
	}
	switch t {
	case "void":
		return (*btf.Void)(nil)
	case "u32", "u64":
		n, _ := strconv.Atoi(t[1:])
		return &btf.Int{Name: t, Size: uint32(n / 8)}
	case "fn":
		return &btf.Pointer{Target: &btf.FuncProto{Return: s.parse("u32"), Params: []btf.FuncParam{{Name: "cb", Type: s.parse("bpf_dummy_ops_state*")}}}}
	}
	if s.structs[t] == nil {
		s.structs[t] = &btf.Struct{Name: t, Size: 8}
	}
	return s.structs[t]
}

func (s *smallTypes) addStructs(lines []string) {
	for _, l := range lines {
		head, body, _ := strings.Cut(l, ": ")
		name, size, _ := strings.Cut(head, " ")
		st := s.parse(name).(*btf.Struct)
		n, _ := strconv.Atoi(size)
		st.Size = uint32(n)
		s.all = append(s.all, st)
		for m := range strings.SplitSeq(body, ", ") {
			f := strings.Fields(m)
			if len(f) < 3 {
				continue
			}
			at, _ := strconv.Atoi(f[2])
			st.Members = append(st.Members, btf.Member{Name: f[1], Type: s.parse(f[0]), Offset: btf.Bits(8 * at), Tags: f[3:]})
		}
	}
}

func (s *smallTypes) addFuncs(lines []string) {
	for _, l := range lines {
		ret, rest, _ := strings.Cut(l, " ")
		name, params, _ := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
		p := &btf.FuncProto{Return: s.parse(ret)}
		for q := range strings.SplitSeq(params, ", ") {
			if t, n, ok := strings.Cut(q, " "); ok {
				p.Params = append(p.Params, btf.FuncParam{Name: n, Type: s.parse(t)})
			}
		}
		fn := &btf.Func{Name: name, Type: p, Linkage: btf.GlobalFunc, Tags: []string{"bpf_kfunc"}}
		if name == "schedule" {
			fn.Tags = nil
		}
		s.all = append(s.all, fn)
	}
}

// spec writes the types out and reads them back, as they come from a kernel.
func (s *smallTypes) spec(t testing.TB) *btf.Spec {
	t.Helper()
	b, err := btf.NewBuilder(s.all, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func smallKernel(t testing.TB) (kernel, prog *btf.Spec) {
	k := &smallTypes{structs: make(map[string]*btf.Struct)}
	k.addStructs(kernelStructs)
	k.addFuncs(kernelFuncs)
	p := &smallTypes{structs: make(map[string]*btf.Struct)}
	p.addStructs(programStructs)
	return k.spec(t), p.spec(t)
}

type kernelWorld struct{ kernel, prog *btf.Spec }

var (
	calledName = regexp.MustCompile(`call (bpf_\w+|schedule)`)
	typeNumber = regexp.MustCompile(`(&&?)(\w+)`)
)

// program is what a case describes, in the small kernel's world.
func (w *kernelWorld) program(tc *testCase) (*Program, Options, error) {
	p := &Program{
		Name: "test", Type: abi.ProgSchedCLS, License: "GPL", Types: w.prog,
		Kfuncs: make(map[int32]string), WeakKfuncs: make(map[int32]bool),
	}
	o := Options{KernelTypes: w.kernel}
	plainCase := *tc
	plainCase.setup = nil
	for _, line := range tc.setup {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "iter":
			p.Type, p.AttachType, p.AttachTo = abi.ProgTracing, abi.AttachTraceIter, rest
		case "struct_ops":
			p.Type, p.AttachTo = abi.ProgStructOps, rest
		case "sleepable":
			p.Flags |= flagSleepable
		case "value":
			m := &Map{Name: rest, Type: abi.MapArray, KeySize: 4, MaxEntries: 1}
			var st *btf.Struct
			if err := w.prog.TypeByName(rest, &st); err != nil {
				return nil, o, err
			}
			m.Value, m.ValueSize = st, st.Size
			p.Maps = append(p.Maps, m)
		case "tag":
			p.Funcs = append(p.Funcs, Func{Name: "main", Type: &btf.Func{Name: "main", Linkage: btf.GlobalFunc, Tags: []string{rest}, Type: &btf.FuncProto{Return: &btf.Int{Size: 4}}}})
		default:
			plainCase.setup = append(plainCase.setup, line)
		}
	}
	plainCase.code = calledName.ReplaceAllStringFunc(tc.code, func(s string) string {
		n := int32(len(p.Kfuncs) + 1)
		p.Kfuncs[n] = strings.TrimPrefix(s, "call ")
		return fmt.Sprintf("call kfunc#%d", n)
	})
	var missing error
	plainCase.code = typeNumber.ReplaceAllStringFunc(plainCase.code, func(s string) string {
		from := w.prog
		if strings.HasPrefix(s, "&&") {
			from = w.kernel
		}
		var st *btf.Struct
		if err := from.TypeByName(strings.TrimLeft(s, "&"), &st); err != nil {
			missing = err
			return "0"
		}
		id, err := from.TypeID(st)
		if err != nil {
			missing = err
		}
		return strconv.Itoa(int(id))
	})
	q, qo, err := plainCase.program()
	if err != nil || missing != nil {
		return nil, o, errors.Join(err, missing)
	}
	o.Kernel, o.Unprivileged = qo.Kernel, qo.Unprivileged
	p.Instructions = q.Instructions
	p.Flags |= q.Flags
	if q.AttachType != 0 {
		p.AttachType = q.AttachType
	}
	p.Funcs = append(p.Funcs, q.Funcs...)
	p.Maps = append(p.Maps, q.Maps...)
	for _, l := range plainCase.setup {
		switch word, rest, _ := strings.Cut(l, " "); word {
		case "type":
			p.Type = q.Type
		case "license":
			p.License = rest
		}
	}
	return p, o, nil
}

func TestKernelCases(t *testing.T) {
	files, err := filepath.Glob("testdata/kernel/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	w := &kernelWorld{}
	w.kernel, w.prog = smallKernel(t)
	seen := make(map[string]bool)
	for _, file := range files {
		for _, tc := range readCases(t, file) {
			if seen[tc.name] {
				t.Errorf("%s:%d: there is another case %q", tc.file, tc.line, tc.name)
			}
			seen[tc.name] = true
			t.Run(tc.name, func(t *testing.T) { w.run(t, &tc) })
		}
	}
}

func (w *kernelWorld) run(t *testing.T, tc *testCase) {
	p, o, err := w.program(tc)
	if err != nil {
		t.Fatalf("%s:%d: %v", tc.file, tc.line, err)
	}
	_, err = Verify(context.Background(), p, o)
	var r *Rejection
	got := "ok"
	if errors.As(err, &r) {
		got = string(r.Rule) + ": " + r.Message
	} else if err != nil {
		got = err.Error()
	}
	rule, words, _ := strings.Cut(tc.want, ": ")
	gotRule, gotWords, _ := strings.Cut(got, ": ")
	if rule != gotRule || !strings.Contains(gotWords, words) {
		o.LogLevel, o.MaxLog = 2, 1<<16
		p, _, _ = w.program(tc)
		res, _ := Verify(context.Background(), p, o)
		t.Errorf("%s:%d: got  %s\nwant %s\n%s", tc.file, tc.line, got, tc.want, res.Log)
	}
}

// TestKernelTable makes sure that the table is in order, which the search needs.
func TestKernelTable(t *testing.T) {
	for _, l := range kernelFuncs {
		name, _, _ := strings.Cut(l[strings.Index(l, " ")+1:], "(")
		k := abi.KfuncByName(name)
		switch name {
		case "bpf_not_in_any_table", "schedule", "bpf_iter_task", "bpf_dummy_ops__test_1":
			if k != nil {
				t.Errorf("%s is in the table", name)
			}
		default:
			if k == nil {
				t.Errorf("%s is not found in the table", name)
			}
		}
	}
}
