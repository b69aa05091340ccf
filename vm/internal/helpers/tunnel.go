package helpers

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/packet"
)

// What is to happen to a packet in a tunnel device. It stays with the packet;
// packets of the embedded engine come out of no tunnel, and so have none before
// a program sets it.
var tunnelTable = table{
	abi.FnSkbSetTunnelKey: onSKB(func(t *interp.Thread, s *packet.SKB) uint64 {
		from := t.Read(t.R[2], uint64(uint32(t.R[3])))
		if from == nil {
			return 0
		}
		return result(s.SetTunnelKey(from, t.R[4]))
	}),
	abi.FnSkbGetTunnelKey: onSKB(func(t *interp.Thread, s *packet.SKB) uint64 {
		to := t.Write(t.R[2], uint64(uint32(t.R[3])))
		if to == nil {
			return 0
		}
		return result(s.TunnelKey(to, t.R[4]))
	}),
	abi.FnSkbSetTunnelOpt: onSKB(func(t *interp.Thread, s *packet.SKB) uint64 {
		from := t.Read(t.R[2], uint64(uint32(t.R[3])))
		if from == nil {
			return 0
		}
		return result(s.SetTunnelOptions(from))
	}),
	abi.FnSkbGetTunnelOpt: onSKB(func(t *interp.Thread, s *packet.SKB) uint64 {
		to := t.Write(t.R[2], uint64(uint32(t.R[3])))
		if to == nil {
			return 0
		}
		n, e := s.TunnelOptions(to)
		if e != 0 {
			return fail(e)
		}
		return uint64(n)
	}),
}
