package bpf

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/cilium/ebpf"
)

//go:embed objects/packetofdeath.bpf.o
var packetOfDeath []byte

// PacketOfDeath describes the packet-of-death filter: it counts packets of a
// given form and passes or drops them. Each hook has a passing and a dropping
// program over the same maps; what a rule's own verdict does not settle, the
// program variant decides. The caller owns the spec.
func PacketOfDeath() (*ebpf.CollectionSpec, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(packetOfDeath))
	if err != nil {
		return nil, fmt.Errorf("read packet of death: %w", err)
	}
	return spec, nil
}

// Names inside the packet-of-death object.
const (
	// Programs for XDP and for tc at ingress and egress. Packets they have no
	// verdict on go to the next program of their hook.
	DeathXDPPass     = "pod_xdp_pass"
	DeathXDPDrop     = "pod_xdp_drop"
	DeathIngressPass = "pod_in_pass"
	DeathIngressDrop = "pod_in_drop"
	DeathEgressPass  = "pod_out_pass"
	DeathEgressDrop  = "pod_out_drop"
	// DeathClock, an XDP program to test-run, writes the clock that events
	// are stamped with into the variable DeathNow (8 bytes, nanoseconds).
	DeathClock = "pod_clock"
	DeathNow   = "pod_now"

	// Maps. DeathConfigMap has one DeathConfig; DeathRulesMap holds DeathRules
	// entries of DeathRule; DeathCountersMap has DeathCounters per rule and
	// CPU; DeathTotalsMap one DeathTotals per CPU; DeathEventsMap is a ring
	// buffer of DeathEvent.
	DeathConfigMap   = "pod_config"
	DeathRulesMap    = "pod_rules"
	DeathCountersMap = "pod_counters"
	DeathTotalsMap   = "pod_totals"
	DeathEventsMap   = "pod_events"

	// DeathRules is how many rules there is room for, DeathPattern how many
	// bytes a pattern may have.
	DeathRules   = 64
	DeathPattern = 16
)

// DeathVerdict is what becomes of a packet.
type DeathVerdict uint8

// Verdicts. In a rule, DeathByProgram leaves it to the program variant.
const (
	DeathByProgram DeathVerdict = iota
	DeathPass
	DeathDrop
)

func (v DeathVerdict) String() string {
	switch v {
	case DeathByProgram:
		return "by program"
	case DeathPass:
		return "PASS"
	case DeathDrop:
		return "DROP"
	}
	return fmt.Sprintf("DeathVerdict(%d)", uint8(v))
}

// DeathHook is where a packet was met.
type DeathHook uint8

// Hooks.
const (
	DeathXDP DeathHook = iota
	DeathIngress
	DeathEgress
)

func (h DeathHook) String() string {
	switch h {
	case DeathXDP:
		return "xdp"
	case DeathIngress:
		return "tc ingress"
	case DeathEgress:
		return "tc egress"
	}
	return fmt.Sprintf("DeathHook(%d)", uint8(h))
}

// DeathBase is what a pattern's offset counts from.
type DeathBase uint8

// Bases: the frame's first byte, the IP header, the transport header, and
// what follows that.
const (
	DeathFrame DeathBase = iota
	DeathL3
	DeathL4
	DeathPayload
)

// DeathConfig is struct pod_config.
type DeathConfig struct {
	// Rules in use, from index 0 on.
	Rules uint32
	// Sample n reports every n-th match of each CPU as an event; 0 none.
	Sample uint32
}

// DeathRule is struct pod_rule. [DeathMatch] makes one.
type DeathRule struct {
	// Addresses, compared under their masks; IPv4 as ::ffff:a.b.c.d.
	Source, SourceMask, Destination, DestinationMask [16]byte
	// Length of the frame in bytes, both ends included; maximum 0: no bound.
	LengthMin, LengthMax uint32
	// Ports in host byte order, both ends included.
	SourcePortMin, SourcePortMax           uint16
	DestinationPortMin, DestinationPortMax uint16
	Flags                                  uint8
	Verdict                                DeathVerdict
	Family                                 uint8
	Protocol                               uint8
	PatternBase                            DeathBase
	PatternLength                          uint8
	PatternOffset                          uint16
	// Pattern must be zero where PatternMask is.
	Pattern, PatternMask [DeathPattern]byte
}

// Flags of a DeathRule: it is in use, and which fields are to be compared.
const (
	DeathEnabled         = 1
	DeathProtocol        = 2
	DeathSourcePort      = 4
	DeathDestinationPort = 8
)

// DeathCounters is struct pod_counters: packets and bytes of one rule on one CPU.
type DeathCounters struct {
	Passed, PassedBytes, Dropped, DroppedBytes uint64
}

// DeathTotals is struct pod_totals: what one CPU saw. Matches that sampling
// chose are Reported, or Lost when the ring was full.
type DeathTotals struct {
	Packets, Bytes, Matched, Reported, Lost uint64
}
