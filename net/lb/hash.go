package lb

import (
	"encoding/binary"
	"net/netip"
)

// The program's arithmetic (bpf/lib/lb.h and lbpick.h), on a little-endian
// host: ports and IPv4 addresses enter as they lie in memory.

func mix(h uint64) uint64 {
	h *= 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>29
}

// wirePort is a port in network byte order, read as a little-endian number.
func wirePort(port uint16) uint64 { return uint64(port>>8 | port<<8) }

// clientHash chooses the entry of a Maglev table.
func clientHash(client netip.AddrPort) uint32 {
	if client.Addr().Is4() {
		a := client.Addr().As4()
		return uint32(mix(uint64(binary.LittleEndian.Uint32(a[:]))<<16 | wirePort(client.Port())))
	}
	a := client.Addr().As16()
	lo, hi := binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:])
	return uint32(mix(mix(lo) ^ mix(hi+wirePort(client.Port()))))
}

// connTag is what a connection is known by in the table.
func connTag(client netip.AddrPort, frontend uint32, seed uint64) uint64 {
	if client.Addr().Is4() {
		a := client.Addr().As4()
		return uint64(binary.LittleEndian.Uint32(a[:]))<<32 | wirePort(client.Port())<<16 | uint64(frontend&0xffff)
	}
	a := client.Addr().As16()
	lo, hi := binary.LittleEndian.Uint64(a[:8]), binary.LittleEndian.Uint64(a[8:])
	h := mix(lo^seed) ^ hi
	return mix(h*3+wirePort(client.Port()))<<16 | uint64(frontend&0xffff)
}

// tagClient4 takes an IPv4 client out of a tag.
func tagClient4(tag uint64) netip.AddrPort {
	var a [4]byte
	binary.LittleEndian.PutUint32(a[:], uint32(tag>>32))
	port := uint16(tag >> 16)
	return netip.AddrPortFrom(netip.AddrFrom4(a), port>>8|port<<8)
}

// bucketOf is the index of a tag's bucket.
func bucketOf(tag, seed uint64, mask uint32) uint32 { return uint32(mix(tag^seed)) & mask }

// entryOf is the index of a hash in a table of size entries.
func entryOf(hash, size uint32) uint32 { return uint32(uint64(hash) * uint64(size) >> 32) }
