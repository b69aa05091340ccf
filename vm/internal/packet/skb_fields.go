package packet

import "github.com/skepdev/skep/abi"

// access is a set of kinds of programs.
type access uint8

const (
	accSocket access = 1 << iota
	accCgroup
	accTC
	accLWT
	accSkSKB

	accAll   = accSocket | accCgroup | accTC | accLWT | accSkSKB
	accNone  = access(0)
	accWhole = ^accSocket
)

func kindOf(t abi.ProgramType) access {
	switch t {
	case abi.ProgSchedCLS, abi.ProgSchedACT:
		return accTC
	case abi.ProgCgroupSKB:
		return accCgroup
	case abi.ProgLWTIn, abi.ProgLWTOut, abi.ProgLWTXmit, abi.ProgLWTSeg6local:
		return accLWT
	case abi.ProgSkSKB:
		return accSkSKB
	}
	return accSocket
}

// field is a field of struct __sk_buff: who may read and write it and how.
// Sizes other than whole are allowed only where narrow says so.
type field struct {
	name      string
	off, size uint8
	// loads is how many bytes the kernel really loads for the field, 0 for all:
	// a narrow access of at least that size gets them wherever in the field it
	// begins.
	loads       uint8
	narrow      bool
	read, write access
	get         func(s *SKB) uint64
	set         func(s *SKB, v uint64)
}

const skbSize = 192

// skbFields are the fields in the order of their offsets, cb aside.
var skbFields = [...]field{
	{name: "len", off: 0, size: 4, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.Len()) }},
	{name: "pkt_type", off: 4, size: 4, loads: 1, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.PktType) }},
	{
		name: "mark", off: 8, size: 4, narrow: true, read: accAll, write: accTC | accCgroup | accLWT,
		get: func(s *SKB) uint64 { return uint64(s.Mark) }, set: func(s *SKB, v uint64) { s.Mark = uint32(v) },
	},
	{
		name: "queue_mapping", off: 12, size: 4, loads: 2, narrow: true, read: accAll, write: accTC,
		get: func(s *SKB) uint64 { return uint64(s.QueueMapping) },
		set: func(s *SKB, v uint64) {
			if uint32(v) < 0xffff {
				s.QueueMapping = uint32(v)
			}
		},
	},
	{name: "protocol", off: 16, size: 4, loads: 2, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.Protocol) }},
	{name: "vlan_present", off: 20, size: 4, narrow: true, read: accAll, get: func(s *SKB) uint64 {
		if s.VLANPresent {
			return 1
		}
		return 0
	}},
	{name: "vlan_tci", off: 24, size: 4, loads: 2, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.VLANTCI) }},
	{name: "vlan_proto", off: 28, size: 4, loads: 2, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.VLANProto) }},
	{
		name: "priority", off: 32, size: 4, narrow: true, read: accAll, write: accTC | accCgroup | accLWT | accSkSKB,
		get: func(s *SKB) uint64 { return uint64(s.Priority) }, set: func(s *SKB, v uint64) { s.Priority = uint32(v) },
	},
	{name: "ingress_ifindex", off: 36, size: 4, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.IngressIfIndex) }},
	{name: "ifindex", off: 40, size: 4, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.IfIndex) }},
	{
		name: "tc_index", off: 44, size: 4, loads: 2, narrow: true, read: accAll, write: accTC | accSkSKB,
		get: func(s *SKB) uint64 { return uint64(s.TCIndex) }, set: func(s *SKB, v uint64) { s.TCIndex = uint16(v) },
	},
	{name: "hash", off: 68, size: 4, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.Hash) }},
	{
		name: "tc_classid", off: 72, size: 4, narrow: true, read: accTC, write: accTC,
		get: func(s *SKB) uint64 { return uint64(s.TCClassID) }, set: func(s *SKB, v uint64) { s.TCClassID = uint32(v) },
	},
	{name: "data", off: 76, size: 4, read: accWhole, get: func(s *SKB) uint64 { return s.DataPtr() }},
	{name: "data_end", off: 80, size: 4, read: accWhole, get: func(s *SKB) uint64 { return s.EndPtr() }},
	{name: "napi_id", off: 84, size: 4, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.NAPIID) }},
	{name: "family", off: 88, size: 4, loads: 2, narrow: true, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.Family) }},
	{name: "remote_ip4", off: 92, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.RemoteIP4) }},
	{name: "local_ip4", off: 96, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.LocalIP4) }},
	{name: "remote_ip6[0]", off: 100, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.RemoteIP6[0]) }},
	{name: "remote_ip6[1]", off: 104, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.RemoteIP6[1]) }},
	{name: "remote_ip6[2]", off: 108, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.RemoteIP6[2]) }},
	{name: "remote_ip6[3]", off: 112, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.RemoteIP6[3]) }},
	{name: "local_ip6[0]", off: 116, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.LocalIP6[0]) }},
	{name: "local_ip6[1]", off: 120, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.LocalIP6[1]) }},
	{name: "local_ip6[2]", off: 124, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.LocalIP6[2]) }},
	{name: "local_ip6[3]", off: 128, size: 4, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.LocalIP6[3]) }},
	{name: "remote_port", off: 132, size: 4, loads: 2, narrow: true, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.RemotePort) }},
	{name: "local_port", off: 136, size: 4, loads: 2, narrow: true, read: accCgroup | accSkSKB, get: func(s *SKB) uint64 { return uint64(s.LocalPort) }},
	{name: "data_meta", off: 140, size: 4, read: accTC, get: func(s *SKB) uint64 { return s.MetaPtr() }},
	{name: "flow_keys", off: 144, size: 8, read: accNone, get: func(*SKB) uint64 { return 0 }},
	{
		name: "tstamp", off: 152, size: 8, read: accTC | accCgroup, write: accTC | accCgroup,
		get: func(s *SKB) uint64 { return s.TStamp }, set: func(s *SKB, v uint64) { s.TStamp = v },
	},
	{name: "wire_len", off: 160, size: 4, narrow: true, read: accTC, get: func(s *SKB) uint64 { return uint64(s.WireLen) }},
	{name: "gso_segs", off: 164, size: 4, loads: 2, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.GSOSegs) }},
	{name: "sk", off: 168, size: 8, read: accAll, get: func(*SKB) uint64 { return 0 }},
	{name: "gso_size", off: 176, size: 4, loads: 2, narrow: true, read: accAll, get: func(s *SKB) uint64 { return uint64(s.GSOSize) }},
	{name: "tstamp_type", off: 180, size: 1, read: accTC, get: func(s *SKB) uint64 { return uint64(s.TStampType) }},
	{name: "hwtstamp", off: 184, size: 8, read: accTC | accCgroup, get: func(s *SKB) uint64 { return s.HWTStamp }},
}

// fieldAt gives, by word, the index of the field there plus one.
var fieldAt = func() (t [skbSize / 4]uint8) {
	for i, f := range skbFields {
		for w := f.off / 4; w < (f.off+max(f.size, 4))/4; w++ {
			t[w] = uint8(i + 1)
		}
	}
	return t
}()
