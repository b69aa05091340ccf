package engine

import (
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"
)

// AttachKind names a way of attaching a program.
type AttachKind string

// The attach kinds, one per [Target] type.
const (
	KindXDP           AttachKind = "xdp"
	KindTCX           AttachKind = "tcx"
	KindNetkit        AttachKind = "netkit"
	KindCgroup        AttachKind = "cgroup"
	KindSkLookup      AttachKind = "sk_lookup"
	KindFlowDissector AttachKind = "flow_dissector"
	KindSockMap       AttachKind = "sockmap"
	KindSocketFilter  AttachKind = "socket_filter"
	KindSkReuseport   AttachKind = "sk_reuseport"
	KindTracepoint    AttachKind = "tracepoint"
	KindRawTracepoint AttachKind = "raw_tracepoint"
	KindKprobe        AttachKind = "kprobe"
	KindKprobeMulti   AttachKind = "kprobe_multi"
	KindUprobe        AttachKind = "uprobe"
	KindUprobeMulti   AttachKind = "uprobe_multi"
	KindUSDT          AttachKind = "usdt"
	KindTracing       AttachKind = "tracing"
	KindLSM           AttachKind = "lsm"
	KindPerfEvent     AttachKind = "perf_event"
	KindIterator      AttachKind = "iter"
	KindNetfilter     AttachKind = "netfilter"
	KindStructOps     AttachKind = "struct_ops"
	KindFreplace      AttachKind = "freplace"
	KindLWT           AttachKind = "lwt"
	KindLirc          AttachKind = "lirc"
	KindHook          AttachKind = "hook"
)

// Target says where a program is to be attached: a plain value, one type per
// kind, understood by any engine. An engine that cannot attach to a kind
// answers [ErrNotSupported].
type Target interface {
	Kind() AttachKind
	// String is the target as a person would say it.
	String() string
}

// Device names a network interface by name or index.
type Device struct {
	Name string
	// Index is used when Name is empty.
	Index int
	// NetNS is the network namespace: a path such as /run/netns/x for the
	// kernel engine, a lab node's name for the embedded one. Empty means the
	// caller's own.
	NetNS string
}

func (d Device) String() string {
	s := d.Name
	if s == "" {
		s = fmt.Sprintf("interface %d", d.Index)
	}
	if d.NetNS != "" {
		s += " in " + d.NetNS
	}
	return s
}

// Anchor orders a program among others at one hook (tcx, netkit, cgroup).
// The zero value means last.
type Anchor struct {
	Position AnchorPosition
	// Link or Program is what Before, After and Replace refer to; one of them.
	Link    Link
	Program Program
}

// AnchorPosition is where an [Anchor] puts a program.
type AnchorPosition int

// Positions of an anchor.
const (
	AnchorDefault AnchorPosition = iota
	AnchorHead
	AnchorTail
	AnchorBefore
	AnchorAfter
	AnchorReplace
)

// XDPMode is how a driver runs an XDP program.
type XDPMode int

// XDP modes; XDPAuto tries native, then generic.
const (
	XDPAuto XDPMode = iota
	XDPNative
	XDPGeneric
	XDPOffload
)

func (m XDPMode) String() string {
	switch m {
	case XDPAuto:
		return "auto"
	case XDPNative:
		return "native"
	case XDPGeneric:
		return "generic"
	case XDPOffload:
		return "offload"
	}
	return fmt.Sprintf("XDPMode(%d)", int(m))
}

// XDP is the receive path of a device before the socket buffer is made.
type XDP struct {
	Device Device
	Mode   XDPMode
}

// TCX is the tc hook of a device: through a tcx link, or a clsact filter on
// kernels before 6.6.
type TCX struct {
	Device Device
	// Egress selects the sending side.
	Egress bool
	Anchor Anchor
	// Clsact forces the older mechanism; Anchor must be zero then.
	Clsact bool
}

// Netkit is a netkit device's hook.
type Netkit struct {
	Device Device
	// Peer attaches to the peer's side.
	Peer   bool
	Anchor Anchor
}

// Cgroup is a hook of a cgroup (version 2).
type Cgroup struct {
	// Path of the cgroup's directory.
	Path string
	// AttachType; zero takes the program's own.
	AttachType ebpf.AttachType
	Anchor     Anchor
}

// SkLookup picks sockets for incoming connections in a network namespace.
type SkLookup struct{ NetNS string }

// FlowDissector parses packets in a network namespace.
type FlowDissector struct{ NetNS string }

// SockMap attaches sk_msg or sk_skb programs to a sockmap or sockhash.
type SockMap struct {
	Map Map
	// AttachType: SkMsgVerdict, SkSKBStreamParser, SkSKBStreamVerdict or
	// SkSKBVerdict; zero takes the program's own.
	AttachType ebpf.AttachType
}

// SocketFilter filters what a socket receives.
type SocketFilter struct{ Conn syscall.Conn }

// SkReuseport picks a socket of a SO_REUSEPORT group.
type SkReuseport struct{ Conn syscall.Conn }

// Tracepoint is a static tracepoint, "sched" and "sched_switch".
type Tracepoint struct {
	Group, Name string
	Cookie      uint64
}

// RawTracepoint is a tracepoint without argument decoding.
type RawTracepoint struct {
	Name   string
	Cookie uint64
}

// Kprobe is the entry (or return) of a kernel function.
type Kprobe struct {
	Symbol string
	Offset uint64
	Return bool
	Cookie uint64
}

// KprobeMulti is many kernel functions through one link.
type KprobeMulti struct {
	Symbols   []string
	Addresses []uint64
	Cookies   []uint64
	Return    bool
	Session   bool
}

// Uprobe is a place in an executable or library.
type Uprobe struct {
	Path   string
	Symbol string
	// Address in the file; used when Symbol is empty. Offset is added.
	Address, Offset uint64
	Return          bool
	// PID limits the probe to one process; 0 means all.
	PID int
	// RefCtrOffset is a USDT semaphore's offset in the file.
	RefCtrOffset uint64
	Cookie       uint64
}

// UprobeMulti is many places of one file through one link.
type UprobeMulti struct {
	Path          string
	Symbols       []string
	Addresses     []uint64
	Offsets       []uint64
	RefCtrOffsets []uint64
	Cookies       []uint64
	Return        bool
	Session       bool
	PID           int
}

// USDT is a statically defined probe of an executable: all its places.
type USDT struct {
	Path, Provider, Name string
	PID                  int
	Cookie               uint64
}

// Tracing is what the program itself names: fentry, fexit, fmod_ret and BTF
// tracepoints (tp_btf).
type Tracing struct{ Cookie uint64 }

// LSM is the security hook that the program itself names. Programs loaded as
// lsm_cgroup attach through [Cgroup].
type LSM struct{ Cookie uint64 }

// PerfEvent is a perf event that the engine opens for the program.
type PerfEvent struct {
	// Type and Config as in struct perf_event_attr.
	Type   uint32
	Config uint64
	// Period in events, or Frequency in Hz; one of them.
	Period, Frequency uint64
	// PID 0 means every process (one event per CPU), CPU -1 any CPU.
	PID, CPU int
	Cookie   uint64
}

// Iterator walks kernel objects when its link is opened ([IterLink]).
type Iterator struct {
	// Map for map element iterators.
	Map Map
	// CgroupPath and PID narrow cgroup and task iterators.
	CgroupPath string
	PID        int
}

// Netfilter is a netfilter hook in the network namespace.
type Netfilter struct {
	NetNS string
	// Protocol is NFPROTO_IPV4 (2) or NFPROTO_IPV6 (10).
	Protocol uint32
	// Hook is NF_INET_PRE_ROUTING (0) … NF_INET_POST_ROUTING (4).
	Hook     uint32
	Priority int32
	// Defrag asks for whole packets.
	Defrag bool
}

// StructOps registers a struct_ops map; Attach is called without a program.
type StructOps struct{ Map Map }

// Freplace replaces a global function of a live program. Program and Function
// repeat what the program was loaded against, or may be zero.
type Freplace struct {
	Program  Program
	Function string
}

// LWT attaches programs to a route through the lightweight tunnel "bpf".
type LWT struct {
	Device Device
	// Destination in CIDR notation.
	Destination string
	// In, Out and Xmit tell where the attached program runs; one of "in",
	// "out", "xmit".
	Point string
	// Headroom in bytes reserved for xmit programs that push headers.
	Headroom int
}

// Lirc is an infrared receiver's device file.
type Lirc struct{ Path string }

// Hook is a place that the host, a Go program, declares to the embedded engine
// (embedded.NewHook).
type Hook struct{ Name string }

func (XDP) Kind() AttachKind           { return KindXDP }
func (TCX) Kind() AttachKind           { return KindTCX }
func (Netkit) Kind() AttachKind        { return KindNetkit }
func (Cgroup) Kind() AttachKind        { return KindCgroup }
func (SkLookup) Kind() AttachKind      { return KindSkLookup }
func (FlowDissector) Kind() AttachKind { return KindFlowDissector }
func (SockMap) Kind() AttachKind       { return KindSockMap }
func (SocketFilter) Kind() AttachKind  { return KindSocketFilter }
func (SkReuseport) Kind() AttachKind   { return KindSkReuseport }
func (Tracepoint) Kind() AttachKind    { return KindTracepoint }
func (RawTracepoint) Kind() AttachKind { return KindRawTracepoint }
func (Kprobe) Kind() AttachKind        { return KindKprobe }
func (KprobeMulti) Kind() AttachKind   { return KindKprobeMulti }
func (Uprobe) Kind() AttachKind        { return KindUprobe }
func (UprobeMulti) Kind() AttachKind   { return KindUprobeMulti }
func (USDT) Kind() AttachKind          { return KindUSDT }
func (Tracing) Kind() AttachKind       { return KindTracing }
func (LSM) Kind() AttachKind           { return KindLSM }
func (PerfEvent) Kind() AttachKind     { return KindPerfEvent }
func (Iterator) Kind() AttachKind      { return KindIterator }
func (Netfilter) Kind() AttachKind     { return KindNetfilter }
func (StructOps) Kind() AttachKind     { return KindStructOps }
func (Freplace) Kind() AttachKind      { return KindFreplace }
func (LWT) Kind() AttachKind           { return KindLWT }
func (Lirc) Kind() AttachKind          { return KindLirc }
func (Hook) Kind() AttachKind          { return KindHook }

func (t XDP) String() string {
	s := "xdp on " + t.Device.String()
	if t.Mode != XDPAuto {
		s += " (" + t.Mode.String() + ")"
	}
	return s
}

func (t TCX) String() string {
	return "tc " + direction(t.Egress) + " on " + t.Device.String()
}

func direction(egress bool) string {
	if egress {
		return "egress"
	}
	return "ingress"
}

func (t Netkit) String() string        { return "netkit " + t.Device.String() }
func (t Cgroup) String() string        { return "cgroup " + t.Path }
func (t SkLookup) String() string      { return "sk_lookup" + inNetNS(t.NetNS) }
func (t FlowDissector) String() string { return "flow dissector" + inNetNS(t.NetNS) }
func (t SockMap) String() string {
	if t.Map == nil {
		return "sockmap"
	}
	return "sockmap " + t.Map.Info().Name
}
func (SocketFilter) String() string    { return "socket filter" }
func (SkReuseport) String() string     { return "reuseport group" }
func (t Tracepoint) String() string    { return "tracepoint " + t.Group + ":" + t.Name }
func (t RawTracepoint) String() string { return "raw tracepoint " + t.Name }

func (t Kprobe) String() string {
	s := "kprobe "
	if t.Return {
		s = "kretprobe "
	}
	s += t.Symbol
	if t.Offset != 0 {
		s += fmt.Sprintf("+%#x", t.Offset)
	}
	return s
}

func (t KprobeMulti) String() string {
	return fmt.Sprintf("%d kernel functions", max(len(t.Symbols), len(t.Addresses)))
}

func (t Uprobe) String() string {
	s := "uprobe "
	if t.Return {
		s = "uretprobe "
	}
	if t.Symbol != "" {
		return s + t.Path + ":" + t.Symbol
	}
	return fmt.Sprintf("%s%s:%#x", s, t.Path, t.Address+t.Offset)
}

func (t UprobeMulti) String() string {
	return fmt.Sprintf("%d places in %s", max(len(t.Symbols), len(t.Addresses)), t.Path)
}
func (t USDT) String() string  { return "usdt " + t.Path + ":" + t.Provider + ":" + t.Name }
func (Tracing) String() string { return "the function the program names" }
func (LSM) String() string     { return "the security hook the program names" }
func (t PerfEvent) String() string {
	return fmt.Sprintf("perf event %d:%d", t.Type, t.Config)
}
func (Iterator) String() string { return "iterator" }
func (t Netfilter) String() string {
	return fmt.Sprintf("netfilter hook %d", t.Hook) + inNetNS(t.NetNS)
}

func (t StructOps) String() string {
	if t.Map == nil {
		return "struct_ops"
	}
	return "struct_ops " + t.Map.Info().Name
}
func (t Freplace) String() string { return "function " + t.Function }
func (t LWT) String() string {
	return "lwt " + t.Point + " route " + t.Destination + " on " + t.Device.String()
}
func (t Lirc) String() string { return "lirc " + t.Path }
func (t Hook) String() string { return "hook " + t.Name }

func inNetNS(ns string) string {
	if ns == "" {
		return ""
	}
	return " in " + ns
}
