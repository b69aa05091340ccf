package packet

// Meta is the metadata of a socket buffer. Its fields are vm.SKBMeta's, where
// they are described.
type Meta struct {
	PktType               uint32
	Mark                  uint32
	QueueMapping          uint32
	Protocol              uint16
	VLANPresent           bool
	VLANTCI               uint16
	VLANProto             uint16
	Priority              uint32
	IngressIfIndex        uint32
	IfIndex               uint32
	TCIndex               uint16
	CB                    [5]uint32
	Hash                  uint32
	HashValid             bool
	TCClassID             uint32
	NAPIID                uint32
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
	Ingress               bool
}
