package btfdump

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/cilium/ebpf/btf"
)

// Decode reads data, in the byte order of this machine, as a value of type t.
// A nil type gives the bytes as hex. data must hold the type's size; more is
// ignored.
func Decode(t btf.Type, data []byte) (Value, error) {
	if t == nil {
		return Bytes(data), nil
	}
	d := decoder{budget{MaxValues}}
	return d.value(nil, t, data, 0)
}

// DecodePerCPU reads the value of a per-CPU map: one value for each CPU, each
// size bytes rounded up to 8.
func DecodePerCPU(t btf.Type, data []byte, size int) ([]Value, error) {
	step := (size + 7) &^ 7
	if size <= 0 || len(data)%step != 0 {
		return nil, (*place)(nil).errorf("%d bytes are not a number of per-CPU values of %d", len(data), size)
	}
	values := make([]Value, 0, len(data)/step)
	for ; len(data) > 0; data = data[step:] {
		v, err := Decode(t, data[:size])
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

type decoder struct{ budget budget }

func (d *decoder) value(p *place, t btf.Type, data []byte, depth int) (Value, error) {
	if err := d.budget.spend(p, depth); err != nil {
		return Value{}, err
	}
	under, be, err := strip(t)
	if err != nil {
		return Value{}, p.errorf("%w", err)
	}
	size, ok := sizeOf(under)
	if !ok {
		return Value{}, nil
	}
	if size > len(data) {
		return Value{}, p.errorf("%d bytes where the type has %d: %w", len(data), size, ErrBadType)
	}
	data = data[:size]
	if address(under) {
		return String(netip.AddrFrom16([16]byte(data)).String()), nil
	}
	switch u := under.(type) {
	case *btf.Int:
		return integer(u, data, be), nil
	case *btf.Enum:
		return enumerator(u, data), nil
	case *btf.Pointer:
		return Value{Kind: Text, Str: hexNumber(nativeUint(data))}, nil
	case *btf.Float:
		return float(data), nil
	case *btf.Array:
		return d.array(p, u, data, depth)
	case *btf.Struct:
		return d.members(p, u.Members, data, depth)
	case *btf.Union:
		return d.members(p, u.Members, data, depth)
	case *btf.Datasec:
		return d.section(p, u, data, depth)
	}
	return Bytes(data), nil
}

func (d *decoder) section(p *place, s *btf.Datasec, data []byte, depth int) (Value, error) {
	out := Value{Kind: Struct}
	for _, v := range s.Vars {
		if v.Type == nil {
			return Value{}, p.errorf("variable without a type: %w", ErrBadType)
		}
		name := v.Type.TypeName()
		q := &place{up: p, name: name}
		if uint64(v.Offset)+uint64(v.Size) > uint64(len(data)) {
			return Value{}, q.errorf("outside the section: %w", ErrBadType)
		}
		f, err := d.value(q, v.Type, data[v.Offset:], depth+1)
		if err != nil {
			return Value{}, err
		}
		out.Fields = append(out.Fields, Field{name, f})
	}
	return out, nil
}

func (d *decoder) members(p *place, members []btf.Member, data []byte, depth int) (Value, error) {
	out := Value{Kind: Struct}
	for i := range members {
		m := &members[i]
		q := p
		if m.Name != "" {
			q = &place{up: p, name: m.Name}
		}
		f, err := d.member(q, m, data, depth+1)
		if err != nil {
			return Value{}, err
		}
		switch {
		case m.Name != "":
			out.Fields = append(out.Fields, Field{m.Name, f})
		case f.Kind == Struct:
			out.Fields = append(out.Fields, f.Fields...)
		}
	}
	return out, nil
}

func (d *decoder) member(p *place, m *btf.Member, data []byte, depth int) (Value, error) {
	if m.BitfieldSize > 0 {
		if err := d.budget.spend(p, depth); err != nil {
			return Value{}, err
		}
		bits, err := getBits(p, data, m)
		if err != nil {
			return Value{}, err
		}
		return bitfield(p, m, bits)
	}
	if m.Offset%8 != 0 || uint64(m.Offset/8) > uint64(len(data)) {
		return Value{}, p.errorf("outside its struct: %w", ErrBadType)
	}
	return d.value(p, m.Type, data[m.Offset/8:], depth)
}

func (d *decoder) array(p *place, a *btf.Array, data []byte, depth int) (Value, error) {
	elem, _, err := strip(a.Type)
	if err != nil {
		return Value{}, p.errorf("%w", err)
	}
	if i, ok := elem.(*btf.Int); ok {
		if s, ok := text(data); ok && isText(i) && a.Nelems > 0 {
			return String(s), nil
		}
		if isByte(i) {
			return byteArray(data), nil
		}
	}
	size, ok := sizeOf(a.Type)
	if !ok {
		return Value{}, nil
	}
	out := Value{Kind: List}
	for i := range int(a.Nelems) {
		e, err := d.value(&place{up: p, i: i}, a.Type, data[i*size:], depth+1)
		if err != nil {
			return Value{}, err
		}
		out.Elems = append(out.Elems, e)
	}
	return out, nil
}

// text reads a char array: printable up to the first zero, zeros behind it.
func text(data []byte) (string, bool) {
	s, rest, _ := bytes.Cut(data, []byte{0})
	if len(bytes.Trim(rest, "\x00")) > 0 || !printable(string(s)) {
		return "", false
	}
	return string(s), true
}

func byteArray(data []byte) Value {
	if len(data) == 6 {
		mac := make([]byte, 0, 17)
		for i, c := range data {
			if i > 0 {
				mac = append(mac, ':')
			}
			mac = append(mac, hexDigits[c>>4], hexDigits[c&15])
		}
		return String(string(mac))
	}
	return Bytes(data)
}

// nativeUint reads up to 8 bytes in this machine's byte order.
func nativeUint(data []byte) uint64 {
	switch len(data) {
	case 1:
		return uint64(data[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(data))
	case 4:
		return uint64(binary.NativeEndian.Uint32(data))
	case 8:
		return binary.NativeEndian.Uint64(data)
	}
	return 0
}

func bigUint(data []byte) (n uint64) {
	for _, c := range data {
		n = n<<8 | uint64(c)
	}
	return n
}

func wordSize(size int) bool { return size == 1 || size == 2 || size == 4 || size == 8 }

func integer(t *btf.Int, data []byte, be bool) Value {
	switch {
	case be && len(data) == 4:
		return String(netip.AddrFrom4([4]byte(data)).String())
	case be && wordSize(len(data)):
		return Uint64(bigUint(data))
	case !wordSize(len(data)):
		return wideInteger(data)
	}
	n := nativeUint(data)
	switch {
	case isBool(t) && n <= 1:
		return Boolean(n == 1)
	case t.Encoding == btf.Signed:
		return Int64(signExtend(n, 8*len(data)))
	}
	return Uint64(n)
}

func signExtend(n uint64, bits int) int64 {
	return int64(n<<(64-bits)) >> (64 - bits)
}

func enumerator(t *btf.Enum, data []byte) Value {
	if !wordSize(len(data)) {
		return Bytes(data)
	}
	return named(t, nativeUint(data), 8*len(data))
}

func named(t *btf.Enum, n uint64, bits int) Value {
	full := n
	if t.Signed {
		full = uint64(signExtend(n, bits))
	}
	for _, v := range t.Values {
		if v.Value == full || v.Value == n {
			return Value{Kind: Symbol, Str: v.Name, Uint: full}
		}
	}
	if t.Signed {
		return Int64(int64(full))
	}
	return Uint64(n)
}

func float(data []byte) Value {
	switch len(data) {
	case 4:
		return Value{Kind: Float, Float64: float64(math.Float32frombits(uint32(nativeUint(data))))}
	case 8:
		return Value{Kind: Float, Float64: math.Float64frombits(nativeUint(data))}
	}
	return Bytes(data)
}
