// Package lb is the load balancer's dataplane: it makes what package service
// resolved real in the tables that the programs of package bpf read.
//
//	d, err := lb.Open(ctx, eng, lb.Config{PinPath: "/sys/fs/bpf/skep/lb"})
//	steps, err := d.Apply("service/default/web", pools)
//	lnk, err := d.AttachXDP(engine.XDP{Device: engine.Device{Name: "eth0"}})
//
// It is handed an engine and works on any. Everything that must outlive the
// process is in pinned maps; the next Open adopts what it finds there, so that a
// restart keeps ids, and with them connections.
//
// # For maintainers
//
// dataplane.go opens and closes, apply.go turns one service's pools into map
// entries, adopt.go reads back what an earlier process left, ids.go and slab.go hand out
// numbers and room in the Maglev slab, conn.go reads and cleans the connection
// table, stats.go counts, explain.go says where a packet would go and why, by the
// same arithmetic as the program (hash.go; a test holds them together).
//
// Order is what makes an update safe: backends are written first, then the
// Maglev table in room that nothing refers to, then the frontend's entry, which
// a program sees whole or not at all; what is replaced is given back later, when
// no run can hold it.
package lb
