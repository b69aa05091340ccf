package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// chunk is how many bytes of an array are read at once.
const chunk = 1 << 20

// arrayReader reads an array's values in order, many at a time: arrays may
// have millions of entries, of which few are not zero.
type arrayReader struct {
	m      engine.Map
	info   engine.MapInfo
	cursor engine.Cursor
	keys   []byte
	values []byte
	next   int // index of the first value not yet read
	single bool
}

// newArrayReader reads n values at a time.
func newArrayReader(m engine.Map, n int) *arrayReader {
	info := m.Info()
	return &arrayReader{m: m, info: info, keys: make([]byte, n*info.KeySize), values: make([]byte, n*info.ValueBytes)}
}

// perChunk is how many values of the given size make a chunk.
func perChunk(valueBytes int) int { return min(max(chunk/max(valueBytes, 1), 1), 4096) }

// read returns the next values and the index of the first; none at the end.
// They are valid until the next call.
func (r *arrayReader) read() (first int, values []byte, err error) {
	first = r.next
	want := min(len(r.keys)/r.info.KeySize, r.info.MaxEntries-first)
	if want <= 0 {
		return first, nil, nil
	}
	if !r.single {
		n, err := r.m.LookupBatch(&r.cursor, r.keys[:want*r.info.KeySize], r.values[:want*r.info.ValueBytes], 0)
		switch {
		case err == nil || errors.Is(err, engine.ErrKeyNotExist):
			r.next += n
			return first, r.values[:n*r.info.ValueBytes], nil
		case first > 0:
			return first, nil, err
		}
		// Kernels before 5.6, and some types, have no batches.
		r.single = true
	}
	for i := range want {
		binary.NativeEndian.PutUint32(r.keys, uint32(first+i))
		v := r.values[i*r.info.ValueBytes : (i+1)*r.info.ValueBytes]
		switch err := r.m.Lookup(r.keys[:4], v, 0); {
		case errors.Is(err, engine.ErrKeyNotExist): // an empty slot of a devmap
			clear(v)
		case err != nil:
			return first, nil, err
		}
	}
	r.next += want
	return first, r.values[:want*r.info.ValueBytes], nil
}

// entries calls visit with each entry of a map until it returns false. Of
// arrays only those that are not zero are visited if skipZero says so; zero is
// how many were not.
func entries(ctx context.Context, m engine.Map, skipZero bool, visit func(k, v []byte) bool) (zero int, err error) {
	info := m.Info()
	if !isArray(info.Type) || info.KeySize != 4 || info.ValueBytes == 0 {
		n := 0
		for k, v := range engine.Entries(m, &err) {
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if !visit(k, v) {
				break
			}
		}
		return 0, err
	}
	r := newArrayReader(m, perChunk(info.ValueBytes))
	empty := make([]byte, len(r.values))
	key := make([]byte, 4)
	for {
		first, values, err := r.read()
		if err != nil || len(values) == 0 {
			return zero, err
		}
		if err := ctx.Err(); err != nil {
			return zero, err
		}
		if skipZero && bytes.Equal(values, empty[:len(values)]) {
			zero += len(values) / info.ValueBytes
			continue
		}
		for i := 0; len(values) > 0; i++ {
			v := values[:info.ValueBytes]
			values = values[info.ValueBytes:]
			if skipZero && bytes.Equal(v, empty[:len(v)]) {
				zero++
				continue
			}
			binary.NativeEndian.PutUint32(key, uint32(first+i))
			if !visit(key, v) {
				return zero, nil
			}
		}
	}
}

// lookup is Lookup with absence as an answer.
func lookup(m engine.Map, key, value []byte) (bool, error) {
	err := m.Lookup(key, value, 0)
	if errors.Is(err, engine.ErrKeyNotExist) {
		return false, nil
	}
	return err == nil, err
}

// sparse says that a devmap or cpumap has slots without a value.
func sparse(t ebpf.MapType) bool { return t == ebpf.DevMap || t == ebpf.CPUMap }
