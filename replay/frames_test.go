package replay_test

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/skepdev/skep/replay"
)

// udp builds an Ethernet frame with a UDP datagram of n payload bytes.
func udp(src, dst string, port uint16, n int) []byte {
	f := make([]byte, 14+20+8+n)
	copy(f, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00})
	ip := f[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(28+n))
	copy(ip[12:], netip.MustParseAddr(src).AsSlice())
	copy(ip[16:], netip.MustParseAddr(dst).AsSlice())
	binary.BigEndian.PutUint16(ip[20:], 40000)
	binary.BigEndian.PutUint16(ip[22:], port)
	binary.BigEndian.PutUint16(ip[24:], uint16(8+n))
	return f
}

// traffic is what the tests replay: four datagrams, two of them to port 23, one
// from 192.0.2.0/24, and a runt.
func traffic() replay.Source {
	start := time.Unix(1700000000, 0)
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Millisecond) }
	return replay.Packets(
		replay.Packet{Data: udp("10.0.0.1", "10.0.0.9", 53, 20), Time: at(0)},
		replay.Packet{Data: udp("10.0.0.1", "10.0.0.9", 23, 8), Time: at(1)},
		replay.Packet{Data: []byte{1, 2, 3}, Time: at(2)},
		replay.Packet{Data: udp("10.0.0.2", "10.0.0.9", 23, 8), Time: at(3), Interface: 1},
		replay.Packet{Data: udp("192.0.2.7", "10.0.0.9", 53, 100), Length: 500, Time: at(4)},
	)
}
