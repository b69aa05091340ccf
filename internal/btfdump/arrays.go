package btfdump

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/cilium/ebpf/btf"
)

func (e *encoder) array(p *place, a *btf.Array, v any, dst []byte, depth int) error {
	elem, _, err := strip(a.Type)
	if err != nil {
		return p.errorf("%w", err)
	}
	if s, ok := v.(string); ok {
		i, isInt := elem.(*btf.Int)
		switch {
		case isInt && isText(i):
			return putText(p, dst, s)
		case isInt && i.Size == 1:
			return putBytes(p, dst, s)
		}
	}
	list, ok := v.([]any)
	if !ok {
		return p.errorf("want a list of at most %d, have %s", a.Nelems, kindOf(v))
	}
	if uint64(len(list)) > uint64(a.Nelems) {
		return p.errorf("%d elements do not fit an array of %d", len(list), a.Nelems)
	}
	size, ok := sizeOf(a.Type)
	if !ok {
		return p.errorf("elements have no size: %w", ErrBadType)
	}
	for i, v := range list {
		if err := e.value(&place{up: p, i: i}, a.Type, v, dst[i*size:], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func putText(p *place, dst []byte, s string) error {
	if len(s) > len(dst) {
		return p.errorf("text of %d bytes does not fit in %d", len(s), len(dst))
	}
	copy(dst, s)
	return nil
}

// putBytes fills dst from a string of one of the accepted forms, or a list of
// numbers from 0 to 255. What is shorter than dst is padded with zeros, except
// for addresses, which must have its size.
func putBytes(p *place, dst []byte, v any) error {
	if list, ok := v.([]any); ok {
		if len(list) > len(dst) {
			return p.errorf("%d bytes do not fit in %d", len(list), len(dst))
		}
		for i, v := range list {
			n, err := intNumber(&place{up: p, i: i}, v, 8, false, "a byte")
			if err != nil {
				return err
			}
			dst[i] = byte(n)
		}
		return nil
	}
	s, ok := v.(string)
	if !ok {
		return p.errorf("want bytes as a hex string or a list, have %s", kindOf(v))
	}
	b, err := parseBytes(s, len(dst))
	if err != nil {
		return p.errorf("%w", err)
	}
	copy(dst, b)
	return nil
}

func parseBytes(s string, size int) ([]byte, error) {
	if text, ok := strings.CutPrefix(s, "text:"); ok {
		return fitting([]byte(text), size)
	}
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return nil, fmt.Errorf("%s is not pairs of hex digits", quoteShort(s))
		}
		return fitting(b, size)
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && a.BitLen() == 8*size {
		return a.AsSlice(), nil
	}
	if mac, err := net.ParseMAC(s); err == nil && len(mac) == size {
		return mac, nil
	}
	return nil, fmt.Errorf("%s is no %d bytes: write 0x and hex digits, text:…, an address of that size, or a list of numbers", quoteShort(s), size)
}

func fitting(b []byte, size int) ([]byte, error) {
	if len(b) > size {
		return nil, fmt.Errorf("%d bytes do not fit in %d", len(b), size)
	}
	return b, nil
}

func putAddress(p *place, dst []byte, s string) error {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return p.errorf("%s is no IPv6 address", quoteShort(s))
	}
	b := a.As16()
	copy(dst, b[:])
	return nil
}
