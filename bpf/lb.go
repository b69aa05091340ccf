package bpf

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/cilium/ebpf"
)

//go:embed objects/lb.bpf.o
var loadBalancer []byte

// LoadBalancer describes the load balancer's XDP program and its tables, of the
// given sizes. The caller owns the spec.
func LoadBalancer(size LBSize) (*ebpf.CollectionSpec, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(loadBalancer))
	if err != nil {
		return nil, fmt.Errorf("read load balancer: %w", err)
	}
	if err := size.apply(spec.Maps); err != nil {
		return nil, err
	}
	return spec, nil
}

//go:embed objects/lb_sock.bpf.o
var loadBalancerSockets []byte

// LoadBalancerSockets describes the load balancer's programs at sockets of a
// cgroup. They share the tables of [LoadBalancer]; LBPeerMap is their own. The
// caller owns the spec.
func LoadBalancerSockets(size LBSize) (*ebpf.CollectionSpec, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(loadBalancerSockets))
	if err != nil {
		return nil, fmt.Errorf("read load balancer for sockets: %w", err)
	}
	if err := size.apply(spec.Maps); err != nil {
		return nil, err
	}
	return spec, nil
}

// LBSocketPrograms are the names of its programs.
func LBSocketPrograms() []string {
	return []string{
		"lb_connect4", "lb_connect6", "lb_sendmsg4", "lb_sendmsg6",
		"lb_recvmsg4", "lb_recvmsg6", "lb_getpeername4", "lb_getpeername6",
	}
}

//go:embed objects/lb_tc.bpf.o
var loadBalancerTC []byte

// LoadBalancerTC describes the load balancer's program on tc, which translates
// both ways. It shares the tables of [LoadBalancer]. The caller owns the spec.
func LoadBalancerTC(size LBSize) (*ebpf.CollectionSpec, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(loadBalancerTC))
	if err != nil {
		return nil, fmt.Errorf("read load balancer for tc: %w", err)
	}
	if err := size.apply(spec.Maps); err != nil {
		return nil, err
	}
	return spec, nil
}

// LBTC is its program, for the ingress of devices.
const LBTC = "lb_tc"

// LBPeerMap is what sockets believe to talk to.
const LBPeerMap = "lb_peer"

// LBSize is how much the load balancer's tables hold. Zero fields take the
// default.
type LBSize struct {
	Frontends uint32 `json:"frontends,omitempty"`
	// Backends counts each backend once for each pool it is in.
	Backends uint32 `json:"backends,omitempty"`
	// Maglev is the number of entries of all Maglev tables together.
	Maglev uint32 `json:"maglev,omitempty"`
	// Connections, a power of two times 8.
	Connections uint32 `json:"connections,omitempty"`
	// NAT translations, Affinity clients.
	NAT      uint32 `json:"nat,omitempty"`
	Affinity uint32 `json:"affinity,omitempty"`
}

// LBDefaults is what zero fields of an LBSize mean.
var lbDefaults = LBSize{Frontends: 16384, Backends: 16384, Maglev: 1 << 20, Connections: 1 << 18, NAT: 1 << 16, Affinity: 1 << 16}

// Limits: an id of a frontend has 16 bits in a connection's tag, one of a
// backend 24 in its data.
const (
	LBMaxFrontends = 1<<16 - 1
	LBMaxBackends  = 1<<24 - 1
	LBWays         = 8
	LBLine         = 16
)

// LBLayout is the version of the tables' layouts (LB_LAYOUT in bpf/lib/lb.h).
const LBLayout = 2

// WithDefaults returns s with defaults in the place of zeros and sizes rounded
// up to what the tables need.
func (s LBSize) WithDefaults() LBSize {
	or := func(v *uint32, def uint32) {
		if *v == 0 {
			*v = def
		}
	}
	or(&s.Frontends, lbDefaults.Frontends)
	or(&s.Backends, lbDefaults.Backends)
	or(&s.Maglev, lbDefaults.Maglev)
	or(&s.Connections, lbDefaults.Connections)
	or(&s.NAT, lbDefaults.NAT)
	or(&s.Affinity, lbDefaults.Affinity)
	s.Maglev = (s.Maglev + LBLine - 1) / LBLine * LBLine
	buckets := uint32(1)
	for buckets < 1<<27 && buckets*LBWays < s.Connections {
		buckets *= 2
	}
	s.Connections = buckets * LBWays
	return s
}

func (s LBSize) apply(maps map[string]*ebpf.MapSpec) error {
	s = s.WithDefaults()
	if s.Frontends > LBMaxFrontends || s.Backends > LBMaxBackends {
		return fmt.Errorf("size load balancer: at most %d frontends and %d backends, not %d and %d", LBMaxFrontends, LBMaxBackends, s.Frontends, s.Backends)
	}
	for name, n := range map[string]uint32{
		LBFrontend4Map: s.Frontends, LBFrontend6Map: s.Frontends, LBBackendMap: s.Backends, LBCountersMap: s.Backends,
		LBMaglevMap: s.Maglev / LBLine, LBConnMap: s.Connections / LBWays,
		LBNATOutMap: s.NAT, LBNATInMap: s.NAT, LBAffinityMap: s.Affinity,
	} {
		if m := maps[name]; m != nil {
			m.MaxEntries = n
		}
	}
	return nil
}

// Names inside the load balancer's object.
const (
	LBXDP = "lb_xdp"
	// LBClock, to test-run, returns the time that entries are stamped with.
	LBClock = "lb_clock"

	LBConfigMap    = "lb_config"
	LBFrontend4Map = "lb_frontend4"
	LBFrontend6Map = "lb_frontend6"
	LBMaglevMap    = "lb_maglev"
	LBBackendMap   = "lb_backend"
	LBCountersMap  = "lb_counters"
	LBConnMap      = "lb_conn"
	LBReasonMap    = "lb_reason"
	LBSourceMap    = "lb_source"
	LBAffinityMap  = "lb_affinity"
	LBQUICMap      = "lb_quic"
	LBFragmentMap  = "lb_fragment"
	LBNATOutMap    = "lb_nat_out"
	LBNATInMap     = "lb_nat_in"
	// LBUnresolvedMap has addresses whose next hop is not resolved.
	LBUnresolvedMap = "lb_unresolved"
)

// Ways of forwarding, algorithms, flags of frontends and states of backends.
const (
	LBForwardNAT = iota + 1
	LBForwardIPIP
	LBForwardGUE
	LBForwardGeneve
	LBForwardDSR
)

// Algorithms of a frontend.
const (
	LBMaglevHash = iota
	LBLeastConnections
	LBRandom
)

// Flags of a frontend.
const (
	LBSources  = 1
	LBAffinity = 2
	LBQUIC     = 4
	LBEcho     = 8
)

// States of a backend.
const (
	LBGone = iota
	LBActive
	LBKept
)

// LBReasons name the entries of LBReasonMap, in order.
func LBReasons() []string {
	return []string{
		"no-backend", "source-not-allowed", "no-route", "too-big", "no-headroom", "fragment-unknown",
		"nat-ports-exhausted", "unsupported", "connection-table-full", "backend-gone-repicked", "nat-unknown",
	}
}

// LBDropped says which of LBReasons are drops; the others are counted only.
func LBDropped(reason int) bool { return reason < 8 }

// LBConfig is struct lb_config. Be16 and Be32 fields are in network byte order.
type LBConfig struct {
	Seed             uint64
	ConnMask         uint32
	Source4          [4]byte
	Source6          [16]byte
	Gateway          [6]byte
	MTU              uint16
	GUEPort          [2]byte
	GenevePort       [2]byte
	TunnelSourcePort [2]byte
	NATLow, NATHigh  uint16
	Reserved         uint16
	IdleHalfOpen     uint32
	IdleEstablished  uint32
	IdleDatagram     uint32
	IdleClosing      uint32
	Prefix6Bits      uint8
	Layout           uint8
	Reserved2        [2]uint8
	Prefix6          [16]byte
	Prefix6Mask      [16]byte
}

// LBFrontend4Key is struct lb_frontend4_key.
type LBFrontend4Key struct {
	Address  [4]byte
	Port     [2]byte
	Protocol uint8
	Reserved uint8
}

// LBFrontend6Key is struct lb_frontend6_key.
type LBFrontend6Key struct {
	Address  [16]byte
	Port     [2]byte
	Protocol uint8
	Reserved [5]uint8
}

// LBFrontend is struct lb_frontend.
type LBFrontend struct {
	ID, Pool    uint32
	Table, Size uint32
	Affinity    uint32
	Algorithm   uint8
	Flags       uint8
	Reserved    uint16
}

// LBBackend is struct lb_backend.
type LBBackend struct {
	Address   [16]byte
	Port      [2]byte
	Family    uint8
	Forward   uint8
	State     uint8
	Weight    uint8
	MAC       [6]byte
	IfIndex   uint32
	Active    uint32
	Pool      uint32
	SourceMAC [6]byte
	Reserved  [18]byte
}

// LBCounters is struct lb_counters.
type LBCounters struct {
	Packets, Bytes, Connections uint64
}

// LBSourceKey is struct lb_source_key.
type LBSourceKey struct {
	Prefix   uint32
	Frontend uint32
	Address  [16]byte
}

// LBQUICKey is struct lb_quic_key.
type LBQUICKey struct {
	Pool, Server uint32
}

// LBAffinityKey is struct lb_affinity_key, LBAffinityValue struct lb_affinity.
type LBAffinityKey struct {
	Client   [16]byte
	Pool     uint32
	Reserved uint32
}

// LBAffinityValue is struct lb_affinity.
type LBAffinityValue struct {
	Backend uint32
	Time    uint32
}

// LBNATInKey is struct lb_nat_in_key: an answer as the backend sends it.
type LBNATInKey struct {
	Backend     [16]byte
	BackendPort [2]byte
	Port        [2]byte
	Protocol    uint8
	Family      uint8
	Reserved    uint16
}

// LBNATIn is struct lb_nat_in: whom the answer is for.
type LBNATIn struct {
	Client, Service         [16]byte
	ClientPort, ServicePort [2]byte
	Reserved                uint32
}
