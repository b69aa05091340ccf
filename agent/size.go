package agent

import (
	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/net/maglev"
)

// fit makes tables that were given no size twice as large as the resources that
// are there need, at least the default.
func (a *Agent) fit(size bpf.LBSize) bpf.LBSize {
	var frontends, backends, entries uint32
	for _, key := range a.set.Services() {
		pools, _ := a.set.Resolve(key, &a.cfg.Place)
		for _, p := range pools {
			frontends += uint32(len(p.Frontends)) + 1
			backends += uint32(len(p.Backends))
			// Room is handed out in lines.
			entries += maglev.Size(len(p.Backends), p.MaxTable) + bpf.LBLine
		}
	}
	least := bpf.LBSize{}.WithDefaults()
	pick := func(v *uint32, need, least, most uint32) {
		if *v == 0 {
			*v = min(max(2*need, least), most)
		}
	}
	pick(&size.Frontends, frontends, least.Frontends, bpf.LBMaxFrontends)
	pick(&size.Backends, backends, least.Backends, bpf.LBMaxBackends)
	pick(&size.Maglev, entries, least.Maglev, 1<<30)
	return size
}
