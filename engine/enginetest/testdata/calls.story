# Subprograms, tail calls, callbacks.

packet any = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / zero:22

story subprograms: arguments, results and stacks of functions
object calls subprograms
in any
run subprograms
return XDP_PASS
wantvar out = u64:832040,55,1079,64

story tail-call: goes to the program that the object put there, and does not come back
object calls
in any
var slot = u32:1
run jump
return XDP_TX
wantvar out = u64:2,64

story tail-call-into-nothing: an empty slot or one past the end falls through
object calls
in any
var slot = u32:0
run jump
return XDP_PASS
wantvar out = u64:1
var out = u64:0
var slot = u32:4
run jump
return XDP_PASS
wantvar out = u64:1

story tail-call-limit: 33 tail calls and no more
object calls
in any
run countdown
return XDP_DROP
wantvar depth = u32:34

story tail-call-in-subprogram: ends the subprogram, not its caller
object calls
in any
var slot = u32:1
run below
return XDP_PASS
wantvar out = u64:2,64,3

story tail-call-removed: user space may take a program out
object calls
in any
delete jumps u32:1
var slot = u32:1
run jump
return XDP_PASS
delete jumps u32:1 fails ENOENT

story loop: bpf_loop counts, stops early, and has its limits
object calls loop
in any
run loop
return XDP_PASS
wantvar out = s64:5,10,3,3,-7,-22
var rounds = u32:0
run loop
wantvar out = s64:0,0,0,0
var rounds = u32:100000
run loop
wantvar out = s64:100000,4999950000

story each: bpf_for_each_map_elem visits, changes and stops
object calls each
map numbers u32:0 = u64:1
map numbers u32:1 = u64:2
map numbers u32:2 = u64:3
map numbers u32:3 = u64:4
in any
run each
wantvar out = s64:4,30,2,305
want numbers u32:0 = u64:201
want numbers u32:1 = u64:202
want numbers u32:2 = u64:103
