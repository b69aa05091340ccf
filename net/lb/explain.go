package lb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/service"
)

// Packet is the part of a packet that balancing looks at.
type Packet struct {
	Protocol       service.Protocol `json:"protocol"`
	Client, Target netip.AddrPort
	// Begins says that it is a connection's first (SYN).
	Begins bool `json:"begins"`
}

// ParsePacket reads "tcp 10.0.0.1:40000 > 10.96.0.1:80"; "syn" at the end makes
// it a connection's first.
func ParsePacket(text string) (Packet, error) {
	const form = `"tcp 10.0.0.1:40000 > 10.96.0.1:80", or udp or sctp; [addresses] of IPv6 in brackets; syn at the end for a connection's first`
	words := strings.Fields(text)
	var p Packet
	if n := len(words); n == 5 && strings.EqualFold(words[4], "syn") {
		p.Begins, words = true, words[:4]
	}
	if len(words) != 4 || words[2] != ">" {
		return Packet{}, fmt.Errorf("read packet %q: want %s", text, form)
	}
	if err := p.Protocol.UnmarshalText([]byte(strings.ToUpper(words[0]))); err != nil {
		return Packet{}, fmt.Errorf("read packet %q: %w", text, err)
	}
	var err error
	if p.Client, err = netip.ParseAddrPort(words[1]); err == nil {
		p.Target, err = netip.ParseAddrPort(words[3])
	}
	if err != nil {
		return Packet{}, fmt.Errorf("read packet %q: %w", text, err)
	}
	p.Client = netip.AddrPortFrom(p.Client.Addr().Unmap(), p.Client.Port())
	p.Target = netip.AddrPortFrom(p.Target.Addr().Unmap(), p.Target.Port())
	if p.Client.Addr().Is4() != p.Target.Addr().Is4() {
		return Packet{}, fmt.Errorf("read packet %q: addresses of two families", text)
	}
	return p, nil
}

// Outcomes of a packet.
const (
	Passed     = "pass"
	Dropped    = "drop"
	Forwarded  = "forward"
	Unforeseen = "unforeseen" // chance decides
)

// Explanation is where a packet would go and why.
type Explanation struct {
	Steps   []string       `json:"steps"`
	Outcome string         `json:"outcome"`
	Backend netip.AddrPort `json:"backend,omitzero"`
	Pool    string         `json:"pool,omitempty"`
}

func (e *Explanation) say(format string, args ...any) {
	e.Steps = append(e.Steps, fmt.Sprintf(format, args...))
}

func (e *Explanation) end(outcome, format string, args ...any) {
	e.Outcome = outcome
	e.say(format, args...)
}

// Explain follows a packet through the tables as they are, without sending it
// and without a trace in them.
func (d *Dataplane) Explain(p Packet) (Explanation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var e Explanation
	if d.closed {
		return e, errClosed
	}
	k := frontendKey{p.Target, p.Protocol}
	fe, err := d.getFrontend(k)
	if errors.Is(err, engine.ErrKeyNotExist) {
		e.end(Passed, "%v is no service's: the packet passes", k)
		return e, nil
	}
	if err != nil {
		return e, err
	}
	e.Pool = d.owners[k]
	e.say("%v belongs to %s", k, e.Pool)
	if fe.Flags&bpf.LBSources != 0 && !d.sourceAllowed(&e, k, p.Client.Addr()) {
		return e, nil
	}
	now, err := d.ticksNow()
	if err != nil {
		return e, err
	}
	if d.explainConnection(&e, p, &fe, now) {
		return e, nil
	}
	if fe.Size == 0 {
		e.end(Dropped, "no backend takes new connections: dropped (no-backend)")
		return e, nil
	}
	if fe.Flags&bpf.LBAffinity != 0 {
		done, err := d.explainAffinity(&e, p.Client.Addr(), &fe, now)
		if done || err != nil {
			return e, err
		}
	}
	d.explainChoice(&e, p, &fe)
	return e, nil
}

func (d *Dataplane) sourceAllowed(e *Explanation, k frontendKey, client netip.Addr) bool {
	for _, r := range d.pools[e.Pool].sources[k] {
		if r.Contains(client) {
			e.say("client %v is in the source range %v", client, r)
			return true
		}
	}
	e.end(Dropped, "client %v is in none of the source ranges %v: dropped (source-not-allowed)", client, d.pools[e.Pool].sources[k])
	return false
}

// explainConnection looks into the connection table as lb_pick does; true if
// that settles it.
func (d *Dataplane) explainConnection(e *Explanation, p Packet, fe *bpf.LBFrontend, now uint32) bool {
	tag := connTag(p.Client, fe.ID, d.seed)
	bucket := d.conns[bucketOf(tag, d.seed, d.mask)*bpf.LBWays*slotSize:][:bpf.LBWays*slotSize]
	for at := 0; at < len(bucket); at += slotSize {
		data := binary.LittleEndian.Uint64(bucket[at+8:])
		if data == 0 || binary.LittleEndian.Uint64(bucket[at:])^data != tag {
			continue
		}
		addr, state, _, pool, _ := readBackend(d.backendAt(uint32(data & connBackend)))
		name, idle := connStates[data&connState>>24], now-uint32(data>>32)
		e.say("the connection is known: %s, idle for about %v, with %v", name, untick(idle), addr)
		limit := d.cfg.Established
		switch {
		case name == "half-open":
			limit = d.cfg.HalfOpen
		case name == "closing":
			limit = d.cfg.Closing
		case data&connDatagram != 0:
			limit = d.cfg.Datagram
		}
		switch {
		case idle > ticks(limit):
			e.say("that is longer than %v: it begins anew", limit)
		case state == bpf.LBGone || pool != fe.Pool:
			e.say("that backend is gone: it gets another")
		case p.Protocol == service.TCP && p.Begins && (name == "closing" || state != bpf.LBActive):
			e.say("it begins anew, and may go elsewhere")
		default:
			e.Backend = addr
			e.end(Forwarded, "it stays with its backend")
			return true
		}
		return false
	}
	e.say("the connection is not known")
	return false
}

func (d *Dataplane) explainAffinity(e *Explanation, client netip.Addr, fe *bpf.LBFrontend, now uint32) (bool, error) {
	v, err := view[bpf.LBAffinityKey, bpf.LBAffinityValue](d, bpf.LBAffinityMap)
	if err != nil {
		return false, err
	}
	a, err := v.Get(bpf.LBAffinityKey{Client: client.As16(), Pool: fe.Pool})
	if errors.Is(err, engine.ErrKeyNotExist) {
		e.say("the client has no affinity yet")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	addr, state, _, pool, _ := readBackend(d.backendAt(a.Backend))
	switch {
	case now-a.Time > fe.Affinity:
		e.say("the client's affinity to %v has lapsed", addr)
	case state != bpf.LBActive || pool != fe.Pool:
		e.say("the client's affinity is to %v, which takes no new connections", addr)
	default:
		e.Backend = addr
		e.end(Forwarded, "the client has affinity to %v", addr)
		return true, nil
	}
	return false, nil
}

func (d *Dataplane) explainChoice(e *Explanation, p Packet, fe *bpf.LBFrontend) {
	switch fe.Algorithm {
	case bpf.LBRandom:
		e.end(Unforeseen, "the backend is chosen at random, in proportion to weights")
		return
	case bpf.LBLeastConnections:
		e.end(Unforeseen, "of two backends chosen at random the one with fewer connections for its weight takes it")
		return
	}
	hash := clientHash(p.Client)
	at := entryOf(hash, fe.Size)
	e.Backend, _, _, _, _ = readBackend(d.backendAt(d.tableEntry(fe.Table + at)))
	e.end(Forwarded, "hash %#08x of the client leads to entry %d of %d of the Maglev table: %v", hash, at, fe.Size, e.Backend)
}
