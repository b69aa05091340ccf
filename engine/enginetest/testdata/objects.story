# Objects that programs allocate, and what owns them.

packet any = eth / zero:50

story lists: both ends, and none
object objects lists
needs kfunc bpf_list_push_back_impl bpf_obj_new_impl
in any
run lists
return TC_ACT_OK
wantvar out = s64:-1,3,2,1,-1

story list-ends: looked at without taking
object objects ends
needs kfunc bpf_list_front
in any
run ends
return TC_ACT_OK
wantvar out = s64:5,6

story trees: the least first, equal ones too
object objects trees
needs kfunc bpf_rbtree_add_impl
in any
run trees
return TC_ACT_OK
wantvar out = s64:-1,0,10,10,20,30,40

story tree-shape: as the kernel balances it
object objects shape
needs kfunc bpf_rbtree_root
in any
run shape
return TC_ACT_OK
wantvar out = s64:4,2,6,7

story list-and-tree: an object in both, and not twice in one
object objects both
needs kfunc bpf_refcount_acquire_impl
in any
run both
return TC_ACT_OK
wantvar out = s64:0,0,-22,7,7,-1

story fields: what a map's values own
object objects fields
needs kfunc bpf_obj_new_impl
in any
run fields
return TC_ACT_OK
wantvar out = s64:0,1,11,1,0,1,4

story percpu-object: a copy for each CPU
object objects percpu
needs kfunc bpf_percpu_obj_new_impl
in any
run percpu
return TC_ACT_OK
wantvar out = s64:1,1,21,22

story cpumasks: sets of CPUs
object objects masks
needs kfunc bpf_cpumask_create bpf_cpumask_weight
run masks
wantvar out = s64:1,0,1,1,6,1,1,5,1,0,1,1,0,1
