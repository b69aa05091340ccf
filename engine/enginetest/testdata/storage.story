# Storage of cgroups, and walks that change what they walk over.

packet any = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / zero:22

story cgroup-storage: shared by the runs of one test, and new with the next
object storage tally
in any
run tally times 3
return 1
wantvar out = u64:3,30
run tally
wantvar out = u64:1,10
map shared u64:1,0 = u64:5 fails ENOENT
delete shared u64:1,0 fails EINVAL
count each 0

story walk-and-delete: elements that go before their turn
object storage pairs
in any
run pairs
return 0
wantvar out = u64:1,1
count table 0
