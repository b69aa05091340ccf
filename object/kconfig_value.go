package object

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// putKconfig writes a value as it stands in a kernel configuration into dst,
// which has the size of typ, following libbpf's rules for which type takes
// which value.
func putKconfig(dst []byte, typ btf.Type, value string) error {
	typ = btf.UnderlyingType(typ)
	switch {
	case value == "y" || value == "n" || value == "m":
		return putTristate(dst, typ, value)
	case strings.HasPrefix(value, `"`):
		return putString(dst, typ, value)
	}
	return putNumber(dst, typ, value)
}

// tristate values of enum libbpf_tristate.
func tristates() map[string]uint32 { return map[string]uint32{"n": 0, "y": 1, "m": 2} }

func putTristate(dst []byte, typ btf.Type, value string) error {
	switch t := typ.(type) {
	case *btf.Int:
		switch {
		case t.Encoding == btf.Bool && t.Size == 1:
			if value == "m" {
				return fmt.Errorf("does not fit in a bool: declare it enum libbpf_tristate")
			}
			dst[0] = byte(tristates()[value])
			return nil
		case t.Size == 1: // char takes the letter
			dst[0] = value[0]
			return nil
		}
	case *btf.Enum:
		if t.Name == "libbpf_tristate" && len(dst) == 4 {
			binary.NativeEndian.PutUint32(dst, tristates()[value])
			return nil
		}
	}
	return fmt.Errorf("does not fit in %s: bool, char and enum libbpf_tristate take it", typeName(typ))
}

func putString(dst []byte, typ btf.Type, value string) error {
	arr, ok := typ.(*btf.Array)
	if ok {
		c, isInt := btf.UnderlyingType(arr.Type).(*btf.Int)
		ok = isInt && c.Size == 1 && c.Encoding != btf.Bool
	}
	if !ok {
		return fmt.Errorf("does not fit in %s: an array of char takes it", typeName(typ))
	}
	if len(value) < 2 || !strings.HasSuffix(value, `"`) {
		return fmt.Errorf("has no closing quote")
	}
	if len(dst) == 0 {
		return nil
	}
	// A string that is too long is cut so that its zero byte fits.
	copy(dst[:len(dst)-1], value[1:len(value)-1])
	return nil
}

func putNumber(dst []byte, typ btf.Type, value string) error {
	t, ok := typ.(*btf.Int)
	if !ok {
		return fmt.Errorf("does not fit in %s: an integer takes it", typeName(typ))
	}
	bits := int(t.Size) * 8
	var n uint64
	if t.Encoding == btf.Signed {
		v, err := strconv.ParseInt(value, 0, bits)
		if err != nil {
			return fmt.Errorf("is not a signed number of %d bits", bits)
		}
		n = uint64(v)
	} else {
		v, err := strconv.ParseUint(value, 0, bits)
		if err != nil {
			return fmt.Errorf("is not a number of %d bits", bits)
		}
		n = v
	}
	if t.Encoding == btf.Bool && n > 1 {
		return fmt.Errorf("does not fit in a bool")
	}
	switch len(dst) {
	case 1:
		dst[0] = byte(n)
	case 2:
		binary.NativeEndian.PutUint16(dst, uint16(n))
	case 4:
		binary.NativeEndian.PutUint32(dst, uint32(n))
	case 8:
		binary.NativeEndian.PutUint64(dst, n)
	default:
		return fmt.Errorf("does not fit in an integer of %d bytes", len(dst))
	}
	return nil
}

func typeName(t btf.Type) string {
	if n := t.TypeName(); n != "" {
		return n
	}
	return fmt.Sprintf("%T", t)
}
