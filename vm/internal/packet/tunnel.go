package packet

import (
	"encoding/binary"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// The layout of struct bpf_tunnel_key. Older ones end before a later field.
const (
	tunID       = 0
	tunRemote   = 4
	tunRemote6  = 8 // the second word of an IPv6 address
	tunTOS      = 20
	tunTTL      = 21
	tunFlags    = 22 // what set calls tunnel_ext, which must be 0
	tunLabel    = 24
	tunLocal    = 28
	tunKeySize  = 44
	flowLabel   = 0xfffff
	maxTunnelOp = 252 // IP_TUNNEL_OPTS_MAX, of which lengths are whole words
)

// Flags of a tunnel as programs read them, in host byte order (TUNNEL_… of
// linux/if_tunnel.h).
const (
	tunnelCsum         = 1 << 0
	tunnelKey          = 1 << 2
	tunnelSeq          = 1 << 3
	tunnelDontFragment = 1 << 8
	tunnelNoCache      = 1 << 13
	// tunnelOptions is all that may stand for options: Geneve, VXLAN, ERSPAN
	// and GTP.
	tunnelOptions = 1<<11 | 1<<12 | 1<<14 | 1<<15
)

// tunnel is how a tunnel device is to wrap a packet (struct ip_tunnel_info). It
// travels with the packet, as skb->dst in Linux.
type tunnel struct {
	set, ipv6 bool
	tos, ttl  uint8
	flags     uint16
	id, label uint32
	// As in struct bpf_tunnel_key: an IPv4 address is a word in host byte order.
	remote, local [16]byte
	optionBytes   uint8
	options       [maxTunnelOp]byte
}

// tunnelKeySize says whether struct bpf_tunnel_key had that size at some time.
func tunnelKeySize(n int) bool {
	switch n {
	case tunKeySize, tunLocal, tunLabel, tunFlags, tunRemote6:
		return true
	}
	return false
}

// SetTunnelKey is bpf_skb_set_tunnel_key: it replaces what was set before, with
// its options.
func (b *Buffer) SetTunnelKey(from []byte, flags uint64) syscall.Errno {
	const known = abi.FlagTuninfoIPv6 | abi.FlagZeroCsumTx | abi.FlagDontFragment | abi.FlagSeqNumber | abi.FlagNoTunnelKey
	if flags&^known != 0 || !tunnelKeySize(len(from)) {
		return syscall.EINVAL
	}
	var key [tunKeySize]byte
	copy(key[:], from)
	ne := binary.NativeEndian
	ipv6, label := flags&abi.FlagTuninfoIPv6 != 0, ne.Uint32(key[tunLabel:])
	if !ipv6 && label != 0 || ne.Uint16(key[tunFlags:]) != 0 {
		return syscall.EINVAL
	}
	t := &b.tunnel
	t.set, t.ipv6, t.optionBytes = true, ipv6, 0
	t.id, t.tos, t.ttl, t.label = ne.Uint32(key[tunID:]), key[tunTOS], key[tunTTL], label&flowLabel
	t.flags = tunnelFlags(flags)
	copy(t.remote[:], key[tunRemote:])
	copy(t.local[:], key[tunLocal:])
	return 0
}

func tunnelFlags(flags uint64) uint16 {
	f := uint16(tunnelKey | tunnelCsum | tunnelNoCache)
	if flags&abi.FlagDontFragment != 0 {
		f |= tunnelDontFragment
	}
	if flags&abi.FlagZeroCsumTx != 0 {
		f &^= tunnelCsum
	}
	if flags&abi.FlagSeqNumber != 0 {
		f |= tunnelSeq
	}
	if flags&abi.FlagNoTunnelKey != 0 {
		f &^= tunnelKey
	}
	return f
}

// TunnelKey is bpf_skb_get_tunnel_key: all of to is written. It sees the tunnel
// from the other end, since in Linux it is for packets that came out of one:
// remote is where the packet is said to come from.
func (b *Buffer) TunnelKey(to []byte, flags uint64) syscall.Errno {
	clear(to)
	t := &b.tunnel
	ipv6 := flags&abi.FlagTuninfoIPv6 != 0
	switch {
	case !t.set, flags&^uint64(abi.FlagTuninfoIPv6|abi.FlagTuninfoFlags) != 0:
		return syscall.EINVAL
	case t.ipv6 != ipv6:
		return syscall.EPROTO
	case !tunnelKeySize(len(to)), len(to) == tunRemote6 && ipv6:
		return syscall.EINVAL
	}
	var key [tunKeySize]byte
	ne := binary.NativeEndian
	ne.PutUint32(key[tunID:], t.id)
	key[tunTOS], key[tunTTL] = t.tos, t.ttl
	if flags&abi.FlagTuninfoFlags != 0 {
		binary.BigEndian.PutUint16(key[tunFlags:], t.flags)
	}
	address := 4
	if ipv6 {
		address = 16
		ne.PutUint32(key[tunLabel:], t.label)
	}
	copy(key[tunRemote:], t.local[:address])
	copy(key[tunLocal:], t.remote[:address])
	copy(to, key[:])
	return 0
}

// SetTunnelOptions is bpf_skb_set_tunnel_opt, after SetTunnelKey.
func (b *Buffer) SetTunnelOptions(from []byte) syscall.Errno {
	t := &b.tunnel
	if !t.set || len(from)%4 != 0 {
		return syscall.EINVAL
	}
	if len(from) > maxTunnelOp {
		return syscall.ENOMEM
	}
	t.optionBytes = uint8(copy(t.options[:], from))
	t.flags |= tunnelOptions
	return 0
}

// TunnelOptions is bpf_skb_get_tunnel_opt: all of to is written. It returns the
// options' length in bytes.
func (b *Buffer) TunnelOptions(to []byte) (int, syscall.Errno) {
	clear(to)
	t := &b.tunnel
	switch {
	case !t.set || t.flags&tunnelOptions == 0:
		return 0, syscall.ENOENT
	case len(to) < int(t.optionBytes):
		return 0, syscall.ENOMEM
	}
	return copy(to, t.options[:t.optionBytes]), 0
}

// ClearTunnel forgets what was set.
func (b *Buffer) ClearTunnel() { b.tunnel.set = false }
