# Map types, from the program's side and from user space.

packet any = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53
packet near = eth / ip4 10.0.0.1 > 10.1.2.3 / udp 1000 > 53
packet nearer = eth / ip4 10.0.0.1 > 10.1.3.9 / udp 1000 > 53
packet far = eth / ip4 10.0.0.1 > 192.0.2.1 / udp 1000 > 53

story update-flags: what helpers answer, errno by errno
object maps updates
in any
run updates
return XDP_PASS
wantvar out = s64:-2,0,-17,-7,0,-2,1,-7,-17,0,-22
want hash u32:1 = u64:10
want hash u32:2 = none
want hash u32:3 = u64:10
count hash 2
want array u32:3 = u64:10
want array u32:0 = u64:0
want array u32:4 = none

story array-user-space: arrays cannot grow or shrink
object maps updates
map array u32:4 = u64:1 fails E2BIG
map array u32:2 = u64:5
delete array u32:2 fails EINVAL
want array u32:2 = u64:5
count array 4

story hash-user-space: deletes find or do not find
object maps updates
delete hash u32:1 fails ErrKeyNotExist
map hash u32:1 = u64:1
delete hash u32:1
delete hash u32:1 fails ENOENT

story in-place: a value's address stays while its entry does
object maps in_place
in any
run in_place
wantvar out = s64:11,1
want hash u32:7 = u64:11

story lru: full maps forget the oldest and keep the newest
object maps evict
in any
run evict
wantvar out = s64:0,512
want lru u32:511 = u64:511
want lru u32:0 = none

story longest-prefix: the most specific route wins
object maps longest_prefix
in far
run longest_prefix
wantvar out = u64:0xffffffff
map routes u32:0 ip:0.0.0.0 = u32:1
map routes u32:8 ip:10.0.0.0 = u32:2
map routes u32:16 ip:10.1.0.0 = u32:3
map routes u32:24 ip:10.1.3.0 = u32:4
map routes u32:32 ip:10.1.2.3 = u32:5
map routes u32:33 ip:10.1.2.3 = u32:6 fails EINVAL
count routes 5
run longest_prefix
wantvar out = s64:1
in any
run longest_prefix
wantvar out = s64:2
in near
run longest_prefix
wantvar out = s64:5
in nearer
run longest_prefix
wantvar out = s64:4
delete routes u32:24 ip:10.1.3.0
run longest_prefix
wantvar out = s64:3
delete routes u32:24 ip:10.1.3.0 fails ENOENT
want routes u32:9 ip:10.1.0.0 = u32:2

story queue-and-stack: first and last come first; a full one refuses or forgets
object maps push_and_pop
in any
run push_and_pop
wantvar out = s64:-7,-7,0,2,2,3,1,-2,0
want queue = u32:3

story per-cpu-hash: a CPU's own value, and that of another by number
object maps per_cpu
in any
run per_cpu
return XDP_PASS
wantvar out = s64:0,7,1
sum percpu_hash u32:1 = u64:7
count percpu_hash 1

story per-cpu-from-user-space: an update sets every CPU's value
object maps per_cpu
map percpu_hash u32:1 = u64:5
delete percpu_hash u32:1
want percpu_hash u32:1 = none

story map-in-map: inner maps that the object names, in arrays and hashes
object maps nested
in any
run nested
wantvar out = s64:1,-1,3,13,-1
run nested
wantvar out = s64:2,-1,16,26,-1
want inner_a u32:1 = u64:2
want inner_b u32:1 = u64:26

story spin-lock: a value under its lock
object maps locked
in any
run locked times 3
return TC_ACT_OK
want guards u32:0 = any:4 u32:3 u64:126
