package vm

import (
	"encoding/binary"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/packet"
)

// Offsets in struct bpf_sk_lookup.
const (
	skLookupFamily   = 8
	skLookupProtocol = 12
	skLookupPort     = 36 // remote_port, two bytes and two of padding
	skLookupPadding  = 38
	skLookupLocal    = 60 // local_port
	skLookupAfter    = 64
	sizeSkLookup     = 72
)

// skLookup is the context of sk_lookup programs. It is a structure with history:
// fields that Linux keeps in two bytes show them at either half, and a port that
// had four bytes once can be read as such.
type skLookup packet.Structure

func (s *skLookup) structure() *packet.Structure { return (*packet.Structure)(s) }

// family of the addresses: Linux keeps two bytes of it.
func (s *skLookup) family() uint32 {
	return binary.NativeEndian.Uint32(s.Mem[skLookupFamily:]) & 0xffff
}

// Load is interp.Context's.
func (s *skLookup) Load(off, size uint64) (uint64, bool) {
	switch {
	case (off == skLookupFamily+2 || off == skLookupProtocol+2) && size == 2:
		off -= 2
	case off == skLookupPort && size == 4:
		size = 2
	case off >= skLookupPadding && off+size <= skLookupPadding+2 && off%size == 0:
		return 0, true
	}
	f := s.Layout.At(uint32(off), 1)
	v, ok := s.structure().Load(off, size)
	if ok && f != nil && s.hidden(f) {
		v = 0
	}
	return v, ok
}

// hidden fields read as zero: the addresses of the other family.
func (s *skLookup) hidden(f *abi.Field) bool {
	switch f.Name {
	case "remote_ip4", "local_ip4":
		return s.family() != familyIP
	case "remote_ip6", "local_ip6":
		return s.family() != familyIPv6
	}
	return false
}

// Store is interp.Context's.
func (s *skLookup) Store(off, size, v uint64) bool { return s.structure().Store(off, size, v) }

// Explain is interp.Context's.
func (s *skLookup) Explain(off, size uint64, write bool) string {
	return s.structure().Explain(off, size, write)
}
