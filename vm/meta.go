package vm

// XDPMeta is what an XDP program can ask about a packet besides its bytes.
type XDPMeta struct {
	IngressIfIndex uint32
	RxQueueIndex   uint32
	EgressIfIndex  uint32
}

// SKBMeta is what a socket-buffer program can ask about a packet, and partly
// change, besides its bytes: the fields of struct __sk_buff. It travels with a
// packet through its hooks. Fields are in host byte order except where noted.
type SKBMeta struct {
	// PktType is PACKET_HOST (0), PACKET_BROADCAST (1), PACKET_MULTICAST (2),
	// PACKET_OTHERHOST (3) or PACKET_OUTGOING (4).
	PktType      uint32
	Mark         uint32
	QueueMapping uint32
	// Protocol is the EtherType in network byte order, as in memory; 0 means
	// that of the Ethernet header.
	Protocol    uint16
	VLANPresent bool
	VLANTCI     uint16
	// VLANProto is in network byte order.
	VLANProto      uint16
	Priority       uint32
	IngressIfIndex uint32
	IfIndex        uint32
	TCIndex        uint16
	CB             [5]uint32
	Hash           uint32
	// HashValid says that Hash is known and stays until a program invalidates it.
	HashValid bool
	TCClassID uint32
	NAPIID    uint32
	// The socket's side of the packet; Family 0 means that there is no socket.
	// Addresses and RemotePort are in network byte order, LocalPort in host's.
	Family                uint32
	RemoteIP4, LocalIP4   uint32
	RemoteIP6, LocalIP6   [4]uint32
	RemotePort, LocalPort uint32
	SocketCookie          uint64
	SocketUID             uint32
	CgroupID              uint64
	CgroupClassID         uint32
	TStamp                uint64
	TStampType            uint8
	HWTStamp              uint64
	WireLen               uint32
	GSOSegs, GSOSize      uint32
	// Ingress says that the packet is being received: it was pulled past its
	// Ethernet header on the way in.
	Ingress bool
}
