package maps

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

// Arena is a BPF_MAP_TYPE_ARENA: pages that programs and the user side share
// (kernel/bpf/arena.c). Addresses are the user side's; programs use their lower
// half. A page is there from the time that a program allocates it, or the user
// side puts data there, until it is freed; what programs read elsewhere is 0.
type Arena struct {
	common
	mem  []byte
	user uint64 // address of the first page for the user side
	// present are the pages that are there; taken those that are not free,
	// under mu.
	present []atomic.Uint64
	mu      sync.Mutex
	taken   []uint64
	pages   uint64
}

// ArenaPage is the size of a page of an arena, in bytes, on every machine.
const ArenaPage = 4096

// arenaUser is where arenas begin whose maker named no address: Linux takes the
// address of the first mmap.
const arenaUser = 1 << 44

func newArena(s *Spec, env *Env) (Map, error) {
	const allowed = abi.FlagSegvOnFault | abi.FlagMmapable | abi.FlagNoUserConv
	size := uint64(s.MaxEntries) * ArenaPage
	switch {
	case s.KeySize != 0 || s.ValueSize != 0 || s.MaxEntries == 0:
		return nil, s.refuse(syscall.EINVAL, "an arena has no keys and values, and max_entries pages")
	case s.Flags&abi.FlagMmapable == 0 || s.Flags&^allowed != 0:
		return nil, s.refuse(syscall.EINVAL, "flags are %#x; BPF_F_MMAPABLE is needed, BPF_F_SEGV_ON_FAULT and BPF_F_NO_USER_CONV are possible", s.Flags)
	case s.Extra%ArenaPage != 0:
		return nil, s.refuse(syscall.EINVAL, "map_extra, the user side's address, is %#x, which is not that of a page", s.Extra)
	case size > 1<<32:
		return nil, s.refuse(syscall.E2BIG, "%d pages are more than 4 GiB", s.MaxEntries)
	case s.Extra>>32 != (s.Extra+size-1)>>32:
		return nil, s.refuse(syscall.ERANGE, "%d pages from %#x on cross a border of 4 GiB", s.MaxEntries, s.Extra)
	}
	mem, err := host.Map(int(size))
	if err != nil {
		return nil, s.noMemory(err)
	}
	a := &Arena{common: newCommon(s, env), mem: mem, user: s.Extra, pages: uint64(s.MaxEntries)}
	if a.user == 0 {
		a.user = arenaUser
		a.spec.Extra = arenaUser
	}
	a.present = make([]atomic.Uint64, (a.pages+63)/64)
	a.taken = make([]uint64, len(a.present))
	return a, nil
}

// User is the address of the arena's first byte for the user side.
func (a *Arena) User() uint64 { return a.user }

// index is the page of an address, of which only the lower half counts.
func (a *Arena) index(addr uint64) uint64 { return uint64(uint32(addr)-uint32(a.user)) / ArenaPage }

func (a *Arena) isPresent(page uint64) bool {
	return page < a.pages && a.present[page/64].Load()>>(page%64)&1 != 0
}

// At is where size bytes lie that programs know by the lower half of an address;
// 0 if a page of them is not there.
func (a *Arena) At(addr uint32, size uint64) uintptr {
	off := uint64(addr - uint32(a.user))
	if !a.isPresent(off/ArenaPage) || !a.isPresent((off+size-1)/ArenaPage) {
		return 0
	}
	return start(a.mem) + uintptr(off)
}

func (a *Arena) isTaken(page uint64) bool { return a.taken[page/64]>>(page%64)&1 != 0 }

func (a *Arena) take(page uint64, yes bool) {
	a.taken[page/64] &^= 1 << (page % 64)
	if yes {
		a.taken[page/64] |= 1 << (page % 64)
	}
}

// free says whether n pages from first on are free.
func (a *Arena) free(first, n uint64) bool {
	for p := first; p < first+n; p++ {
		if a.isTaken(p) {
			return false
		}
	}
	return true
}

// find is the first page of the smallest run of free pages that n fit into.
func (a *Arena) find(n uint64) (best uint64, ok bool) {
	size := a.pages + 1
	for p := uint64(0); p < a.pages; {
		if skip := uint64(bits.TrailingZeros64(^(a.taken[p/64] >> (p % 64)))); skip > 0 {
			p += skip
			continue
		}
		first := p
		for p < a.pages && !a.isTaken(p) {
			p++
		}
		if have := p - first; have >= n && have < size {
			best, size, ok = first, have, true
		}
	}
	return best, ok
}

// Alloc is bpf_arena_alloc_pages: n pages at an address, or anywhere with 0. It
// gives their address for the user side, or 0.
func (a *Arena) Alloc(addr, n uint64) uint64 {
	if n == 0 || n > a.pages || addr%ArenaPage != 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var first uint64
	if addr != 0 {
		if first = a.index(addr); first > a.pages-n || !a.free(first, n) {
			return 0
		}
	} else {
		var ok bool
		if first, ok = a.find(n); !ok {
			return 0
		}
	}
	if !a.putIn(first, n) {
		return 0
	}
	return a.user>>32<<32 + uint64(uint32(a.user)+uint32(first*ArenaPage))
}

// putIn makes n free pages be there, zeroed; false without memory for them. The
// caller holds mu.
func (a *Arena) putIn(first, n uint64) bool {
	if a.env.Memory.Take(int64(n*ArenaPage)) != nil {
		return false
	}
	clear(a.mem[first*ArenaPage : (first+n)*ArenaPage])
	for p := first; p < first+n; p++ {
		a.take(p, true)
		a.present[p/64].Or(1 << (p % 64))
	}
	return true
}

// Free is bpf_arena_free_pages: what is there of n pages from an address on goes,
// and all of them are free.
func (a *Arena) Free(addr, n uint64) {
	full := a.user>>32<<32 + uint64(uint32(addr)&^(ArenaPage-1))
	if n == 0 || full < a.user {
		return
	}
	first := a.index(full)
	end := min(a.pages, first+min(n, a.pages))
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := first; p < end; p++ {
		a.take(p, false)
		if a.present[p/64].And(^uint64(1<<(p%64)))>>(p%64)&1 != 0 {
			a.env.Memory.Give(ArenaPage)
		}
	}
}

// Reserve is bpf_arena_reserve_pages: nobody allocates n pages from an address
// on, which are not there.
func (a *Arena) Reserve(addr, n uint64) syscall.Errno {
	if n == 0 {
		return 0
	}
	first := a.index(addr)
	if first >= a.pages || n > a.pages-first {
		return syscall.EINVAL
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.free(first, n) {
		return syscall.EBUSY
	}
	for p := first; p < first+n; p++ {
		a.take(p, true)
	}
	return 0
}

// Fill puts data at a byte of the arena, as the user side does through its
// mapping: pages that are free are there afterwards.
func (a *Arena) Fill(off int, data []byte) syscall.Errno {
	if off < 0 || len(data) > len(a.mem) || off > len(a.mem)-len(data) {
		return syscall.EFAULT
	}
	if len(data) == 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := uint64(off) / ArenaPage; p <= uint64(off+len(data)-1)/ArenaPage; p++ {
		switch {
		case a.isPresent(p):
		case a.isTaken(p), !a.putIn(p, 1):
			return syscall.EFAULT
		}
	}
	copy(a.mem[off:], data)
	return 0
}

// Memory is the arena as the user side sees it: byte 0 is at [Arena.User]. What
// is written to pages that are not there is lost.
func (a *Arena) Memory() []byte {
	a.shared.Store(true)
	return a.mem
}

// UserLookup answers as Linux, whose programs and users access memory alone.
func (a *Arena) UserLookup(_, _ []byte, _ uint64) syscall.Errno { return syscall.EINVAL }

// UserUpdate is UserLookup's.
func (a *Arena) UserUpdate(_, _ []byte, _ uint64) syscall.Errno { return syscall.EOPNOTSUPP }

// UserDelete is UserLookup's.
func (a *Arena) UserDelete([]byte) syscall.Errno { return syscall.EOPNOTSUPP }

// NextKey is UserLookup's.
func (a *Arena) NextKey(_, _ []byte) syscall.Errno { return syscall.EOPNOTSUPP }

// Close gives the memory back.
func (a *Arena) Close() {
	if !a.closed.CompareAndSwap(false, true) {
		return
	}
	n := 0
	for i := range a.present {
		n += bits.OnesCount64(a.present[i].Load())
	}
	a.env.Memory.Give(int64(n) * ArenaPage)
	if err := host.Unmap(a.mem); err != nil {
		panic("BUG: " + err.Error())
	}
}
