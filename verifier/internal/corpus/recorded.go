package corpus

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/cilium/ebpf"
)

// Record is what one kernel said of many programs, for judging elsewhere. Programs
// are known by their object's bytes, their name and the mode.
type Record struct {
	Release  string                  `json:"release"`
	Verdicts map[string]savedVerdict `json:"verdicts"`
}

// NewRecord takes the kernel's verdicts out of a report.
func NewRecord(release string, r *Report) (*Record, error) {
	rec := &Record{Release: release, Verdicts: map[string]savedVerdict{}}
	k := -1
	for i, name := range r.Judges {
		if name == KernelName {
			k = i
		}
	}
	if k < 0 {
		return nil, errors.New("corpus: the kernel was not asked")
	}
	var keys recordKeys
	for i := range r.Results {
		res := &r.Results[i]
		key, err := keys.of(res.Case)
		if err != nil {
			return nil, fmt.Errorf("corpus: %w", err)
		}
		rec.Verdicts[key] = save(res.Verdicts[k])
	}
	return rec, nil
}

// Write writes a record, compressed.
func (rec *Record) Write(w io.Writer) error {
	z := gzip.NewWriter(w)
	return errors.Join(json.NewEncoder(z).Encode(rec), z.Close())
}

// maxRecord bounds what a record unpacks to.
const maxRecord = 4 << 30

// ReadRecord reads what Write wrote.
func ReadRecord(r io.Reader) (*Record, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("corpus: recorded verdicts: %w", err)
	}
	rec := &Record{}
	if err := json.NewDecoder(io.LimitReader(z, maxRecord)).Decode(rec); err != nil {
		return nil, fmt.Errorf("corpus: recorded verdicts: %w", err)
	}
	return rec, nil
}

// Judge repeats what was recorded, and has no verdict on anything else.
func (rec *Record) Judge() Judge {
	var keys recordKeys
	return func(_ context.Context, c *Case, _ *ebpf.CollectionSpec, _ string) Verdict {
		key, err := keys.of(c)
		if err != nil {
			return Verdict{NotSupported: err.Error()}
		}
		s, ok := rec.Verdicts[key]
		if !ok {
			return Verdict{NotSupported: "not recorded"}
		}
		return s.verdict()
	}
}

// recordKeys remembers the sums of files.
type recordKeys struct{ sums sync.Map }

func (k *recordKeys) of(c *Case) (string, error) {
	sum, ok := k.sums.Load(c.Object)
	if !ok {
		data, err := os.ReadFile(c.Object)
		if err != nil {
			return "", err
		}
		sum = fmt.Sprintf("%x", sha256.Sum256(data))
		k.sums.Store(c.Object, sum)
	}
	return fmt.Sprintf("%s %s %s", sum, c.Program, c.Mode), nil
}
