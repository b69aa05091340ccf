package check

// Kind is what a register, or an 8-byte stack slot, holds (enum bpf_reg_type).
type Kind uint8

const (
	NotInit Kind = iota
	Scalar
	Ctx
	ConstMap // the map itself
	MapValue // inside an element's value
	MapKey   // inside an element's key
	Stack    // inside a stack frame
	PacketMeta
	Packet
	PacketEnd
	FlowKeys
	Socket
	SockCommon
	TCPSock
	TPBuffer // buffer of a writable raw tracepoint
	XDPSock
	BTFPtr // inside a structure of the kernel's, or of the program's own types
	Mem    // inside memory of a known size
	Arena
	Buf     // inside a buffer whose size is checked when the program is attached
	FuncPtr // a subprogram
	ConstDynptr
	// What only stack slots hold.
	SlotDynptr
	SlotIter
	SlotIRQ
)

var kindNames = [...]string{
	NotInit: "?", Scalar: "scalar", Ctx: "ctx", ConstMap: "map_ptr", MapValue: "map_value", MapKey: "map_key",
	Stack: "fp", PacketMeta: "pkt_meta", Packet: "pkt", PacketEnd: "pkt_end", FlowKeys: "flow_keys",
	Socket: "sock", SockCommon: "sock_common", TCPSock: "tcp_sock", TPBuffer: "tp_buffer",
	XDPSock: "xdp_sock", BTFPtr: "ptr_", Mem: "mem", Arena: "arena", Buf: "buf", FuncPtr: "func",
	ConstDynptr: "dynptr_ptr", SlotDynptr: "dynptr", SlotIter: "iter", SlotIRQ: "irq",
}

// Flags qualify a pointer (enum bpf_type_flag).
type Flags uint16

const (
	MaybeNull Flags = 1 << iota
	RdOnly
	RingBuf // a reserved record
	User    // user-space address
	PerCPU
	Trusted
	Untrusted
	RCU
	Alloc      // made by the program, of a type of its own
	NonOwn     // borrowed from a list or tree
	fromPacket // a slice of a packet's dynptr: moves with the packet
)

// flagNames are the prefixes of the kernel's log, in its order.
var flagNames = [...]struct {
	flag Flags
	name string
}{
	{RdOnly, "rdonly_"},
	{RingBuf, "ringbuf_"},
	{User, "user_"},
	{PerCPU, "percpu_"},
	{Untrusted, "untrusted_"},
	{Trusted, "trusted_"},
	{RCU, "rcu_"},
}

// typeName is the kernel's name of a kind of pointer in messages.
func typeName(k Kind, f Flags) string {
	name := ""
	for _, n := range flagNames {
		if f&n.flag != 0 {
			name += n.name
		}
	}
	name += kindNames[k]
	if f&MaybeNull != 0 {
		if k == BTFPtr {
			return name + "or_null_"
		}
		return name + "_or_null"
	}
	return name
}

// isPacket reports pointers that a comparison with the packet's end bounds.
func (k Kind) isPacket() bool { return k == Packet || k == PacketMeta }

// spillable reports what may be kept on the stack and come back whole.
func (k Kind) spillable() bool {
	switch k {
	case NotInit, Scalar, TPBuffer, ConstDynptr, SlotDynptr, SlotIter, SlotIRQ:
		return false
	}
	return true
}
