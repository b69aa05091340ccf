# tc programs on socket buffers.

packet udp = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
packet tcp = eth / ip4 10.0.0.1 > 10.0.0.2 / tcp 1000 > 53 flags=0x18 / "query"
packet six = eth / ip6 2001:db8::1 > 2001:db8::2 / udp 1000 > 53 / "query"
packet tagged = eth / vlan 42 prio=5 / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
packet double = eth / advlan 200 / vlan 100 / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"

story fields: what a test run's skb says of itself
object skb
in udp
run fields
return TC_ACT_OK
out same
wantvar out = s64:47,8,0,0,0,0,0,3,47,0,0,0,0,47,0,0
in six
run fields
wantvar out = s64:67,56710,0

story context-in: fields that a test run may set
object skb
in udp
ctx skb mark=7 priority=6 gso_segs=3 gso_size=4 wire_len=100 cb0=1
run fields
wantvar out@40 = s64:7,6
wantvar out@88 = s64:3,4,100
outctx skb mark=7 priority=6 gso_segs=3 gso_size=4 wire_len=100 cb0=1

story context-must-fit: fields that a test run may not set
object skb
in udp
ctx skb len=47
run fields fails EINVAL
ctx skb protocol=8
run fields fails EINVAL

story vlan-in-packet: a tag in the bytes goes beside the packet
object skb
in tagged
run fields
wantvar out = s64:51,129,0,0,0

story write-fields: what is written is read back and given out
object skb
in udp
ctx skb mark=41 cb0=10 cb4=20
run write_fields
wantvar out = s64:42,0x10002,64,9,3,0x20003
outctx skb mark=42 priority=0x10002 cb0=20 cb1=1 cb2=2 cb3=3 cb4=44

story narrow-fields: parts of a field
object skb
in udp
ctx skb mark=0x11223344 cb1=0x55667788
run narrow
wantvar out = s64:0x33,47,0xabcd7788
outctx skb cb1=0xabcd7788

story vlan-push: the tag stands beside the packet
object skb
in udp
run vlan_push
wantvar error = s64:0
wantvar out = s64:1,100,47,0x800
out same

story vlan-push-twice: the first tag goes into the packet
object skb
in udp
run vlan_push_twice
wantvar error = s64:0
wantvar out = s64:200,0x88a8,51
out eth / vlan 100 / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"

story vlan-pop: a tag in the packet is taken out
object skb
in tagged
run vlan_pop
wantvar error = s64:0
wantvar out = s64:0,47,0x800
out udp
in udp
run vlan_pop
wantvar error = s64:0
out same
in double
run vlan_pop
wantvar error = s64:0

story translate: checksums follow the addresses and ports
object skb
in udp
run translate
wantvar error = s64:0
out eth / ip4 10.0.0.1 > 10.9.8.7 / udp 1000 > 8053 / "query"
in tcp
run translate
wantvar error = s64:0
out eth / ip4 10.0.0.1 > 10.9.8.7 / tcp 1000 > 8053 flags=0x18 / "query"
in eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 sum=0 / "query"
run translate
out eth / ip4 10.0.0.1 > 10.9.8.7 / udp 1000 > 8053 sum=0 / "query"

story sums: bpf_csum_diff over words
object skb
in udp
run sums
wantvar out = s64:11338,7192

story change-tail: cuts, and grows with zeroes
object skb
in udp
var amount = s32:42
run change_tail
wantvar error = s64:0
wantvar out = s64:42
out eth / ip4 10.0.0.1 > 10.0.0.2 len=33 / udp 1000 > 53 len=13 sum=0x97cc
var amount = s32:50
run change_tail
wantvar error = s64:0
out eth / ip4 10.0.0.1 > 10.0.0.2 len=33 / udp 1000 > 53 len=13 sum=0x97cc / "query" zero:3
var amount = s32:13
run change_tail
wantvar error = s64:-22
out same

story change-head: room in front, zeroed
object skb
in udp
var amount = s32:14
run change_head
wantvar error = s64:0
wantvar out = s64:61

story adjust-room-network: room after the Ethernet header's network header
object skb
in udp
var amount = s32:8
var mode = u32:0
run adjust_room
wantvar error = s64:0
wantvar out = s64:55
var amount = s32:-4
run adjust_room
wantvar error = s64:0
wantvar out = s64:43
var amount = s32:5000
run adjust_room
wantvar error = s64:-14

story adjust-room-mac: room between Ethernet and network header
object skb
in udp
var amount = s32:20
var mode = u32:1
run adjust_room
wantvar error = s64:0
wantvar out = s64:67

story load-bytes: inside, at the edge, and past it
object skb
in udp
var where = u32:26
run load
wantvar error = s64:0
wantvar bytes = ip:10.0.0.1,10.0.0.2
var where = u32:39
run load
wantvar error = s64:0
wantvar bytes = hex:0d97cc "query"

story load-bytes-edge: a failed load clears the destination
object skb
in udp
var where = u32:39
run load
wantvar error = s64:0
var where = u32:40
run load
wantvar error = s64:-14
wantvar bytes = zero:8

story load-bytes-relative: from the link or the network header
object skb
in udp
var where = u32:12
var mode = u32:1
run load_relative
wantvar error = s64:0
wantvar bytes = ip:10.0.0.1,10.0.0.2
var where = u32:26
var mode = u32:0
run load_relative
wantvar error = s64:0
wantvar bytes = ip:10.0.0.1,10.0.0.2
var mode = u32:2
run load_relative
wantvar error = s64:-14

story store-bytes: inside and past the end
object skb
in udp
var bytes = ip:10.1.1.1,10.1.1.2
var where = u32:26
run store
wantvar error = s64:0
var where = u32:40
run store
wantvar error = s64:-14
out same
var where = u32:0
var flags = u64:8
run store
wantvar error = s64:-22

story direct-writes: swap the Ethernet addresses
object skb
in udp
run direct
wantvar error = s64:0
out eth 02:00:00:00:00:02 > 02:00:00:00:00:01 / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"

story hashes: set, kept, and made invalid
object skb hashes
in udp
run hashes
wantvar out = s64:0x1234567,1,0

story packet-type: between unicast kinds
object skb change_type
in udp
run change_type
wantvar error = s64:0
wantvar out = s64:1
