package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// network is a pair of prefixes of the plan and the hosts given out in it.
// The zero value has none.
type network struct {
	number int
	v4, v6 netip.Prefix
	// router says that host 1 is taken; next is the next host's number, from 2.
	router bool
	next   int
}

// planned returns network number n: 10.n.0.0/16 and fd00:n::/64, where n is
// 1 to 255.
func planned(n int) (network, error) {
	if n < 1 || n > 255 {
		return network{}, fmt.Errorf("the address plan has 255 networks, all taken")
	}
	v6 := [16]byte{0: 0xfd, 3: byte(n)}
	return network{
		number: n,
		v4:     netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n)}), 16),
		v6:     netip.PrefixFrom(netip.AddrFrom16(v6), 64),
		next:   2,
	}, nil
}

// host returns the addresses of host i, with the network's length.
func (n network) host(i int) []netip.Prefix {
	v4, v6 := n.v4.Addr().As4(), n.v6.Addr().As16()
	binary.BigEndian.PutUint16(v4[2:], uint16(i))
	binary.BigEndian.PutUint16(v6[14:], uint16(i))
	return []netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4(v4), n.v4.Bits()),
		netip.PrefixFrom(netip.AddrFrom16(v6), n.v6.Bits()),
	}
}

// take gives out the next host's addresses; the first router is host 1.
func (n *network) take(router bool) ([]netip.Prefix, error) {
	if router && !n.router {
		n.router = true
		return n.host(1), nil
	}
	// 10.n.255.255 is the broadcast address.
	if n.next >= 0xffff {
		return nil, fmt.Errorf("network %s is full", n.v4)
	}
	i := n.next
	n.next++
	return n.host(i), nil
}

// prefixes of the network, none if it is the zero value.
func (n network) prefixes() []netip.Prefix {
	if n.number == 0 {
		return nil
	}
	return []netip.Prefix{n.v4, n.v6}
}

// hostPrefix is a's prefix of full length.
func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// hardwareAddr is the address of an end of link number n, which is locally
// administered and the same in both worlds.
func hardwareAddr(n, end int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0x5e, byte(n >> 16), byte(n >> 8), byte(n), byte(end + 1)}
}

// linkLocal is the address that RFC 4291 appendix A derives from mac.
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{
		0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5],
	})
}

func firstOf(addrs []netip.Addr, is func(netip.Addr) bool) netip.Addr {
	for _, a := range addrs {
		if is(a) {
			return a
		}
	}
	return netip.Addr{}
}

// smallestMTU is what IPv6 needs (RFC 8200); largestMTU what fits a veth
// device.
const (
	smallestMTU = 1280
	largestMTU  = 65535
)

func checkMTU(mtu int) error {
	if mtu < smallestMTU || mtu > largestMTU {
		return fmt.Errorf("MTU %d: want %d to %d bytes", mtu, smallestMTU, largestMTU)
	}
	return nil
}
