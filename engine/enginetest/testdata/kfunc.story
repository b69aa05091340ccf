# Functions of the kernel.

packet any = eth / zero:50

story strings: lengths, characters, parts, and what is not there
object kfunc strings
needs kfunc bpf_strlen
in any
run strings
return XDP_PASS
wantvar out = s64:11,4,4,-2,11,11,-2,7,4,5,6,-2,6,-2,1,-1,0,-34,-2

story strings-without-case: capitals are as good
object kfunc casecmp
needs kfunc bpf_strcasecmp
in any
run casecmp
wantvar out = s64:0,-1

story bits: of one word and of several, and how many are too many
object kfunc bits
needs kfunc bpf_iter_bits_new
in any
run bits
return XDP_PASS
wantvar out = s64:0,263,0,26372,-22,0,-7,0

story dynptr-copy: copies and fills within bounds
object kfunc slices
needs kfunc bpf_dynptr_copy bpf_dynptr_memset
in any
run slices
return XDP_PASS
wantvar out = s64:0,-7,-7,0,-7,0
wantvar text = "wxxlo world" zero:5

story throw: ends the program from within a function
object kfunc throws
needs kfunc bpf_throw
in any
run throws
return 3
wantvar out = s64:3,0

story element-count: of a hash, by the kernel's own count
object kfunc counts
needs kfunc bpf_map_sum_elem_count
in any
run counts
return XDP_PASS
wantvar out = s64:4

story irq-lock: a lock that also keeps interrupts out
object kfunc irqlock
needs kfunc bpf_res_spin_lock_irqsave
in any
run irqlock
return XDP_PASS
wantvar out = s64:1,2

story user-text: that is not there
object kfunc usertext
needs kfunc bpf_copy_from_user_str
run usertext
return 0
wantvar out = s64:-14,97,-14,0,-22
