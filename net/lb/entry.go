package lb

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/net/service"
)

const backendSize = 64

// frontendKey is an address, port and protocol that packets are looked up by;
// port and protocol 0 is the address itself.
type frontendKey struct {
	addr     netip.AddrPort
	protocol service.Protocol
}

func (k frontendKey) String() string { return fmt.Sprintf("%v/%v", k.addr, k.protocol) }

func (k frontendKey) key4() bpf.LBFrontend4Key {
	return bpf.LBFrontend4Key{Address: k.addr.Addr().As4(), Port: port16(k.addr.Port()), Protocol: uint8(k.protocol)}
}

func (k frontendKey) key6() bpf.LBFrontend6Key {
	return bpf.LBFrontend6Key{Address: k.addr.Addr().As16(), Port: port16(k.addr.Port()), Protocol: uint8(k.protocol)}
}

func (d *Dataplane) putFrontend(k frontendKey, f bpf.LBFrontend) error {
	if k.addr.Addr().Is4() {
		v, err := view[bpf.LBFrontend4Key, bpf.LBFrontend](d, bpf.LBFrontend4Map)
		if err != nil {
			return err
		}
		return v.Put(k.key4(), f)
	}
	v, err := view[bpf.LBFrontend6Key, bpf.LBFrontend](d, bpf.LBFrontend6Map)
	if err != nil {
		return err
	}
	return v.Put(k.key6(), f)
}

func (d *Dataplane) deleteFrontend(k frontendKey) error {
	if k.addr.Addr().Is4() {
		v, err := view[bpf.LBFrontend4Key, bpf.LBFrontend](d, bpf.LBFrontend4Map)
		if err != nil {
			return err
		}
		return v.Delete(k.key4())
	}
	v, err := view[bpf.LBFrontend6Key, bpf.LBFrontend](d, bpf.LBFrontend6Map)
	if err != nil {
		return err
	}
	return v.Delete(k.key6())
}

// getFrontend returns a frontend's entry as programs see it.
func (d *Dataplane) getFrontend(k frontendKey) (bpf.LBFrontend, error) {
	if k.addr.Addr().Is4() {
		v, err := view[bpf.LBFrontend4Key, bpf.LBFrontend](d, bpf.LBFrontend4Map)
		if err != nil {
			return bpf.LBFrontend{}, err
		}
		return v.Get(k.key4())
	}
	v, err := view[bpf.LBFrontend6Key, bpf.LBFrontend](d, bpf.LBFrontend6Map)
	if err != nil {
		return bpf.LBFrontend{}, err
	}
	return v.Get(k.key6())
}

// backendAt is the memory of a backend's entry.
func (d *Dataplane) backendAt(id uint32) []byte {
	at := int(id) * backendSize
	if at+backendSize > len(d.backs) {
		return make([]byte, backendSize)
	}
	return d.backs[at : at+backendSize]
}

// Offsets in struct lb_backend (layout_test.go of package bpf).
const (
	offPort    = 16
	offFamily  = 18
	offForward = 19
	offState   = 20
	offWeight  = 21
	offActive  = 32
	offPool    = 36
)

// readBackend decodes a backend's entry.
func readBackend(b []byte) (addr netip.AddrPort, state, weight uint8, pool, active uint32) {
	a := netip.AddrFrom16([16]byte(b[:16]))
	if b[offFamily] == 4 {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[offPort:])), b[offState], b[offWeight],
		binary.LittleEndian.Uint32(b[offPool:]), binary.LittleEndian.Uint32(b[offActive:])
}

// writeBackend fills a new entry; the state comes last and makes it valid.
func writeBackend(b []byte, addr netip.AddrPort, forward, state, weight uint8, pool uint32) {
	b[offState] = bpf.LBGone
	a := addr.Addr().As16()
	copy(b, a[:])
	binary.BigEndian.PutUint16(b[offPort:], addr.Port())
	b[offFamily] = 6
	if addr.Addr().Is4() {
		b[offFamily] = 4
	}
	b[offForward], b[offWeight] = forward, weight
	clear(b[22:offPool])
	binary.LittleEndian.PutUint32(b[offPool:], pool)
	clear(b[offPool+4:])
	b[offState] = state
}

var forwards = map[service.Forward]uint8{
	service.ForwardNAT: bpf.LBForwardNAT, service.ForwardIPIP: bpf.LBForwardIPIP, service.ForwardGUE: bpf.LBForwardGUE,
	service.ForwardGeneve: bpf.LBForwardGeneve, service.ForwardDSR: bpf.LBForwardDSR,
}

var algorithms = map[service.Algorithm]uint8{
	service.Maglev: bpf.LBMaglevHash, service.LeastConnections: bpf.LBLeastConnections, service.Random: bpf.LBRandom,
}
