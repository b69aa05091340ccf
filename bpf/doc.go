// Package bpf holds skep's own eBPF programs: their C sources (src, with the
// headers in lib), the objects made from them, and the Go side of the layouts
// that both share.
//
//	spec, err := bpf.PacketOfDeath()
//	coll, err := eng.Load(ctx, spec, nil)
//	rule, err := bpf.DeathMatch{Protocol: "icmp", Source: netip.MustParsePrefix("10.0.0.0/8")}.Rule()
//
// Objects are committed, so that building needs no C compiler; after a change
// of a source, "go run ./bpf/internal/build" makes them anew with clang 19, and
// with -check it says whether they are what the sources say.
package bpf
