package enginetest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// value is bytes of which some may be anything.
type value struct {
	bytes []byte
	any   []bool // the same length
}

// maxValue bounds a value's size: stories are small.
const maxValue = 1 << 16

func (v *value) add(b ...byte) {
	v.bytes = append(v.bytes, b...)
	v.any = append(v.any, make([]bool, len(b))...)
}

func (v value) matches(b []byte) bool {
	if len(b) != len(v.bytes) {
		return false
	}
	for i := range b {
		if !v.any[i] && b[i] != v.bytes[i] {
			return false
		}
	}
	return true
}

// String prints bytes in hex, ".." for those that may be anything.
func (v value) String() string {
	var s strings.Builder
	for i, b := range v.bytes {
		if v.any[i] {
			s.WriteString("..")
		} else {
			fmt.Fprintf(&s, "%02x", b)
		}
	}
	return s.String()
}

// parseValue reads a VALUE.
func parseValue(words []string) (value, error) {
	var v value
	if len(words) == 0 {
		return v, fmt.Errorf("want a value")
	}
	for _, w := range words {
		kind, items, ok := strings.Cut(w, ":")
		if strings.HasPrefix(w, `"`) {
			kind, items, ok = "str", w, true
		}
		if !ok {
			return v, fmt.Errorf("value %s: want TYPE:ITEM", w)
		}
		if err := v.items(kind, items); err != nil {
			return v, fmt.Errorf("value %s: %w", w, err)
		}
		if len(v.bytes) > maxValue {
			return v, fmt.Errorf("value %s: more than %d bytes", w, maxValue)
		}
	}
	return v, nil
}

func (v *value) items(kind, items string) error {
	switch kind {
	case "str":
		s, err := strconv.Unquote(items)
		v.add([]byte(s)...)
		return err
	case "hex":
		b, err := hex.DecodeString(items)
		v.add(b...)
		return err
	case "zero", "any":
		n, err := strconv.ParseUint(items, 0, 16)
		if err != nil {
			return err
		}
		from := len(v.any)
		v.add(make([]byte, n)...)
		for i := from; i < len(v.any); i++ {
			v.any[i] = kind == "any"
		}
		return nil
	}
	for item := range strings.SplitSeq(items, ",") {
		if err := v.item(kind, item); err != nil {
			return err
		}
	}
	return nil
}

func (v *value) item(kind, item string) error {
	switch kind {
	case "ip":
		a, err := netip.ParseAddr(item)
		v.add(a.AsSlice()...)
		return err
	case "mac":
		m, err := net.ParseMAC(item)
		v.add(m...)
		return err
	}
	order, sign, bits := integer(kind)
	if bits == 0 {
		return fmt.Errorf("no type %q", kind)
	}
	var n uint64
	var err error
	if sign {
		var s int64
		s, err = strconv.ParseInt(item, 0, bits)
		n = uint64(s)
	} else {
		n, err = strconv.ParseUint(item, 0, bits)
	}
	if err != nil {
		return err
	}
	switch bits {
	case 8:
		v.add(byte(n))
	case 16:
		v.add(order.AppendUint16(nil, uint16(n))...)
	case 32:
		v.add(order.AppendUint32(nil, uint32(n))...)
	default:
		v.add(order.AppendUint64(nil, n)...)
	}
	return nil
}

// integer says what an integer type's name means; bits is 0 for other names.
func integer(kind string) (order binary.AppendByteOrder, sign bool, bits int) {
	order = binary.NativeEndian
	digits := kind
	switch {
	case strings.HasPrefix(kind, "be"):
		order, digits = binary.BigEndian, kind[2:]
	case strings.HasPrefix(kind, "s"):
		sign, digits = true, kind[1:]
	case strings.HasPrefix(kind, "u"):
		digits = kind[1:]
	}
	switch digits {
	case "8", "16", "32", "64":
		if digits == kind {
			return nil, false, 0
		}
		bits, _ = strconv.Atoi(digits)
	}
	return order, sign, bits
}
