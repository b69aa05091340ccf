package replay

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf/btf"
)

// addressKey says that an LPM trie's key is a prefix length and an address:
// four bytes, then an array, an in_addr or a 32-bit number that Linux shows
// programs as it stands in packets.
func (d *decoder) addressKey() bool {
	if d.info.KeySize != 8 && d.info.KeySize != 20 {
		return false
	}
	s, ok := btf.UnderlyingType(orVoid(d.key)).(*btf.Struct)
	return d.key == nil || ok && len(s.Members) == 2
}

func orVoid(t btf.Type) btf.Type {
	if t == nil {
		return &btf.Void{}
	}
	return t
}

// prefixText writes struct bpf_lpm_trie_key with 4 or 16 bytes of data as an
// IP prefix. ok is false if the bytes are not that of a prefix.
func prefixText(k []byte) (string, bool) {
	if len(k) != 8 && len(k) != 20 {
		return "", false
	}
	a, _ := netip.AddrFromSlice(k[4:])
	bits := binary.NativeEndian.Uint32(k)
	if bits > uint32(a.BitLen()) {
		return "", false
	}
	return netip.PrefixFrom(a, int(bits)).String(), true
}

// putPrefix writes an IP prefix (or address) as an LPM trie's key.
func putPrefix(dst []byte, s string) error {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, e := netip.ParseAddr(s)
		if e != nil {
			return fmt.Errorf("%q is no prefix such as 10.0.0.0/8", s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().BitLen() != 8*(len(dst)-4) {
		return fmt.Errorf("%s has %d bits, the key %d", p, p.Addr().BitLen(), 8*(len(dst)-4))
	}
	binary.NativeEndian.PutUint32(dst, uint32(p.Bits()))
	copy(dst[4:], p.Addr().AsSlice())
	return nil
}
