package btfdump

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// integerOf reads a whole number from what JSON, YAML or a command line gave.
func integerOf(v any) (*big.Int, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewInt(1), nil
		}
		return new(big.Int), nil
	case int:
		return big.NewInt(int64(v)), nil
	case int64:
		return big.NewInt(v), nil
	case uint64:
		return new(big.Int).SetUint64(v), nil
	case float64:
		if v != math.Trunc(v) || math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, fmt.Errorf("%v is no whole number", v)
		}
		n, _ := big.NewFloat(v).Int(nil)
		return n, nil
	case json.Number:
		return parseInteger(v.String())
	case string:
		return parseInteger(v)
	}
	return nil, fmt.Errorf("want a number, have %s", kindOf(v))
}

func parseInteger(s string) (*big.Int, error) {
	s = strings.TrimSpace(s)
	switch s {
	case "true":
		return big.NewInt(1), nil
	case "false":
		return new(big.Int), nil
	}
	// A limit on the text keeps the quadratic parser of big numbers short.
	if len(s) <= 256 {
		if n, ok := new(big.Int).SetString(s, 0); ok {
			return n, nil
		}
		// JSON allows 1e3 and 1.0.
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<63 {
			return integerOf(f)
		}
	}
	return nil, fmt.Errorf("%s is no number", quoteShort(s))
}

func quoteShort(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.Quote(s)
}

// intNumber reads a number that fits bits, as the bits of it.
func intNumber(p *place, v any, bits int, signed bool, name string) (uint64, error) {
	n, err := integerOf(v)
	if err != nil {
		return 0, p.errorf("%w", err)
	}
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(bits))
	if signed {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	if n.Cmp(low) < 0 || n.Cmp(high) >= 0 {
		return 0, p.errorf("%v does not fit %s (%v … %v)", n, name, low, high.Sub(high, big.NewInt(1)))
	}
	if n.Sign() < 0 {
		return uint64(n.Int64()), nil
	}
	return n.Uint64(), nil
}

func putInt(p *place, t *btf.Int, dst []byte, v any, be bool) error {
	if s, ok := v.(string); ok && len(dst) == 4 {
		if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
			b := a.As4()
			copy(dst, b[:])
			return nil
		}
	}
	if s, ok := v.(string); ok && isText(t) && len([]rune(s)) == 1 && (s[0] < '0' || s[0] > '9') {
		return putText(p, dst, s)
	}
	if !wordSize(len(dst)) {
		n, err := integerOf(v)
		if err != nil {
			return p.errorf("%w", err)
		}
		if n.Sign() < 0 && t.Encoding == btf.Signed && n.BitLen() < 8*len(dst) {
			n.Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(dst))))
		}
		if !putWide(dst, n) {
			return p.errorf("%v does not fit %s of %d bytes", n, describe(t), len(dst))
		}
		return nil
	}
	n, err := intNumber(p, v, 8*len(dst), t.Encoding == btf.Signed, describe(t))
	if err != nil {
		return err
	}
	return putWord(p, dst, n, be)
}

func putWord(p *place, dst []byte, n uint64, be bool) error {
	var order binary.ByteOrder = binary.NativeEndian
	if be {
		order = binary.BigEndian
	}
	switch len(dst) {
	case 1:
		dst[0] = byte(n)
	case 2:
		order.PutUint16(dst, uint16(n))
	case 4:
		order.PutUint32(dst, uint32(n))
	case 8:
		order.PutUint64(dst, n)
	default:
		return p.errorf("%d-byte integers take no value: %w", len(dst), ErrBadType)
	}
	return nil
}

// enumNumber reads an enumerator by name or number.
func enumNumber(p *place, t *btf.Enum, v any, bits int) (uint64, error) {
	if s, ok := v.(string); ok {
		var names []string
		for _, e := range t.Values {
			if e.Name == s {
				return e.Value, nil
			}
			names = append(names, e.Name)
		}
		if _, err := parseInteger(s); err != nil {
			hint := ""
			if near := Suggest(s, names); near != "" {
				hint = fmt.Sprintf(", did you mean %q?", near)
			} else if len(names) > 0 && len(names) <= 16 {
				hint = ": it has " + strings.Join(names, ", ")
			}
			return 0, p.errorf("%s has no %s%s", describe(t), quoteShort(s), hint)
		}
	}
	return intNumber(p, v, bits, t.Signed, describe(t))
}

func putFloat(p *place, dst []byte, v any) error {
	var f float64
	var err error
	switch v := v.(type) {
	case float64:
		f = v
	case json.Number:
		f, err = v.Float64()
	case string:
		f, err = strconv.ParseFloat(v, 64)
	default:
		n, e := integerOf(v)
		if e != nil {
			return p.errorf("%w", e)
		}
		f, _ = n.Float64()
	}
	if err != nil {
		return p.errorf("%v is no number", v)
	}
	switch len(dst) {
	case 4:
		return putWord(p, dst, uint64(math.Float32bits(float32(f))), false)
	case 8:
		return putWord(p, dst, math.Float64bits(f), false)
	}
	return p.errorf("%d-byte floats take no value", len(dst))
}

// kindOf names what was given instead of what was wanted.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a truth value"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "a number"
}

// describe is a type's name as C says it.
func describe(t btf.Type) string {
	prefix := ""
	switch t := t.(type) {
	case *btf.Struct:
		prefix = "struct"
	case *btf.Union:
		prefix = "union"
	case *btf.Enum:
		prefix = "enum"
	case *btf.Fwd:
		prefix = t.Kind.String()
	case *btf.Pointer:
		return "pointer"
	case *btf.Array:
		return fmt.Sprintf("array of %d", t.Nelems)
	case *btf.FuncProto:
		return "function"
	case *btf.Void:
		return "void"
	}
	return strings.TrimSpace(prefix + " " + t.TypeName())
}
