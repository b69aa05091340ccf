package lab

import (
	"fmt"
	"net/netip"

	"github.com/skepdev/skep/engine"
)

// World says what a lab is made of.
type World int

// Worlds. Auto takes Kernel where it works and Embedded elsewhere.
const (
	Auto World = iota
	Kernel
	Embedded
)

// String is "auto", "kernel" or "embedded".
func (w World) String() string {
	switch w {
	case Auto:
		return "auto"
	case Kernel:
		return "kernel"
	case Embedded:
		return "embedded"
	}
	return fmt.Sprintf("World(%d)", int(w))
}

// ParseWorld is the inverse of World.String; "" is Auto.
func ParseWorld(s string) (World, error) {
	switch s {
	case "", "auto":
		return Auto, nil
	case "kernel":
		return Kernel, nil
	case "embedded":
		return Embedded, nil
	}
	return Auto, fmt.Errorf("parse world %q: want auto, kernel or embedded", s)
}

// Config describes a lab. The zero value is good.
type Config struct {
	// World to build in. With Engine set, Auto means that engine's world.
	World World
	// Engine, if not nil, is an open engine to use: a *kernel.Engine or an
	// *embedded.Engine, matching World. The lab does not close it. If nil the
	// lab opens its own and closes it. Only the lab's own embedded engine
	// answers bpf_fib_lookup and bpf_redirect_neigh from the lab's routes.
	Engine engine.Engine
	// Name appears in names of visible namespaces; empty means "lab".
	Name string
	// MTU of links that do not say otherwise, in bytes without the Ethernet
	// header; 0 means 1500.
	MTU int
	// QueueLength bounds each device's queue in the embedded world, in
	// frames; 0 means 4096. Frames that find it full are dropped and counted
	// ([DeviceStats].Dropped).
	QueueLength int
	// Offload leaves segmentation and checksum offloads of the kernel world
	// on: bulk traffic is several times faster, and programs and captures meet
	// frames of up to 64 KiB whose checksums are not filled in.
	Offload bool
	// Visible names the kernel world's namespaces under /run/netns, as
	// skep-<process id>-<start>-<lab>-<host>, for ip(8) and other tools.
	Visible bool
}

// EndpointConfig describes an endpoint. The zero value is good.
type EndpointConfig struct {
	// On is the *Node or *Switch the endpoint is linked to. Nil means the
	// lab's default node, named "node", which is made when first needed.
	On Attachment
	// Addrs are the addresses of the endpoint, with the length of the network
	// that is directly reachable; on a node every address is a host address
	// whatever its length. Empty means one of each family from the plan.
	Addrs []netip.Prefix
	// MTU of the link; 0 means the lab's.
	MTU int
}

// LinkConfig describes a link. The zero value is good.
type LinkConfig struct {
	// MTU in bytes without the Ethernet header; 0 means the lab's.
	MTU int
}
