package service

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// Pool is one port of a service in one address family: the addresses it is
// reached at, and the backends behind them. It is what a dataplane balances.
type Pool struct {
	// Service is namespace/name, Port the port's name, or its number if it has
	// none.
	Service  string   `json:"service"`
	Port     string   `json:"port"`
	Protocol Protocol `json:"protocol"`
	// Family of the frontends is 4 or 6; backends may be of the other
	// (PolicySpec.Translate).
	Family int `json:"family"`
	// Scope is "cluster", or "local" for a pool of this node's backends that
	// stands beside one of the whole cluster's.
	Scope     string        `json:"scope"`
	Algorithm Algorithm     `json:"algorithm"`
	Forward   Forward       `json:"forward,omitempty"`
	Affinity  time.Duration `json:"affinity_ns,omitempty"`
	MaxTable  uint32        `json:"max_table,omitempty"`
	// Sources may reach the restricted frontends; empty means anyone.
	Sources   []netip.Prefix `json:"sources,omitempty"`
	Frontends []Frontend     `json:"frontends"`
	Backends  []Backend      `json:"backends"`

	// QUIC server ids of backend addresses.
	QUIC map[netip.Addr]uint16 `json:"quic,omitempty"`

	// ProxyProtocol version for balancing in user space; 0: none.
	ProxyProtocol int `json:"proxy_protocol,omitempty"`

	Health   *Health   `json:"-"`
	Ejection *Ejection `json:"-"`
	// Draining is how long connections stay with a backend that left; zero or
	// negative: not at all.
	Draining   time.Duration `json:"-"`
	EndSockets bool          `json:"-"`
	SlowStart  time.Duration `json:"-"`
}

// Name tells the pool from all others: default/web:http/TCP/4/cluster.
func (p *Pool) Name() string {
	return fmt.Sprintf("%s:%s/%s/%d/%s", p.Service, p.Port, p.Protocol, p.Family, p.Scope)
}

// Frontend is an address that clients use.
type Frontend struct {
	Addr netip.AddrPort `json:"address"`
	// Kind is ClusterIP, ExternalIP, LoadBalancer or NodePort.
	Kind string `json:"kind"`
	// Restricted frontends ask the pool's Sources.
	Restricted bool `json:"restricted,omitempty"`
}

// Backend is an address that does the work.
type Backend struct {
	Addr   netip.AddrPort `json:"address"`
	Weight uint8          `json:"weight"`
	State  State          `json:"state"`
	Node   string         `json:"node,omitempty"`
	Zone   string         `json:"zone,omitempty"`
}

// Picked says whether new connections may go to the backend.
func (b *Backend) Picked() bool { return b.State == Active && b.Weight > 0 }

// State of a backend.
type State uint8

// States. Only active backends get new connections; draining, quarantined and
// unhealthy ones keep those they have; with a backend that is down or gone the
// next packet of a connection finds another.
const (
	Active State = iota
	Draining
	Quarantined
	Unhealthy
)

var stateNames = []string{"active", "draining", "quarantined", "unhealthy"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *State) UnmarshalText(b []byte) error {
	for i, n := range stateNames {
		if n == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("state %q is not known", b)
}

func compareBackends(a, b Backend) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.State, b.State))
}
