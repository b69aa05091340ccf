# Timers in values of maps.

packet any = eth / zero:50

story periodic: a callback that arms its timer again, and what order the calls must have
object timer set
in any
var slot = u32:2
run set
return XDP_PASS
wantvar out = s64:-22,0,-16,-22,0,-22,0
ring events u64:2,1
ring events u64:2,2
ring events u64:2,3
want alarms u32:2 = u64:3 zero:16 u64:3

story called-off: before it fires, and again
object timer call_off
in any
run call_off
return XDP_PASS
wantvar out = s64:-22,0,0,0,1,0,-22,0
ring events u64:77,1

story ends-with-its-element: and the next element of that key has none
object timer forget
in any
run forget
return XDP_PASS
wantvar out = s64:0,-22
map named u64:78 = zero:32
count named 1
