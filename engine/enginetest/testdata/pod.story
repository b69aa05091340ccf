# The packet of death filter: rules, verdicts, counters and events.
#
# struct pod_rule: source, source mask, destination, destination mask (16 each),
# length min and max (u32), port ranges (4 u16), flags, verdict, family,
# protocol, pattern base, pattern length (u8), pattern offset (u16), pattern and
# mask (16 each). Flags: 1 enabled, 2 protocol, 4 source port, 8 destination port.

packet dns = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
packet web = eth / ip4 10.0.0.1 > 10.0.0.2 / tcp 40000 > 80 / "GET /index"
packet ping = eth / ip4 10.0.0.1 > 10.0.0.2 / icmp echo id=77 seq=5 / "packet of death"
packet ping6 = eth / ip6 2001:db8::1 > 2001:db8::2 / icmp6 echo id=78 seq=6 / "packet of death"
packet optioned = eth / vlan 7 / ip6 2001:db8::1 > 2001:db8::2 / hopopts 8 / dstopts 24 / udp 1000 > 53 / "query"
packet fragment = eth / ip4 10.0.0.1 > 10.0.0.2 frag=0x2010 proto=17 / hex:03e80035000d97cc / "query"
packet fragment6 = eth / ip6 2001:db8::1 > 2001:db8::2 / frag6 128 next=17 / hex:03e80035000d97cc / "query"
packet first6 = eth / ip6 2001:db8::1 > 2001:db8::2 / frag6 0 / udp 1000 > 53 / "query"
packet arp = eth type=0x806 / zero:28

story no-rules: everything passes and is counted in total
object pod
in dns
run pod_xdp_pass
return XDP_PASS
run pod_xdp_drop
return XDP_PASS
run pod_in_drop
return TC_ACT_UNSPEC
sum pod_totals u32:0 = u64:3,141,0,0,0
ring pod_events empty

story by-program: the variant of the program decides
object pod
map pod_config u32:0 = u32:1,1
map pod_rules u32:0 = zero:80 u8:1,0,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_pass
return XDP_PASS
out same
run pod_xdp_drop
return XDP_DROP
run pod_in_drop
return TC_ACT_SHOT
run pod_out_pass
return TC_ACT_UNSPEC
sum pod_counters u32:0 = u64:2,94,2,94
sum pod_totals u32:0 = u64:4,188,4,4,0
ring pod_events any:8 zero:10 hex:ffff ip:10.0.0.1 zero:10 hex:ffff ip:10.0.0.2 any:4 u32:47 u16:1000,53,0,0,0,0 u8:1,0,4,17,0,0,3,0 any:4
ring pod_events any:60 u8:2,0,4,17,0,0,3,0 any:4
ring pod_events any:60 u8:2,1,4,17,0,0,3,0 any:4
ring pod_events any:60 u8:1,2,4,17,0,0,3,0 any:4
ring pod_events empty

story first-match: the first rule that matches decides, the others do not count
object pod
map pod_config u32:0 = u32:3,0
map pod_rules u32:0 = zero:80 u8:3,2,0,6,0,0 u16:0 zero:32
map pod_rules u32:1 = zero:80 u8:3,1,0,17,0,0 u16:0 zero:32
map pod_rules u32:2 = zero:80 u8:1,2,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_drop
return XDP_PASS
in web
run pod_xdp_pass
return XDP_DROP
in ping
run pod_xdp_pass
return XDP_DROP
sum pod_counters u32:0 = u64:0,0,1,64
sum pod_counters u32:1 = u64:1,47,0,0
sum pod_counters u32:2 = u64:0,0,1,57
ring pod_events empty

story rules-in-use: entries past the count and disabled ones do not match
object pod
map pod_config u32:0 = u32:1,1
map pod_rules u32:0 = zero:80 u8:2,2,0,17,0,0 u16:0 zero:32
map pod_rules u32:1 = zero:80 u8:1,2,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_drop
return XDP_PASS
sum pod_totals u32:0 = u64:1,47,0,0,0

story last-rule: all 64 rules are tried
object pod
map pod_config u32:0 = u32:1000,1
map pod_rules u32:63 = zero:80 u8:1,2,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_pass
return XDP_DROP
ring pod_events any:58 u16:63 u8:2 any:11

story addresses: prefixes of both families
object pod
map pod_config u32:0 = u32:2,1
map pod_rules u32:0 = zero:10 hex:ffff ip:10.0.0.0 hex:ffffffffffffffffffffffffffffff00 zero:32 zero:16 u8:1,2,0,0,0,0 u16:0 zero:32
map pod_rules u32:1 = zero:32 ip:2001:db8:: hex:ffffffff zero:12 zero:16 u8:1,2,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_pass
return XDP_DROP
in ping6
run pod_xdp_pass
return XDP_DROP
in eth / ip4 10.0.1.1 > 10.0.0.2 / udp 1 > 2
run pod_xdp_drop
return XDP_PASS
in eth / ip6 2001:db8::1 > 2001:db9::2 / udp 1 > 2
run pod_xdp_drop
return XDP_PASS
in arp
run pod_xdp_drop
return XDP_PASS

story family: a rule for one family leaves the other alone
object pod
map pod_config u32:0 = u32:1,0
map pod_rules u32:0 = zero:80 u8:1,2,6,0,0,0 u16:0 zero:32
in dns
run pod_xdp_pass
return XDP_PASS
in ping6
run pod_xdp_pass
return XDP_DROP
in arp
run pod_xdp_pass
return XDP_PASS

story ports: ranges with both ends, and packets without ports
object pod
map pod_config u32:0 = u32:1,0
map pod_rules u32:0 = zero:72 u16:1000,1001,53,53 u8:13,2,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_pass
return XDP_DROP
in eth / ip4 10.0.0.1 > 10.0.0.2 / tcp 1001 > 53
run pod_xdp_pass
return XDP_DROP
in eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1002 > 53
run pod_xdp_pass
return XDP_PASS
in eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 54
run pod_xdp_pass
return XDP_PASS
in ping
run pod_xdp_pass
return XDP_PASS
in fragment
run pod_xdp_pass
return XDP_PASS
in fragment6
run pod_xdp_pass
return XDP_PASS
in first6
run pod_xdp_pass
return XDP_DROP
in eth / ip4 10.0.0.1 > 10.0.0.2 proto=17 / hex:03e80035
run pod_xdp_pass
return XDP_PASS

story lengths: of the frame, both ends included
object pod
map pod_config u32:0 = u32:1,0
map pod_rules u32:0 = zero:64 u32:47,57 zero:8 u8:1,2,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_pass
return XDP_DROP
in ping
run pod_xdp_pass
return XDP_DROP
in web
run pod_xdp_pass
return XDP_PASS
in eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1 > 2 / "four"
run pod_xdp_pass
return XDP_PASS

story pattern-in-payload: bytes after the transport header, under a mask
object pod
map pod_config u32:0 = u32:1,1
map pod_rules u32:0 = zero:80 u8:1,2,0,0,3,5 u16:10 "DEATH" zero:11 hex:dfdfdfdfdf zero:11
in ping
run pod_xdp_pass
return XDP_DROP
run pod_in_pass
return TC_ACT_SHOT
in ping6
run pod_xdp_pass
return XDP_DROP
in dns
run pod_xdp_pass
return XDP_PASS
in eth / ip4 10.0.0.1 > 10.0.0.2 / icmp echo / "packet of deat"
run pod_xdp_pass
return XDP_PASS
run pod_in_pass
return TC_ACT_UNSPEC
in eth / ip4 10.0.0.1 > 10.0.0.2 / icmp echo / "packet of death"
run pod_xdp_pass
return XDP_DROP
in fragment
run pod_xdp_pass
return XDP_PASS

story pattern-bases: from the frame, the IP header and the transport header
object pod
map pod_config u32:0 = u32:3,1
map pod_rules u32:0 = zero:80 u8:1,2,0,0,0,2 u16:12 hex:0806 zero:14 hex:ffff zero:14
map pod_rules u32:1 = zero:80 u8:1,2,0,0,1,1 u16:9 u8:6 zero:15 u8:255 zero:15
map pod_rules u32:2 = zero:80 u8:1,2,0,0,2,8 u16:0 u8:128,0,0,0,0,78,0,6 zero:8 u8:255,255,0,0,255,255,255,255 zero:8
in arp
run pod_xdp_pass
return XDP_DROP
in web
run pod_xdp_pass
return XDP_DROP
in ping6
run pod_xdp_pass
return XDP_DROP
in dns
run pod_xdp_pass
return XDP_PASS

story pattern-of-16: the longest pattern, and one that is too long
object pod
map pod_config u32:0 = u32:1,0
map pod_rules u32:0 = zero:80 u8:1,2,0,0,0,16 u16:10 hex:000108004500002100000000401166ca hex:ffffffffffffffffffffffffffffffff
in dns
run pod_xdp_pass
return XDP_DROP
run pod_out_pass
return TC_ACT_SHOT
map pod_rules u32:0 = zero:80 u8:1,2,0,0,0,17 u16:10 zero:32
run pod_xdp_pass
return XDP_PASS

story extension-headers: options before the transport header, a VLAN tag before all
object pod
map pod_config u32:0 = u32:1,1
map pod_rules u32:0 = zero:72 u16:0,0,53,53 u8:11,2,6,17,3,5 u16:0 "query" zero:11 hex:ffffffffff zero:11
in optioned
run pod_xdp_pass
return XDP_DROP
ring pod_events any:8 ip:2001:db8::1 ip:2001:db8::2 any:4 u32:103 u16:1000,53,0,0,7,0 u8:2,0,6,17,0,0,3,0 any:4
run pod_in_pass
return TC_ACT_SHOT
ring pod_events any:44 any:4 u16:1000,53,0,0,7,0 u8:2,1,6,17,0,0,3,0 any:4

story events: what an event says of ICMP, fragments and what is not IP
object pod
map pod_config u32:0 = u32:1,1
map pod_rules u32:0 = zero:80 u8:1,1,0,0,0,0 u16:0 zero:32
in ping
run pod_xdp_drop
ring pod_events any:44 u32:57 u16:0,0,77,5,0,0 u8:1,0,4,1,8,0,3,0 any:4
in ping6
run pod_xdp_drop
ring pod_events any:44 u32:77 u16:0,0,78,6,0,0 u8:1,0,6,58,128,0,3,0 any:4
in fragment
run pod_xdp_drop
ring pod_events any:44 any:4 u16:0,0,0,0,0,0 u8:1,0,4,17,0,0,5,0 any:4
in fragment6
run pod_xdp_drop
ring pod_events any:44 any:4 u16:0,0,0,0,0,0 u8:1,0,6,17,0,0,5,0 any:4
in arp
run pod_xdp_drop
ring pod_events any:8 zero:32 any:4 u32:42 zero:12 u8:1,0,0,0,0,0,0,0 any:4
in eth / vlan 5 / vlan 6 / ip4 10.0.0.1 > 10.0.0.2 / icmp 3 code=1 / zero:4
run pod_xdp_drop
ring pod_events any:44 u32:54 u16:0,0,0,0,5,0 u8:1,0,4,1,3,1,3,0 any:4
in eth / hex:00
run pod_xdp_drop
ring pod_events any:44 u32:15 zero:12 u8:1,0,0,0,0,0,0,0 any:4

story lost-events: a full ring loses events and counts each of them
object pod
map pod_config u32:0 = u32:1,1
map pod_rules u32:0 = zero:80 u8:1,2,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_pass times 4000
return XDP_DROP
sum pod_totals u32:0 = u64:4000,188000,4000,3276,724
sum pod_counters u32:0 = u64:0,0,4000,188000

story sampling: each CPU reports every n-th match
object pod
map pod_config u32:0 = u32:1,100
map pod_rules u32:0 = zero:80 u8:1,2,0,0,0,0 u16:0 zero:32
in dns
run pod_xdp_pass times 1000
sum pod_totals u32:0 = u64:1000,47000,1000,10,0

story clock: a test run writes the events' clock
object pod
in dns
run pod_clock
return XDP_PASS
wantvar pod_now = any:8
