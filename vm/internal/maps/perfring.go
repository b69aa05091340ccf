package maps

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/internal/host"
)

// perfRing is the ring of one CPU. A record is a header of 8 bytes (kind, and
// the length of what follows) and data, whose length plus 4 is a multiple of 8
// as in a perf event's raw sample; 4 bytes of padding follow.
type perfRing struct {
	mu   sync.Mutex
	mem  *host.Ring // nil once closed
	head uint64     // next to be written
	tail uint64     // next to be read
	lost uint64     // not yet reported

	// unread bytes since the reader was last told.
	unread atomic.Uint64
}

const (
	perfSample = 9 // PERF_RECORD_SAMPLE
	perfLost   = 2 // PERF_RECORD_LOST

	perfHeader   = 8
	perfLostSize = perfHeader + 8
)

func newPerfRing(env *Env, size int) (*perfRing, error) {
	if err := env.Memory.Take(int64(size)); err != nil {
		return nil, err
	}
	mem, err := host.MapRing(size)
	if err != nil {
		env.Memory.Give(int64(size))
		return nil, err
	}
	return &perfRing{mem: mem}, nil
}

func (r *perfRing) free(env *Env) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mem == nil {
		return
	}
	size := r.mem.Size
	if err := r.mem.Unmap(); err != nil {
		panic("BUG: " + err.Error())
	}
	r.mem = nil
	env.Memory.Give(int64(size))
}

// at is the memory from a position on; a record fits without wrapping.
func (r *perfRing) at(pos uint64) []byte {
	return r.mem.Data[pos&uint64(r.mem.Size-1):]
}

// output writes a sample, after what was lost before it.
func (r *perfRing) output(size int, parts [][]byte, overwrite bool) syscall.Errno {
	padded := (size+4+7)&^7 - 4
	need := uint64(perfHeader + padded + 4)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mem == nil {
		return syscall.ENOENT
	}
	if r.lost > 0 {
		need += perfLostSize
	}
	if !r.room(need, overwrite) {
		r.lost++
		return syscall.ENOSPC
	}
	if r.lost > 0 {
		rec := r.header(perfLost, 8)
		binary.NativeEndian.PutUint64(rec, r.lost)
		r.head += perfLostSize
		r.lost = 0
	}
	rec := r.header(perfSample, padded)
	n := 0
	for _, p := range parts {
		n += copy(rec[n:], p)
	}
	clear(rec[n:padded])
	r.head += uint64(perfHeader + padded + 4)
	r.unread.Add(need)
	return 0
}

func (r *perfRing) header(kind, size int) []byte {
	rec := r.at(r.head)
	binary.NativeEndian.PutUint32(rec, uint32(kind))
	binary.NativeEndian.PutUint32(rec[4:], uint32(size))
	return rec[perfHeader:]
}

// room says whether need bytes fit; an overwritable ring drops its oldest
// records to make them.
func (r *perfRing) room(need uint64, overwrite bool) bool {
	size := uint64(r.mem.Size)
	if need > size {
		return false
	}
	for r.head+need-r.tail > size {
		if !overwrite {
			return false
		}
		r.tail += r.length(r.at(r.tail))
	}
	return true
}

// length is the length of the record that begins rec, header included.
func (r *perfRing) length(rec []byte) uint64 {
	n := uint64(binary.NativeEndian.Uint32(rec[4:])) + perfHeader
	return (n + 7) &^ 7
}

// take moves the oldest record into s.
func (r *perfRing) take(s *PerfSample) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mem == nil || r.head == r.tail {
		r.unread.Store(0)
		return false
	}
	rec := r.at(r.tail)
	data := rec[perfHeader : perfHeader+binary.NativeEndian.Uint32(rec[4:])]
	s.Data, s.Lost = s.Data[:0], 0
	if binary.NativeEndian.Uint32(rec) == perfLost {
		s.Lost = binary.NativeEndian.Uint64(data)
	} else {
		s.Data = append(s.Data, data...)
	}
	r.tail += r.length(rec)
	return true
}
