package embedded

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// perfReader reads a perf event array. It keeps the map by itself.
type perfReader struct {
	r    *vm.PerfReader
	hold hold
}

var _ engine.PerfReader = (*perfReader)(nil)

// PerfReader reads the samples of all virtual CPUs; one reader at a time.
func (m *Map) PerfReader(opts engine.PerfOptions) (engine.PerfReader, error) {
	if m.core.info.Type != ebpf.PerfEventArray {
		return nil, notSupported("perf reader of map type "+m.core.info.Type.String(), "only perf event arrays have one", "")
	}
	if err := m.open("read"); err != nil {
		return nil, err
	}
	defer m.mu.RUnlock()
	h, err := m.core.hold()
	if err != nil {
		return nil, err
	}
	r, err := m.core.vm.PerfReader(vm.PerfOptions(opts))
	if err != nil {
		h.let()
		return nil, fmt.Errorf("read map %s: %w", m.core.info.Name, err)
	}
	return &perfReader{r: r, hold: h}, nil
}

// Read blocks for the next sample, which is the caller's to keep.
func (r *perfReader) Read() (engine.PerfRecord, error) {
	var rec engine.PerfRecord
	err := r.ReadInto(&rec)
	return rec, err
}

// ReadInto is Read into rec's memory.
func (r *perfReader) ReadInto(rec *engine.PerfRecord) error {
	s := vm.PerfSample{Data: rec.Data[:0]}
	if err := r.r.ReadInto(&s); err != nil {
		return closedIs(err)
	}
	rec.CPU, rec.Data, rec.Lost = s.CPU, s.Data, s.Lost
	if s.Lost > 0 && len(s.Data) == 0 {
		rec.Data = nil
	}
	return nil
}

// SetDeadline bounds reads, also one under way.
func (r *perfReader) SetDeadline(t time.Time) { r.r.SetDeadline(t) }

// Close ends reads under way.
func (r *perfReader) Close() error {
	if r == nil {
		return nil
	}
	err := r.r.Close()
	r.hold.let()
	return err
}
