package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// stream is a ring buffer or perf event array that programs write records to.
type stream struct {
	name string
	// next returns the next record, or nil if there is none now.
	next func() ([]byte, error)
	// padded says that the engine may have padded records at their end.
	padded bool
	io.Closer
}

// maxPadding is how many bytes Linux may add to a perf event's sample, with
// whatever they held before.
const maxPadding = 7

func isStream(t ebpf.MapType) bool { return t == ebpf.RingBuf || t == ebpf.PerfEventArray }

// past is a deadline that lets a reader take what is there and not wait.
func past() time.Time { return time.Unix(1, 0) }

func (h *half) open(name string, m engine.Map) error {
	if m.Info().Type == ebpf.RingBuf {
		rd, err := m.RingReader()
		if err != nil {
			return fmt.Errorf("read ring buffer %s: %w", name, err)
		}
		rd.SetDeadline(past())
		var rec engine.Record
		h.streams = append(h.streams, stream{name: name, Closer: rd, next: func() ([]byte, error) {
			return nothing(rd.ReadInto(&rec), func() []byte { return rec.Data })
		}})
		return nil
	}
	rd, err := m.PerfReader(engine.PerfOptions{})
	if err != nil {
		return fmt.Errorf("read perf event array %s: %w", name, err)
	}
	rd.SetDeadline(past())
	var rec engine.PerfRecord
	h.streams = append(h.streams, stream{name: name, padded: true, Closer: rd, next: func() ([]byte, error) {
		return nothing(rd.ReadInto(&rec), func() []byte {
			if rec.Lost > 0 {
				return fmt.Appendf(nil, "%d records lost", rec.Lost)
			}
			return rec.Data
		})
	}})
	return nil
}

// nothing turns the end of a deadline into no record.
func nothing(err error, data func() []byte) ([]byte, error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if d := data(); d != nil {
		return d, nil
	}
	return []byte{}, nil
}

// records compares what both programs wrote since the last call.
func (p *pair) records(number int) (*Difference, error) {
	for i := range p.left.streams {
		l, r := p.left.streams[i], p.right.streams[i]
		for n := 1; ; n++ {
			a, err := l.next()
			if err != nil {
				return nil, fmt.Errorf("compare: read %s: %w", l.name, err)
			}
			b, err := r.next()
			if err != nil {
				return nil, fmt.Errorf("compare: read %s: %w", r.name, err)
			}
			if a == nil && b == nil {
				break
			}
			if diff := compareRecords(a, b, l.padded); diff != nil {
				diff.Packet, diff.What = number, "records"
				diff.Where = fmt.Sprintf("%s record %d %s", l.name, n, diff.Where)
				return diff, nil
			}
		}
	}
	return nil, nil
}

func compareRecords(a, b []byte, padded bool) *Difference {
	switch {
	case a == nil:
		return &Difference{Left: "no record", Right: fmt.Sprintf("% x", b)}
	case b == nil:
		return &Difference{Left: fmt.Sprintf("% x", a), Right: "no record"}
	}
	if padded {
		// The sample's own length is lost; what stands behind it is anybody's.
		n := max(min(len(a), len(b))-maxPadding, 0)
		if len(a) <= n+2*maxPadding && len(b) <= n+2*maxPadding {
			a, b = a[:n], b[:n]
		}
	}
	if bytes.Equal(a, b) {
		return nil
	}
	where, left, right, _ := compareBytes(a, b)
	return &Difference{Where: where, Left: left, Right: right}
}
