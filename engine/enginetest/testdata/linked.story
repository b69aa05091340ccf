# Two objects linked into one.

packet any = eth / zero:50

story halves: calls, maps and variables from one to the other
object linked first second
in any
run first
return 39
wantvar seen = u64:25
wantvar limit = u32:20
want counts u32:1 = u64:1
run second
return 14
wantvar seen = u64:26
wantvar apart = u64:7
want counts u32:1 = u64:41
