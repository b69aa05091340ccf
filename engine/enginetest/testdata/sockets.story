# Maps of sockets that hold none.

packet any = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"

story xskmap: without a socket the flags say what happens
object sockets to_socket
in any
run to_socket
return XDP_TX
out same
wantvar out = s64:2,1,0,0,0,0

story xskmap-user-space: what user space may ask of an empty one
object sockets to_socket
map xsks_map u32:4 = u32:0 fails E2BIG
delete xsks_map u32:3
delete xsks_map u32:4 fails EINVAL

story find: lookups miss, and there is nothing to delete
object sockets find
in any
run find
return TC_ACT_OK
wantvar out = s64:-22,-22,-2

story sockmap-user-space: empty slots, and a hash without keys
object sockets find
want by_index u32:3 = none
want by_key u64:1 = none
count by_key 0
delete by_index u32:3 fails EINVAL
delete by_key u64:1 fails ENOENT
