//go:build linux

package kernel

import (
	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// attachUSDT attaches to all places of a statically defined probe, with the
// same cookie everywhere. The kernel counts the probe's semaphore up while the
// link lives, so that programs that test it compute the arguments.
func attachUSDT(p *Program, t engine.USDT) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Kprobe); err != nil {
		return nil, err
	}
	places, err := usdtPlaces(t.Path, t.Provider, t.Name)
	if err != nil {
		return nil, attachError(p, t, err, "")
	}
	if p.info.AttachType == ebpf.AttachTraceUprobeMulti {
		return usdtMulti(p, t, places)
	}
	l, err := group(t, len(places), func(i int) (engine.Link, error) {
		return uprobeAt(p, t, uprobePlace{
			path: t.Path, offset: places[i].offset, refCtr: places[i].semaphore, pid: t.PID, cookie: t.Cookie,
		})
	})
	if err != nil {
		return nil, attachError(p, t, err, noUprobes, capPerfmon, capBPF)
	}
	return l, nil
}

// usdtMulti attaches to all places through one link.
func usdtMulti(p *Program, t engine.USDT, places []usdtPlace) (engine.Link, error) {
	s := uprobeSet{path: t.Path, pid: t.PID}
	for _, at := range places {
		s.offsets = append(s.offsets, at.offset)
		s.refCtrs = append(s.refCtrs, at.semaphore)
		s.cookies = append(s.cookies, t.Cookie)
	}
	return uprobeMultiLink(p, t, s)
}
