package service

import (
	"fmt"
	"net/netip"
	"time"
)

// PolicyVersion is the apiVersion of a [Policy].
const PolicyVersion = "skep.dev/v1alpha1"

// Policy is a ServicePolicy: what a Service cannot say. It applies to the
// service of the same namespace named in its spec, or of its own name.
type Policy struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   Meta       `json:"metadata"`
	Spec       PolicySpec `json:"spec"`
}

// PolicySpec of a [Policy]. The zero value changes nothing.
type PolicySpec struct {
	// Service this is about; empty means the one named like the policy.
	Service   string    `json:"service,omitempty"`
	Algorithm Algorithm `json:"algorithm,omitempty"`
	Forward   Forward   `json:"forward,omitempty"`
	// Weights of backend addresses, 0 to 100; what is not named has 1, and 0
	// gets no new connections.
	Weights map[netip.Addr]uint8 `json:"weights,omitempty"`
	// Quarantine takes backends out of service for new connections, whatever
	// their checks say; established ones stay.
	Quarantine []netip.Addr `json:"quarantine,omitempty"`
	Health     *Health      `json:"health,omitempty"`
	// Ejection takes backends out for a time whose connections fail, where
	// balancing in user space sees that.
	Ejection *Ejection `json:"ejection,omitempty"`
	// Draining is how long established connections stay with a backend that is
	// no longer listed; absent: their next packet finds another. One that is
	// listed as terminating keeps them as long as it is listed.
	Draining *Duration `json:"draining,omitempty"`
	// EndSockets ends the sockets of this host's clients that are connected to
	// a backend that has left, where sockets are balanced (skep up --cgroup).
	EndSockets bool `json:"endSockets,omitempty"`
	// SlowStart raises the weight of a backend that became healthy from a
	// tenth to the whole over this time.
	SlowStart Duration `json:"slowStart,omitempty"`
	// QUIC gives backends server ids: packets whose connection id names one go
	// there, whatever address the client has moved to. An id stands in the
	// second and third octet of a connection id, unencrypted
	// (draft-ietf-quic-load-balancers).
	QUIC map[netip.Addr]uint16 `json:"quic,omitempty"`
	// Translate lets a frontend of a family in which the service has no endpoint
	// at all use those of the other: packets are translated between IPv4 and
	// IPv6 (with nat), or carried in the other family's (by tunnels).
	Translate bool `json:"translate,omitempty"`
	// ProxyProtocol tells backends the client's address, in user space where
	// they would see the balancer's: "v1" or "v2".
	ProxyProtocol string `json:"proxyProtocol,omitempty"`
	// MaxTable bounds the number of entries of the Maglev table: 0 means what
	// the number of backends asks for.
	MaxTable uint32 `json:"maxTable,omitempty"`
}

// Health describes active checks.
type Health struct {
	Type HealthType `json:"type"`
	// Port to check; 0 means the backend's own.
	Port uint16 `json:"port,omitempty"`
	// Path, Host and Expect (status codes; empty means 200 to 399) of HTTP.
	Path   string   `json:"path,omitempty"`
	Host   string   `json:"host,omitempty"`
	Expect []uint16 `json:"expect,omitempty"`
	// Service is the name asked for in a gRPC check (grpc.health.v1).
	Service string `json:"service,omitempty"`
	// Command is run with SKEP_ADDRESS and SKEP_PORT set; exit code 0 is good.
	Command []string `json:"command,omitempty"`
	// Interval between checks, and Timeout of each; absent: 2 s and 1 s.
	Interval Duration `json:"interval,omitempty"`
	Timeout  Duration `json:"timeout,omitempty"`
	// Healthy and Unhealthy are how many answers in a row turn a backend;
	// absent: 2 and 3.
	Healthy   uint8 `json:"healthy,omitempty"`
	Unhealthy uint8 `json:"unhealthy,omitempty"`
}

// Ejection describes passive checks.
type Ejection struct {
	// Failures in a row that eject a backend; absent: 5.
	Failures uint8 `json:"failures,omitempty"`
	// Time that it stays out: so long the first time, twice that the second
	// without a good connection between, and so on up to ten times; absent: 30 s.
	Time Duration `json:"time,omitempty"`
	// MaxPercent of a service's backends that may be out at one time; absent:
	// 50. One may be out of two or more, and one always stays.
	MaxPercent uint8 `json:"maxPercent,omitempty"`
}

// HealthType is a kind of check.
type HealthType string

// Kinds of checks.
const (
	HealthTCP     HealthType = "tcp"
	HealthHTTP    HealthType = "http"
	HealthGRPC    HealthType = "grpc"
	HealthCommand HealthType = "command"
)

// UnmarshalText reads a kind of check.
func (h *HealthType) UnmarshalText(b []byte) error {
	return oneOf(h, b, HealthTCP, HealthHTTP, HealthGRPC, HealthCommand)
}

// Algorithm picks the backend of a new connection.
type Algorithm string

// Algorithms; absent means Maglev.
const (
	Maglev           Algorithm = "maglev"
	LeastConnections Algorithm = "least-connections"
	Random           Algorithm = "random"
)

// UnmarshalText reads an algorithm.
func (a *Algorithm) UnmarshalText(b []byte) error {
	return oneOf(a, b, Maglev, LeastConnections, Random)
}

// Forward is how packets get to backends.
type Forward string

// Ways of forwarding; absent means the dataplane's own default.
const (
	// ForwardNAT rewrites addresses both ways.
	ForwardNAT Forward = "nat"
	// ForwardIPIP, ForwardGUE and ForwardGeneve wrap packets; backends answer
	// clients directly.
	ForwardIPIP   Forward = "ipip"
	ForwardGUE    Forward = "gue"
	ForwardGeneve Forward = "geneve"
	// ForwardDSR changes the destination's hardware address only; backends
	// are on the same link and own the virtual address.
	ForwardDSR Forward = "dsr"
)

// UnmarshalText reads a way of forwarding.
func (f *Forward) UnmarshalText(b []byte) error {
	return oneOf(f, b, ForwardNAT, ForwardIPIP, ForwardGUE, ForwardGeneve, ForwardDSR)
}

func oneOf[T ~string](v *T, text []byte, words ...T) error {
	for _, w := range words {
		if string(w) == string(text) {
			*v = w
			return nil
		}
	}
	return fmt.Errorf("%q: must be one of %q", text, words)
}

// Duration is a time.Duration written as in Go: 1m30s.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes a duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration of 0 to 24 hours.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 || v > 24*time.Hour {
		return fmt.Errorf("%q is no duration from 0 to 24h, such as 30s", b)
	}
	*d = Duration(v)
	return nil
}
