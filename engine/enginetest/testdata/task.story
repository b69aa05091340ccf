# The process in whose name programs run.

story identity: the current task is this process, by helpers and by its structure
object task identity
run identity
return 0
wantvar out = s64:1,1,1,1,1,1,1,1,1,0

story stack: its number, its addresses, and what is refused
object task stack
run stack
return 0
wantvar out = s64:1,-22,-14,1,1,-22,-22,0
count stacks 1
map stacks u32:0 = zero:64 fails EINVAL
delete stacks u32:64 fails E2BIG

story cgroup-array: an empty place and one past the end
object task group
run group
return 0
wantvar out = s64:-11,-7
map groups u32:0 = s32:-1 fails EBADF
delete groups u32:0 fails ENOENT

story task-storage: made on demand, shared by runs, deleted
object task note
run note
return 0
wantvar out = s64:1,-2,42,0,0,1
