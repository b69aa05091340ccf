// Package engine is the promise that skep's two engines keep: describe an eBPF
// collection once, as a [github.com/cilium/ebpf.CollectionSpec], and run it in
// the Linux kernel (package kernel) or in this process (package embedded).
//
// # Using it
//
// A program never sees which engine it got:
//
//	coll, err := eng.Load(ctx, spec, nil)
//	defer coll.Close()
//	res, err := coll.Programs["count"].Run(&engine.RunInput{Data: packet})
//	lnk, err := eng.Attach(coll.Programs["count"], engine.XDP{Device: engine.Device{Name: "eth0"}})
//	err = lnk.Update(other)   // atomic: every packet meets the old or the new program
//
// Describe, then make real: a spec and a [Target] are plain values that can be
// copied and compared; [Program], [Map] and [Link] are live, and whoever made
// one closes it. Close is safe on nil collections, safe to call twice, and
// unblocks readers.
//
// # What a promise means
//
// Keys and values cross this interface as bytes in the layout of the bpf(2)
// system call, host byte order inside integers; [View] gives typed access.
// Errors that callers branch on are sentinels ([ErrNotSupported],
// [ErrKeyNotExist], …) found with errors.Is; where Linux defines an errno for a
// condition both engines wrap that errno too, so errors.Is(err, syscall.E2BIG)
// holds on both. Everything an engine cannot do comes back as a
// [NotSupportedError] that says what is missing and what would provide it.
//
// All methods are safe for concurrent use unless their comment says otherwise.
//
// # For maintainers
//
// The interface is wide enough for what the kernel offers and no wider: a
// method is here because both engines can keep it, or because one keeps it and
// the other answers ErrNotSupported. Package enginetest holds the behaviour
// story, as data, that every engine must tell alike.
package engine
