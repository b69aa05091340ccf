package btfdump

import (
	"encoding/binary"
	"math/big"
	"slices"
	"strconv"

	"github.com/cilium/ebpf/btf"
)

// bigEndian says how this machine numbers the bits of a bitfield: from the
// most significant one on big-endian machines.
func bigEndian() bool { return binary.NativeEndian.Uint16([]byte{0, 1}) == 1 }

// bitRange checks that a bitfield lies inside its struct and in 64 bits.
func bitRange(p *place, data []byte, m *btf.Member) error {
	end := uint64(m.Offset) + uint64(m.BitfieldSize)
	if m.BitfieldSize > 64 || end > 8*uint64(len(data)) {
		return p.errorf("bitfield outside its struct: %w", ErrBadType)
	}
	return nil
}

// getBits reads a bitfield. BTF counts bit offsets from the lowest address on,
// within a byte from the least significant bit on little-endian machines and
// from the most significant one on big-endian ones.
func getBits(p *place, data []byte, m *btf.Member) (n uint64, err error) {
	if err := bitRange(p, data, m); err != nil {
		return 0, err
	}
	if bigEndian() {
		for i := range uint64(m.BitfieldSize) {
			bit := uint64(m.Offset) + i
			n = n<<1 | uint64(data[bit/8]>>(7-bit%8)&1)
		}
		return n, nil
	}
	for i := range uint64(m.BitfieldSize) {
		bit := uint64(m.Offset) + i
		n |= uint64(data[bit/8]>>(bit%8)&1) << i
	}
	return n, nil
}

func putBits(p *place, data []byte, m *btf.Member, n uint64) error {
	if err := bitRange(p, data, m); err != nil {
		return err
	}
	size := uint64(m.BitfieldSize)
	for i := range size {
		bit := uint64(m.Offset) + i
		shift := bit % 8
		value := n >> i & 1
		if bigEndian() {
			shift = 7 - shift
			value = n >> (size - 1 - i) & 1
		}
		data[bit/8] = data[bit/8]&^(1<<shift) | byte(value)<<shift
	}
	return nil
}

// bitfield makes a value of a bitfield's bits.
func bitfield(p *place, m *btf.Member, n uint64) (Value, error) {
	under, _, err := strip(m.Type)
	if err != nil {
		return Value{}, p.errorf("%w", err)
	}
	switch t := under.(type) {
	case *btf.Enum:
		return named(t, n, int(m.BitfieldSize)), nil
	case *btf.Int:
		switch {
		case isBool(t) && n <= 1:
			return Boolean(n == 1), nil
		case t.Encoding == btf.Signed:
			return Int64(signExtend(n, int(m.BitfieldSize))), nil
		}
		return Uint64(n), nil
	}
	return Value{}, p.errorf("bitfield of %s: %w", under.TypeName(), ErrBadType)
}

func hexNumber(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

// wideInteger is the hex number of more (or less usual) bytes than a word has.
func wideInteger(data []byte) Value {
	b := slices.Clone(data)
	if !bigEndian() {
		slices.Reverse(b)
	}
	return String("0x" + new(big.Int).SetBytes(b).Text(16))
}

// putWide writes n, which must fit, into data in this machine's byte order.
func putWide(data []byte, n *big.Int) bool {
	if n.BitLen() > 8*len(data) || n.Sign() < 0 {
		return false
	}
	n.FillBytes(data)
	if !bigEndian() {
		slices.Reverse(data)
	}
	return true
}
