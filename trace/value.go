package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/lang"
)

// datum is a value to be printed.
type datum any

// Kinds of data besides nil, bool, int64, uint64 and string.
type (
	tuple  []datum
	array  []datum
	buffer []byte
	symbol struct {
		name string
		num  uint64
	}
	record struct {
		names []string
		vals  []datum
	}
	histogram struct {
		// lower is nil if the first bucket is open below; labels are the upper
		// bounds, one fewer than counts if the last is open above.
		lower  datum
		labels []datum
		counts []uint64
	}
	pair struct {
		key datum
		val datum
	}
	ordered []pair
	// stats marks what is printed as statistics.
	stats struct{ v datum }
	point struct {
		at  int64 // nanoseconds since the epoch
		val datum // nil: none
	}
	series []point
)

// decoder turns bytes into data.
type decoder struct {
	s *Session
}

func ne() binary.ByteOrder { return binary.NativeEndian }

// integer reads size bytes.
func integer(b []byte, size int, signed bool) datum {
	var u uint64
	for i := 0; i < size && i < len(b); i++ {
		u |= uint64(b[i]) << (8 * i)
	}
	if signed {
		shift := 64 - 8*min(size, 8)
		return int64(u<<shift) >> shift
	}
	return u
}

// alone decodes a value that is a map's key or value or an event's argument by
// itself: numbers take 8 bytes there.
func (d decoder) alone(t *lang.Type, b []byte) datum {
	if t.Scalar() {
		return d.scalar(t, b, 8)
	}
	return d.value(t, b)
}

func (d decoder) scalar(t *lang.Type, b []byte, size int) datum {
	switch t.Kind {
	case lang.KindBool:
		return len(b) > 0 && b[0] != 0
	case lang.KindPtr:
		u, _ := integer(b, size, false).(uint64)
		return symbol{"0x" + strconv.FormatUint(u, 16), u}
	case lang.KindKSym:
		u, _ := integer(b, 8, false).(uint64)
		return d.s.kernelSymbol(u)
	}
	v := integer(b, min(size, 8), t.Signed)
	if t.Mode != "" {
		if s, ok := d.s.named(t.Mode, v); ok {
			return s
		}
	}
	if t.Enum != nil {
		u := asUint(v)
		if name, ok := t.Enum.Values[u]; ok {
			return symbol{name, u}
		}
		if t.Size < 8 {
			if name, ok := t.Enum.Values[u&(1<<(8*t.Size)-1)]; ok {
				return symbol{name, u}
			}
		}
	}
	return v
}

func asUint(v datum) uint64 {
	switch v := v.(type) {
	case int64:
		return uint64(v)
	case uint64:
		return v
	case bool:
		if v {
			return 1
		}
	case symbol:
		return v.num
	}
	return 0
}

// value decodes a value inside of a larger one.
func (d decoder) value(t *lang.Type, b []byte) datum {
	if len(b) < t.Size {
		return nil
	}
	switch t.Kind {
	case lang.KindInt, lang.KindBool, lang.KindPtr, lang.KindKSym:
		return d.scalar(t, b, t.Size)
	case lang.KindString:
		return d.text(t, b[:t.Size])
	case lang.KindBuffer:
		n := min(int(ne().Uint32(b)), t.Size-4)
		return buffer(bytes.Clone(b[4 : 4+n]))
	case lang.KindArray:
		var out array
		for i := range max(t.Len, 0) {
			out = append(out, d.value(t.Elem, b[i*t.Elem.Size:]))
		}
		return out
	case lang.KindTuple:
		var out tuple
		for _, f := range t.Fields {
			out = append(out, d.value(f.Type, b[f.Off:]))
		}
		return out
	case lang.KindRecord:
		return d.fields(t.Fields, b)
	case lang.KindStruct:
		return d.fields(t.Struct.Fields(), b)
	case lang.KindUSym:
		return d.s.userSymbol(ne().Uint64(b), int(ne().Uint32(b[8:])))
	case lang.KindKStack, lang.KindUStack:
		return d.s.stack(t, b)
	case lang.KindInet:
		return inet(b)
	case lang.KindMAC:
		return fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", b[0], b[1], b[2], b[3], b[4], b[5])
	case lang.KindTime:
		return d.s.strftime(ne().Uint64(b), int(ne().Uint32(b[8:])), ne().Uint32(b[12:]))
	case lang.KindCgroupPath:
		return d.s.cgroupPath(ne().Uint64(b), int(ne().Uint64(b[8:])))
	}
	return nil
}

// fields decodes a record; members without a name lie open in it.
func (d decoder) fields(fields []lang.TypeField, b []byte) datum {
	r := record{}
	for _, f := range fields {
		if f.Off+f.Type.Size > len(b) {
			continue
		}
		v := d.value(f.Type, b[f.Off:])
		if f.BitLen > 0 {
			u := asUint(integer(b[f.Off:], f.Type.Size, false)) >> f.BitOff & (1<<f.BitLen - 1)
			v = u // as in bpftrace, without a sign
		}
		if in, ok := v.(record); ok && f.Name == "" {
			r.names = append(r.names, in.names...)
			r.vals = append(r.vals, in.vals...)
			continue
		}
		r.names = append(r.names, f.Name)
		r.vals = append(r.vals, v)
	}
	return r
}

// text cuts a string at its end; one that fills its room without an end was
// cut off, and str() says so.
func (d decoder) text(t *lang.Type, b []byte) datum {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return string(b)
	}
	s := string(b[:i])
	if i == len(b)-1 && t.Mode == "str" && len(b) == d.s.Object.Config.MaxStrlen+1 {
		s += d.s.Object.Config.StrTrunc
	}
	return s
}

// hexBuffer prints bytes as \x00 unless they are printable (or all, with
// keepASCII false).
func hexBuffer(b []byte, keepASCII, escape bool) string {
	var out strings.Builder
	for i, c := range b {
		switch {
		case keepASCII && c >= 32 && c <= 126:
			out.WriteByte(c)
		case escape:
			fmt.Fprintf(&out, `\x%02x`, c)
		default:
			if i > 0 {
				out.WriteByte(' ')
			}
			fmt.Fprintf(&out, "%02x", c)
		}
	}
	return out.String()
}
