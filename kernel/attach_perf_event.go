//go:build linux

package kernel

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// attachPerfEvent opens perf events and attaches to them: for PID 0 one on
// every online CPU, or on the given one unless it is -1; for a process one that
// follows it over all CPUs (CPU -1), or counts it on one.
func attachPerfEvent(p *Program, t engine.PerfEvent) (engine.Link, error) {
	if err := wantType(p, t, ebpf.PerfEvent); err != nil {
		return nil, err
	}
	if t.Period != 0 && t.Frequency != 0 {
		return nil, fmt.Errorf("attach program %s to %s: period or frequency, not both: %w", p.info.Name, t, unix.EINVAL)
	}
	if t.PID < 0 || t.CPU < -1 {
		return nil, fmt.Errorf("attach program %s to %s: process %d on CPU %d: %w", p.info.Name, t, t.PID, t.CPU, unix.EINVAL)
	}
	pid, cpus := t.PID, []int{t.CPU}
	if pid == 0 {
		pid = -1
		if t.CPU == -1 {
			var err error
			if cpus, err = onlineCPUs(); err != nil {
				return nil, attachError(p, t, err, "")
			}
		}
	}
	l, err := group(t, len(cpus), func(i int) (engine.Link, error) {
		attr := probeAttr{typ: t.Type, config: t.Config, sample: t.Period, sampleType: unix.PERF_SAMPLE_RAW, wakeup: 1}
		if t.Frequency != 0 {
			attr.sample, attr.bits = t.Frequency, perfBitFreq
		}
		event, err := perfEventOpen(&attr, pid, cpus[i])
		if err != nil {
			return nil, err
		}
		l, err := perfLink(p, t, event, t.Cookie)
		if err != nil {
			return nil, err
		}
		return l, nil
	})
	if err != nil {
		return nil, attachError(p, t, err, "the processor or the virtual machine must have the event, and a period or frequency must be given", capPerfmon, capBPF)
	}
	return l, nil
}

// perfBitFreq is the freq bit of struct perf_event_attr.
const perfBitFreq = 1 << 10

// onlineCPUs reads which CPUs run.
func onlineCPUs() ([]int, error) {
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("online CPUs: %w", err)
	}
	return parseCPUs(strings.TrimSpace(string(b)))
}

// parseCPUs reads a list such as "0-3,5".
func parseCPUs(s string) ([]int, error) {
	var out []int
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(to)
		}
		const many = 1 << 16
		if err != nil || a < 0 || b < a || b > many {
			return nil, fmt.Errorf("online CPUs: %q is not a list", s)
		}
		for i := a; i <= b; i++ {
			out = append(out, i)
		}
	}
	return out, nil
}
