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
