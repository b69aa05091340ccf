package helpers

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

var userRingTable = table{abi.FnUserRingbufDrain: drain}

// drain calls a function with a dynptr over each sample.
func drain(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	fn, arg, flags := t.R[2], t.R[3], t.R[4]
	if m.User == nil {
		t.Fail("map %s is a %s, not a user ring buffer", m.Name, m.Type)
		return 0
	}
	const noWakeup, forceWakeup = 1, 2
	if flags&^uint64(noWakeup|forceWakeup) != 0 {
		return fail(syscall.EINVAL)
	}
	mem, at, ok := t.Borrow(dynptrSize)
	if !ok {
		return fail(syscall.ENOMEM)
	}
	defer t.GiveBack(mem)
	n, e := m.User.Drain(func(addr uintptr, size int) bool {
		setDynptr(mem, dynptr{at: uint64(addr), size: uint32(size), kind: dynptrMem})
		t.AddRegion(uint64(addr), uint64(size), interp.RegionSample, nil)
		ret, ok := t.Callback(fn, at, arg)
		t.TakeRegion(uint64(addr))
		return ok && ret == 0
	})
	if e != 0 {
		return fail(e)
	}
	return uint64(n)
}
