# XDP: verdicts, globals, maps, and packets that grow and shrink.

packet dns = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
packet neighbour = eth / ip6 fe80::1 > ff02::1 hop=255 / icmp6 135 / ip:fe80::2
packet tunnel = eth / ip4 172.16.0.1 > 172.16.0.2 / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
packet tagged = eth / vlan 42 / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
packet short = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53

story count-by-type: a hash grows an entry for each EtherType
object xdp
in dns
run count
return XDP_PASS
out same
run count times 3
in neighbour
run count
want by_type u32:0x800 = u64:4,188
want by_type u32:0x86dd = u64:1,78
want by_type u32:0x806 = none
count by_type 2
sum total u32:0 = u64:5
sum total u32:1 = u64:0

story prefilled-map: what user space put in, programs count up
object xdp
map by_type u32:0x800 = u64:100,1000
in dns
run count
want by_type u32:0x800 = u64:101,1047
delete by_type u32:0x800
run count
want by_type u32:0x800 = u64:1,47

story full-map: an insert into a full hash fails, and the program says so
object xdp
map by_type u32:1 = zero:16
map by_type u32:2 = zero:16
map by_type u32:3 = zero:16
map by_type u32:4 = zero:16
map by_type u32:5 = zero:16
map by_type u32:6 = zero:16
map by_type u32:7 = zero:16
map by_type u32:8 = zero:16
map by_type u32:9 = zero:16 fails ErrFull
map by_type u32:9 = zero:16 fails E2BIG
in dns
run count
return XDP_ABORTED
want by_type u32:0x800 = none

story constants: a constant set before loading decides the verdict
object xdp
set verdict = u32:3
in dns
run count
return XDP_TX
wantvar verdict = u32:3
var verdict = u32:1 fails ErrReadOnly

story globals: .data and .bss are shared between runs and with user space
object xdp
set threshold = u32:50
in dns
run longer
return XDP_PASS
wantvar seen = u64:1
var threshold = u32:40
run longer
return XDP_DROP
var seen = u64:100
run longer
wantvar seen = u64:101

story context-lengths: data, data_end and data_meta as offsets
object xdp
in dns
run context
wantvar fields = u32:47,0
ctx xdp data=4 data_end=47
run context
wantvar fields = u32:43,4

story context-must-fit: data_end is the packet's length or less, metadata a multiple of 4
object xdp
in dns
ctx xdp data_end=48
run context fails EINVAL
ctx xdp data=3 data_end=47
run context fails EINVAL
ctx xdp data=260 data_end=300
run context fails EINVAL
ctx xdp data_meta=4 data_end=47
run context fails EINVAL

story short-packets: less than an Ethernet header is refused
object xdp
in hex:00112233445566778899aabbcc
run count fails EINVAL
in hex:00112233445566778899aabbccdd
run count
return XDP_PASS
want by_type u32:0xccdd = u64:1,14

story encapsulate: IPv4 in IPv4, by bpf_xdp_adjust_head
object xdp
in dns
run encapsulate
return XDP_TX
out tunnel
in tunnel
run decapsulate
return XDP_PASS
out dns

story tag-by-hand: a VLAN tag in and out
object xdp
in dns
run tag
return XDP_TX
out tagged
in tagged
run tag
return XDP_TX
out dns

story head-room: 256 bytes before a packet, of which the frame takes 40
object xdp
in dns
var delta = s32:-257
run head
wantvar error = s64:-22
out same
var delta = s32:-217
run head
wantvar error = s64:-22
var delta = s32:-216
run head
wantvar error = s64:0

story head-keeps-ethernet: a packet keeps at least an Ethernet header
object xdp
in dns
var delta = s32:34
run head
wantvar error = s64:-22
out same
var delta = s32:33
run head
wantvar error = s64:0
out hex:0203e80035000d97cc / "query"

story tail-shrinks: down to 14 bytes and no less
object xdp
in dns
var delta = s32:-5
run tail
wantvar error = s64:0
out eth / ip4 10.0.0.1 > 10.0.0.2 len=33 / udp 1000 > 53 len=13 sum=0x97cc
var delta = s32:-34
run tail
wantvar error = s64:-22
out same
var delta = s32:-33
run tail
wantvar error = s64:0

story tail-grows: with zeroes, as far as the frame has room
object xdp
in dns
var delta = s32:6
run tail
wantvar error = s64:0
var delta = s32:100000
run tail
wantvar error = s64:-22
out same

story metadata: bytes before the packet, a multiple of 4; a test run gives them out in front of it
object xdp
in dns
var delta = s32:-8
run meta
wantvar error = s64:0
wantvar fields@4 = u32:8
out u32:0x12345678 zero:4 / eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
var delta = s32:-6
run meta
wantvar error = s64:-13
var delta = s32:-256
run meta
wantvar error = s64:-22
var delta = s32:4
run meta
wantvar error = s64:-22

story load-and-store-bytes: copies in and out at any offset
object xdp
in dns
var where = u32:26
run copy_bytes
wantvar error = s64:0
wantvar copied = ip:10.0.0.1,10.0.0.2
wantvar seen = u64:47
var where = u32:38
run copy_bytes
wantvar error = s64:0
var where = u32:39
run copy_bytes
wantvar error = s64:-22
out same
var where = u32:0x10000
run copy_bytes
wantvar error = s64:-14
