package maps

import (
	"math"
	"syscall"

	"github.com/skepdev/skep/internal/host"
)

// pool hands out the slots of an arena that is charged piece by piece. A slot
// that was given back is used again only after poolDelay others, so that who
// still looks at it does not see another's data at once. The caller locks.
//
// The first 4 bytes of a slot are the link of the free list.
type pool struct {
	mem    []byte
	base   Pointer
	stride uintptr
	max    uint32
	fresh  uint32
	head   uint32 // slot + 1, or 0
	tail   uint32
	free   uint32
	chunk  uint32
	budget *host.Budget
}

const (
	poolLink  = 0
	poolDelay = 64
)

// newPool reserves max slots of stride bytes, and poolDelay more.
func newPool(s *Spec, env *Env, stride, max int) (*pool, error) {
	max = int(min(uint64(max)+poolDelay, uint64(min(math.MaxInt, noElem-1))))
	size := mul(stride, max)
	if size < 0 {
		return nil, s.refuse(syscall.ENOMEM, "%d entries do not fit the address space", s.MaxEntries)
	}
	mem, err := host.Map(size)
	if err != nil {
		return nil, s.noMemory(err)
	}
	return &pool{
		mem: mem, base: pointerTo(mem), stride: uintptr(stride), max: uint32(max),
		chunk: uint32(min(4096/stride+1, max)), budget: env.Memory,
	}, nil
}

func (p *pool) at(i uint32) Pointer { return add(p.base, uintptr(i)*p.stride) }

// get takes a slot; ENOMEM if it may not be charged or there is none.
func (p *pool) get() (uint32, syscall.Errno) {
	if p.free > poolDelay || p.fresh == p.max && p.free > 0 {
		i := p.head - 1
		p.head = load32(add(p.at(i), poolLink))
		p.free--
		return i, 0
	}
	if p.fresh == p.max {
		return noElem, syscall.ENOMEM
	}
	if p.fresh%p.chunk == 0 && p.budget.Take(int64(p.chunk)*int64(p.stride)) != nil {
		return noElem, syscall.ENOMEM
	}
	p.fresh++
	return p.fresh - 1, 0
}

func (p *pool) put(i uint32) {
	store32(add(p.at(i), poolLink), 0)
	if p.free == 0 {
		p.head = i + 1
	} else {
		store32(add(p.at(p.tail-1), poolLink), i+1)
	}
	p.tail = i + 1
	p.free++
}

func (p *pool) close() {
	if p == nil || p.mem == nil {
		return
	}
	chunks := (int64(p.fresh) + int64(p.chunk) - 1) / int64(p.chunk)
	p.budget.Give(chunks * int64(p.chunk) * int64(p.stride))
	if err := host.Unmap(p.mem); err != nil {
		panic("BUG: " + err.Error())
	}
	p.mem = nil
}
