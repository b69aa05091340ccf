// Package enginetest is the behaviour story: what every engine does with the
// same programs, packets and maps, told as data and run on any of them.
//
//	func TestStory(t *testing.T) { enginetest.Run(t, eng, enginetest.Options{}) }
//
// Stories stand in testdata/*.story, beside the C sources of the programs they
// run. Expectations were taken from Linux; an engine that differs is wrong, or
// names the story and its reason in Options.Skip. A bug that was found becomes
// a story, so that it stays found on every engine.
//
// # A story
//
//	packet dns = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / "query"
//
//	story count-by-type: the hash grows an entry for each EtherType
//	object xdp
//	in dns
//	run count
//	return XDP_PASS
//	out same
//	want by_type u32:0x800 = u64:1,47
//
// Lines before the first story of a file define packets for all of them; those
// of a story run in order. Loading happens at the first line that needs it.
//
//	object NAME [PROGRAM...]   testdata/NAME.bpf.o, or "pod" for package bpf's
//	                           packet of death; only these programs, if any
//	types NAME                 the object whose BTF stands for the kernel's
//	needs kfunc NAME...        a kernel without these functions tells another story
//	set VAR = VALUE            a global's initial value
//	load [fails ERROR]         load now; with an error that must be so
//	map MAP KEY = VALUE        update from user space; per-CPU: on every CPU
//	delete MAP KEY
//	var VAR = VALUE            set a live global
//	in PACKET                  the packet of the following runs
//	flags NUMBER               of the following runs
//	ctx xdp|skb FIELD=N...     the context of the following runs; alone: none
//	run PROGRAM [times N] [fails ERROR]
//	return NUMBER|NAME         what the last run returned
//	out PACKET|same            the packet after it
//	outctx xdp|skb FIELD=N...  the context after it
//	want MAP KEY = VALUE|none  what user space finds in a map
//	sum MAP KEY = VALUE        the same, 64-bit words added over all CPUs
//	count MAP N                how many keys the map has
//	wantvar VAR[@OFFSET] = VALUE   the bytes of a global from there on
//	ring MAP VALUE|empty       the next record of a ring buffer
//	perf MAP VALUE             the next sample of a perf event array, padding aside
//	print TEXT                 the next printed line contains TEXT
//	refuse PROGRAM             the verifier rejects it, or its run faults
//
// A VALUE is a run of items, each TYPE:ITEM,ITEM…: u8 u16 u32 u64 s8 s16 s32
// s64 in host byte order, be16 be32 be64, ip (4 or 16 bytes), mac, hex, a quoted
// string, zero:N, and any:N for N bytes that may be anything. A PACKET is a
// name or layers joined by " / ": see packet.go.
//
// # What data cannot say
//
// Replacing a program under traffic, pins, batches, freezing, closing,
// deadlines and concurrent use are told in Go, as subtests named api/….
package enginetest
