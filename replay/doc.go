// Package replay runs a program of a loaded collection over recorded packets
// and says what became of them.
//
//	coll, err := eng.Load(ctx, spec, nil)
//	report, err := replay.Run(ctx, eng, coll, packets, replay.Options{Program: "filter"})
//	for _, v := range report.Verdicts { … }
//
// Around it stand what an experiment needs: [SetVariables] sets global
// variables before loading, [FillMap] puts entries into maps, [DumpMap] reads
// them by their BTF types, and [Compare] runs two engines in lockstep over the
// same packets and finds the first difference.
//
// # What a packet meets
//
// Each packet is handed to the program by a test run (BPF_PROG_TEST_RUN), one
// at a time, in the order of the source, whole frames from the Ethernet header
// on. Programs that look at the network header (socket filters, cgroup and
// lightweight-tunnel programs) see what Linux shows them in a test run: their
// data begins behind the Ethernet header. Maps keep their contents from packet
// to packet; the packet itself is fresh in every run.
//
// # Verdicts
//
// A verdict is the program's return value, named as the program's type names
// it, and says whether the packet goes on. Packets that go on are what
// [Options.Out] receives, as the program left them, with their timestamps.
//
// # For maintainers
//
// One type's verdicts are one table in verdict.go; the context struct that goes
// with a packet is made in context.go. Nothing here allocates per packet except
// what the caller's source and sink do.
package replay
