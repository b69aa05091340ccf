// Package net is the room of skep's networking: load balancing first, filtering
// beside it later. It holds no code itself:
//
//   - service: what users write (Kubernetes Services and EndpointSlices, our
//     ServicePolicy), read strictly, and resolved into one table of
//     frontends and backends.
//   - maglev: weighted consistent hashing, the tables that programs pick from.
//   - lb: the dataplane. It turns the table into entries of maps, writes only what
//     changed, reads counters and connections back, and explains a packet's way.
//   - health: active checks of backends, with thresholds.
//
// # The plan
//
//	YAML ─ service.Read ─► Set ─ service.Resolve(+ health, node, zone) ─► Table
//	                                                                       │ lb.Dataplane.Apply
//	     XDP (bpf/src/lb.bpf.c)   sockets in a cgroup (lb_sock.bpf.c)      ▼
//	        └───────── the same maps: frontends, Maglev slab, backends ◄─ only what differs
//
// Nothing here knows which engine runs the programs, and nothing here attaches
// to a machine by itself: package agent wires files, checks and dataplane together.
//
// What is replaced is replaced whole: a service's Maglev table is written to
// unused room in the slab first, then its frontend entry is replaced, which
// programs see at once or not at all. What the process knows can be lost at any
// time: maps are pinned, and the next start reads them back and writes the
// difference.
package net
