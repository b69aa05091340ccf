package packet

import (
	"encoding/binary"
	"fmt"

	"github.com/skepdev/skep/abi"
)

// Structure is a context that is a structure of the UAPI: bytes, of which
// programs may access the fields that the verifier lets them, in its widths.
// Fields that are pointers show the addresses given here; sockets are none.
type Structure struct {
	Layout *abi.Struct
	Mem    []byte
	// Data and End are the addresses of packet, message or option value, Keys
	// that of struct bpf_flow_keys.
	Data, End, Keys uint64
}

// Load is interp.Context's.
func (s *Structure) Load(off, size uint64) (uint64, bool) {
	f := s.at(off, size, false)
	if f == nil {
		return 0, false
	}
	switch f.Kind {
	case abi.FieldScalar:
	case abi.FieldPacketData, abi.FieldOptval:
		return s.Data, true
	case abi.FieldPacketEnd, abi.FieldOptvalEnd:
		return s.End, true
	case abi.FieldFlowKeys:
		return s.Keys, true
	default:
		return 0, true
	}
	b := s.Mem[off : off+size]
	switch size {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.NativeEndian.Uint16(b)), true
	case 4:
		return uint64(binary.NativeEndian.Uint32(b)), true
	}
	return binary.NativeEndian.Uint64(b), true
}

// Store is interp.Context's.
func (s *Structure) Store(off, size, v uint64) bool {
	if s.at(off, size, true) == nil {
		return false
	}
	b := s.Mem[off : off+size]
	switch size {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.NativeEndian.PutUint16(b, uint16(v))
	case 4:
		binary.NativeEndian.PutUint32(b, uint32(v))
	default:
		binary.NativeEndian.PutUint64(b, v)
	}
	return true
}

// at is the field that an access of a program is to, nil if it may not.
func (s *Structure) at(off, size uint64, write bool) *abi.Field {
	if off >= uint64(len(s.Mem)) || size > uint64(len(s.Mem))-off || off%size != 0 {
		return nil
	}
	for i := range s.Layout.Fields {
		f := &s.Layout.Fields[i]
		if off < uint64(f.Offset) || off+size > uint64(f.Offset)+uint64(f.Size) {
			continue
		}
		allowed := f.Load
		if write {
			allowed = f.Store
		}
		whole := f.Kind == abi.FieldScalar || off == uint64(f.Offset)
		if allowed.Has(int(size)) && whole {
			return f
		}
	}
	return nil
}

// Explain is interp.Context's.
func (s *Structure) Explain(off, size uint64, write bool) string {
	if off >= uint64(s.Layout.Size) {
		return fmt.Sprintf("past the end of the context (struct %s has %d bytes)", s.Layout.Name, s.Layout.Size)
	}
	f := s.Layout.At(uint32(off), 1)
	switch {
	case f == nil:
		return "padding of the context"
	case write && f.Store == 0:
		return "context field " + f.Name + " is read-only"
	case !write && f.Load == 0:
		return "context field " + f.Name + " is not readable for programs of this type"
	}
	return fmt.Sprintf("%d bytes at byte %d of context field %s: it is not accessed like that", size, off-uint64(f.Offset), f.Name)
}
