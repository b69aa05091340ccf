package lb

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/service"
)

// FrontendEntry is a frontend as the programs see it.
type FrontendEntry struct {
	Addr     netip.AddrPort `json:"address"`
	Protocol string         `json:"protocol"`
	ID       uint32         `json:"id"`
	Pool     string         `json:"pool"`
	Table    uint32         `json:"table"`
	Size     uint32         `json:"size"`
	// Affinity in the programs' ticks of 2^30 ns.
	Affinity  uint32         `json:"affinity_ticks,omitempty"`
	Algorithm string         `json:"algorithm"`
	Flags     []string       `json:"flags,omitempty"`
	Sources   []netip.Prefix `json:"sources,omitempty"`
}

// BackendEntry is a backend as the programs see it.
type BackendEntry struct {
	ID      uint32         `json:"id"`
	Pool    string         `json:"pool"`
	Addr    netip.AddrPort `json:"address"`
	Forward string         `json:"forward"`
	State   string         `json:"state"`
	Weight  uint8          `json:"weight"`
	Active  uint32         `json:"active"`
	// Entries it has in its pool's Maglev table.
	Entries int `json:"entries"`
}

// Tables is everything that was applied, as read back from the maps.
type Tables struct {
	Frontends []FrontendEntry `json:"frontends"`
	Backends  []BackendEntry  `json:"backends"`
}

var backendStates = [...]string{"gone", "active", "kept"}

// Tables reads the tables back.
func (d *Dataplane) Tables() (Tables, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return Tables{}, errClosed
	}
	var t Tables
	for _, name := range slices.Sorted(maps.Keys(d.pools)) {
		p := d.pools[name]
		for k := range p.frontends {
			e, err := d.getFrontend(k)
			if errors.Is(err, engine.ErrKeyNotExist) {
				continue
			}
			if err != nil {
				return Tables{}, err
			}
			t.Frontends = append(t.Frontends, FrontendEntry{
				Addr: k.addr, Protocol: k.protocol.String(), ID: e.ID, Pool: name, Table: e.Table, Size: e.Size,
				Affinity: e.Affinity, Algorithm: string(algorithmOf(e.Algorithm)), Flags: flagNames(e.Flags), Sources: p.sources[k],
			})
		}
		entries := d.entries(p)
		for _, id := range p.backends {
			m := d.backendAt(id)
			addr, state, weight, _, active := readBackend(m)
			t.Backends = append(t.Backends, BackendEntry{
				ID: id, Pool: name, Addr: addr, Forward: string(forwardOf(m[offForward])), State: backendStates[min(int(state), 2)],
				Weight: weight, Active: active, Entries: entries[id],
			})
		}
	}
	slices.SortFunc(t.Frontends, func(a, b FrontendEntry) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), a.Addr.Compare(b.Addr))
	})
	slices.SortFunc(t.Backends, func(a, b BackendEntry) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), a.Addr.Compare(b.Addr))
	})
	return t, nil
}

func (d *Dataplane) entries(p *pool) map[uint32]int {
	n := map[uint32]int{}
	for i := range p.size {
		n[d.tableEntry(p.table+i)]++
	}
	return n
}

func (d *Dataplane) tableEntry(i uint32) uint32 {
	if int(i)*4+4 > len(d.maglev) {
		return 0
	}
	m := d.maglev[i*4:]
	return uint32(m[0]) | uint32(m[1])<<8 | uint32(m[2])<<16 | uint32(m[3])<<24
}

func forwardOf(n uint8) service.Forward {
	for f, m := range forwards {
		if m == n {
			return f
		}
	}
	return ""
}

func flagNames(f uint8) []string {
	var out []string
	for bit, name := range map[uint8]string{bpf.LBSources: "sources", bpf.LBAffinity: "affinity", bpf.LBQUIC: "quic", bpf.LBEcho: "echo"} {
		if f&bit != 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
