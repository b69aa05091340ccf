# Socket filters and cgroup filters: offsets count from the network header.

packet udp = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
packet six = eth / ip6 2001:db8::1 > 2001:db8::2 / udp 1000 > 53 / "query"

story absolute: the loads of classic BPF
object socket
in udp
run absolute
return 0xffff
wantvar out = s64:0x45,33,0,0

story beyond: a load past the end ends the program
object socket
in udp
run beyond
return 0
wantvar out = s64:1

story negative: offsets from network and link header
object socket
in udp
run negative
return 1
wantvar out = s64:0x45,0x800

story helper: bpf_skb_load_bytes and its relative
object socket
in udp
run helper
wantvar out = s64:0,0x45,0,0x800,33,0x800,0
return 33

story cgroup-egress: 1 lets pass, 0 does not
object socket
in udp
var address = u32:0x0a000002
run allow
return 0
wantvar out = s64:33,2,0x45
var address = u32:0x0a000003
run allow
return 1
