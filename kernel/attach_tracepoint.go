//go:build linux

package kernel

import (
	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// attachTracepoint attaches to a static tracepoint, for all processes and CPUs.
func attachTracepoint(p *Program, t engine.Tracepoint) (engine.Link, error) {
	if err := wantType(p, t, ebpf.TracePoint); err != nil {
		return nil, err
	}
	id, err := tracepointID(t.Group, t.Name)
	if err != nil {
		return nil, attachError(p, t, err, "", capPerfmon)
	}
	attr := probeAttr{
		typ: unix.PERF_TYPE_TRACEPOINT, config: id, sample: 1, sampleType: unix.PERF_SAMPLE_RAW, wakeup: 1,
	}
	// A tracepoint's program runs on every CPU whichever the event is on.
	event, err := perfEventOpen(&attr, -1, 0)
	if err != nil {
		return nil, attachError(p, t, err, "", capPerfmon)
	}
	l, err := perfLink(p, t, event, t.Cookie)
	if err != nil {
		return nil, attachError(p, t, err, "cookies need Linux 5.15", capPerfmon, capBPF)
	}
	return l, nil
}
