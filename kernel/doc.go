// Package kernel is the engine that asks Linux: it keeps the promise of package
// engine with the bpf(2) system call, over github.com/cilium/ebpf.
//
//	eng, err := kernel.New(kernel.Config{})
//	coll, err := eng.Load(ctx, spec, nil)
//	lnk, err := eng.Attach(coll.Programs["count"], engine.XDP{Device: engine.Device{Name: "eth0"}})
//
// New asks nothing of the machine; what is missing shows when it is needed, as
// an error that names the capability, the kernel version or the kernel option.
//
// # Network namespaces
//
// A [engine.Device] names its network namespace by path ("/run/netns/blue",
// "/proc/123/ns/net") or by the name of a file in /run/netns ("blue"). The
// engine enters it on a thread of its own for as long as the call takes. An
// empty name is the namespace of the calling thread.
//
// # Links
//
// Where the kernel has a bpf_link, Link is one: atomic to update, pinnable,
// detached when the last reference goes. Where it has none, Link does what
// belongs to the kind: a tc filter (clsact), a socket option, an entry in a
// sockmap. [engine.LinkInfo.ID] is 0 for those and they cannot be pinned.
// Probes on perf events, tracing programs and netfilter hooks cannot be
// updated in Linux: Update returns [engine.ErrNotSupported] and leaves them as
// they are.
//
// # For maintainers
//
// Loading (relocation, BTF, fixups) is cilium/ebpf's. Everything after that is
// a handful of system calls made here directly: maps move bytes without
// marshalling or allocation, and all attach kinds share one bpf_link. Each
// attach kind is one file, attach_*.go, and one row in the table of attach.go.
// Probes of [Engine.Supports] are one row each in probe_*.go.
package kernel
