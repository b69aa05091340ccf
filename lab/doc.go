// Package lab builds a cluster on one machine: nodes, endpoints, links and
// switches, IPv4 and IPv6, as a library for tests and demonstrations.
//
// # Using it
//
// Two endpoints on one node, the commonest lab:
//
//	l, client, server, err := lab.Pair(lab.Config{})
//	defer l.Close()
//	ln, err := server.Listen(ctx, "tcp", ":80")
//	conn, err := client.DialContext(ctx, "tcp", "server:80")
//	reply, err := client.Ping(ctx, server.Addr6(), lab.PingOptions{Seq: 1})
//
// Every packet of an endpoint crosses two devices, the one inside
// ([Endpoint.Device]) and its peer on the node or switch
// ([Endpoint.HostDevice]); programs attached to them with XDP or tc really
// run, on the engine that [Lab.Engine] returns:
//
//	coll, err := l.Engine().Load(ctx, spec, nil)
//	lnk, err := l.Engine().Attach(coll.Programs["drop"], engine.XDP{Device: server.HostDevice()})
//
// A bigger lab is nodes (routers) connected to each other and to switches
// (learning Ethernet bridges), with endpoints on either; routes follow by
// themselves, shortest path first:
//
//	a, err := l.Node("a")
//	b, err := l.Node("b")
//	_, err = l.Connect(a, b, lab.LinkConfig{})
//	web, err := l.Endpoint("web", lab.EndpointConfig{On: a})
//
// # Two worlds
//
// In the kernel world hosts are network namespaces joined by veth pairs and the
// engine is Linux; commands can be run inside with [Host.Exec]. In the
// embedded world hosts are TCP/IP stacks in this process and programs run on
// the embedded engine; it needs no privilege and works on any system. [New]
// with [Auto] takes the kernel world where it really works and says why it
// chose ([Lab.Why]). Names, addresses and hardware addresses are the same in
// both.
//
// Packets are what a wire would carry: unless Config.Offload says otherwise,
// segmentation and checksum offloads are off, so no program or capture meets
// a frame larger than the MTU, and checksums are complete once a frame has
// left its first device. Native XDP attaches and detaches without losing a
// packet, and redirects into any device arrive. XDP_TX in the kernel world
// wants an XDP program at the other end of the link too, if only one that
// passes everything: without, Linux (6.18) leaves the frames lying in the
// receiver's ring.
//
// # Addresses
//
// Each node and each switch, in order of creation, gets the next network s of
// 10.s.0.0/16 and fd00:s::/64 (s in decimal for IPv4, hexadecimal for IPv6).
// The node, or the first node connected to a switch, is host 1; endpoints
// follow from 2. An endpoint linked to a node has host addresses (/32 and
// /128) and sends everything to its node; on a switch it shares the network
// with its neighbours. Addresses can be chosen instead
// ([EndpointConfig].Addrs), and names of hosts stand for their addresses in
// [Host.DialContext].
//
// # Leaving nothing behind
//
// A kernel-world lab holds its namespaces by file descriptor only and creates
// devices nowhere else, so when the process ends, however it ends, the kernel
// removes everything. With Config.Visible the namespaces also get names under
// /run/netns; [Lab.Close] removes them, and what a killed process left is
// removed by the next lab that starts: exactly the names whose owner's lock is
// free.
//
// # For maintainers
//
// [Lab], [Host], [Link] hold the topology and are the same in both worlds:
// plan.go gives addresses, route.go computes routing tables from the graph,
// names.go resolves. A world (world.go) makes stacks, switches and wires real:
// kernel_linux.go and the other *_linux.go files over netlink, embedded*.go
// over gvisor's netstack and devices of the embedded engine. Frames in the
// embedded world never run on the sender's goroutine: every device has a
// bounded queue and one goroutine, so no chain of programs, redirects and
// replies can recurse, deadlock or grow.
package lab
