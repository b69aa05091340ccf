# What programs say, and what user space hears.

packet any = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "quiet"

story ring: records in the order of reservation, discarded ones left out
object events write_ring
in any
run write_ring
return XDP_PASS
ring ring u32:1,47 mac:02:00:00:00:00:02 hex:0200
ring ring u32:3,47 mac:02:00:00:00:00:02 hex:0200
ring ring "five"  zero:1
ring ring empty
wantvar out = s64:0,4096,88,-22

story ring-full: a full ring refuses, and works again once it is read
object events fill_ring
in any
run fill_ring
wantvar out = s64:31,9,1
ring ring u64:0 zero:112
ring ring u64:1 zero:112
ring ring u64:2 zero:112

story perf: a sample and the start of its packet
object events write_perf
in any
run write_perf
wantvar out = s64:0,-7
perf perf u32:7,47 "perfect" zero:1 mac:02:00:00:00:00:02

story print: lines of bpf_trace_printk and bpf_trace_vprintk
object events print
in any
run print
print skep story -5 0xabcdef end
print skep story 1 2 3 4

story format: bpf_snprintf, whole and cut
object events format
in any
run format
wantvar text = "-1 4294967295 ff|   42|42   |00042|-1 %" zero:1
wantvar out = s64:40,40,0
