package helpers

import (
	"syscall"

	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/maps"
)

// Kernel functions about arenas (kernel/bpf/arena.c).
var arenaKfuncs = map[string]interp.Helper{
	"bpf_arena_alloc_pages":   arenaAlloc,
	"bpf_arena_free_pages":    arenaFree,
	"bpf_arena_reserve_pages": arenaReserve,
}

// arena is the arena in R1, or nil; another map ends in what Linux answers.
func arena(t *interp.Thread) *maps.Arena {
	m := t.Map(t.R[1])
	if m == nil {
		return nil
	}
	return m.Arena
}

// noNode is NUMA_NO_NODE. There is one node here, 0.
const noNode = -1

func arenaAlloc(t *interp.Thread) uint64 {
	a := arena(t)
	n, node := uint64(uint32(t.R[3])), int32(t.R[4])
	if a == nil || t.R[5] != 0 || node != noNode && node != 0 || !t.Charge(int64(n)*maps.ArenaPage/64) {
		return 0
	}
	return a.Alloc(t.R[2], n)
}

func arenaFree(t *interp.Thread) uint64 {
	if a := arena(t); a != nil && t.R[2] != 0 {
		a.Free(t.R[2], uint64(uint32(t.R[3])))
	}
	return 0
}

func arenaReserve(t *interp.Thread) uint64 {
	a := arena(t)
	if a == nil {
		return fail(syscall.EINVAL)
	}
	return result(a.Reserve(t.R[2], uint64(uint32(t.R[3]))))
}
