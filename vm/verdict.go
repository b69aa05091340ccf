package vm

// Verdict is what a run decided about a live packet.
type Verdict struct {
	// Return is the program's return value: the XDP action, the tc verdict, the
	// length a socket filter keeps, …
	Return uint32
	// Redirect is where the packet goes if Return says so (abi.XDPRedirect,
	// abi.TCActRedirect). Kind is RedirectNone if no helper chose a target.
	Redirect Redirect
	// Clones are copies sent elsewhere by bpf_clone_redirect, in order. The
	// caller owns the packets and releases them.
	Clones []Clone
	// Retval is what a cgroup program left with bpf_set_retval: minus an errno,
	// or 0.
	Retval int32
}

// RedirectKind says what kind of target a redirect has.
type RedirectKind uint8

// Kinds of redirect targets.
const (
	RedirectNone RedirectKind = iota
	// RedirectDevice: device IfIndex. For skb programs Flags may have
	// abi.FlagIngress.
	RedirectDevice
	// RedirectPeer: the other side of device IfIndex, in its namespace.
	RedirectPeer
	// RedirectNeigh: device IfIndex, with the link-layer header filled in from
	// the neighbour table for NextHop (or the packet's own destination if
	// NextHop is empty).
	RedirectNeigh
	// RedirectMap: entry Key of Map (devmap, devmap hash, cpumap, xskmap); Value
	// is the entry's first word: interface index or queue size. With abi.FlagBroadcast
	// in Flags the target is every entry, without the receiving device if
	// abi.FlagExcludeIngress is set too.
	RedirectMap
)

// Redirect is the target of a redirected packet.
type Redirect struct {
	Kind    RedirectKind
	IfIndex uint32
	Flags   uint64
	Map     *Map
	Key     uint32
	Value   uint64
	// NextHop is an IPv4 (4 bytes used) or IPv6 address, by NextHopFamily (2 or
	// 10; 0 means none).
	NextHopFamily uint32
	NextHop       [16]byte
}

// Clone is a copy of a packet on its way to device IfIndex, or with
// abi.FlagIngress in Flags into its receive path.
type Clone struct {
	IfIndex uint32
	Flags   uint64
	Packet  *Packet
}
