# Tunnel keys and options: stored with the packet, as a tunnel device would find
# them.

packet any = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"

story nothing-set: a packet that came out of no tunnel
object tunnel nothing
in any
run nothing
wantvar out = s64:-22,-2,0,-22
wantvar seen = zero:44

story set-and-get: remote and local change places
object tunnel set_and_get
in any
run set_and_get
return TC_ACT_OK
out same
wantvar out = s64:0,0
wantvar seen = u32:0x123456,0x0a000001 zero:12 u8:4,64 u16:0 u32:0,0x0a000002 zero:12

story stays: the key is the packet's, and gone with it
object tunnel get_then_set
in any
run get_then_set times 2
wantvar out = s64:0,0
run get_then_set
wantvar out = s64:-22,0
wantvar seen = zero:44

story refused: flags, sizes and fields
object tunnel refused
in any
run refused
wantvar out = s64:-22,-22,0,0,0,0,-22,-71,-22,0,-22,-22,0,-71,-22,0

story six: IPv6 addresses and 20 bits of label
object tunnel six
in any
run six
wantvar out = s64:0,0
wantvar seen = u32:7,0x20,0x21,0x22,0x23 u8:0,3 u16:0 u32:0x12345,0x10,0x11,0x12,0x13

story flags: what a tunnel device is told
object tunnel flags
in any
run flags
wantvar out = s64:0x2005,0x2004,0x2105,0x200d,0,0xf80d

story options: whole words, up to 252 bytes
object tunnel opts
set options = u64:1,2 zero:240
in any
run opts
wantvar out = s64:-2,-22,-12,0,0,12,1,2,-12,0,-2
