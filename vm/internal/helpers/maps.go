package helpers

import (
	"syscall"
	"unsafe"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

var mapTable = table{
	abi.FnMapLookupElem:       mapLookup,
	abi.FnMapUpdateElem:       mapUpdate,
	abi.FnMapDeleteElem:       mapDelete,
	abi.FnMapPushElem:         mapPush,
	abi.FnMapPopElem:          mapPop,
	abi.FnMapPeekElem:         mapPeek,
	abi.FnMapLookupPercpuElem: mapLookupPerCPU,
}

func mapLookup(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	key := t.Read(t.R[2], uint64(m.KeySize))
	if key == nil {
		return 0
	}
	at := m.Lookup(pointer(key), t.CPU)
	if m.Objects != nil {
		return t.Inner(at)
	}
	return t.Value(m, at)
}

func mapLookupPerCPU(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	key := t.Read(t.R[2], uint64(m.KeySize))
	if key == nil || t.R[3] >= uint64(t.Env.CPUs) {
		return 0
	}
	return t.Value(m, m.LookupPerCPU(pointer(key), int(t.R[3])))
}

func mapUpdate(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	if m.Objects != nil {
		t.Fail("map %s: programs cannot change a %s", m.Name, m.Type)
		return 0
	}
	key := t.Read(t.R[2], uint64(m.KeySize))
	if key == nil {
		return 0
	}
	value := t.Read(t.R[3], uint64(m.ValueSize))
	if value == nil {
		return 0
	}
	e := m.Update(pointer(key), pointer(value), t.R[4], t.CPU)
	if e == syscall.EBUSY && t.R[4]&abi.FlagLock != 0 {
		t.Fail("map %s: update with BPF_F_LOCK: the lock stays taken", m.Name)
	}
	return result(e)
}

func mapDelete(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	if m.Objects != nil {
		t.Fail("map %s: programs cannot change a %s", m.Name, m.Type)
		return 0
	}
	key := t.Read(t.R[2], uint64(m.KeySize))
	if key == nil {
		return 0
	}
	return result(m.Delete(pointer(key)))
}

// stream is the queue, stack or bloom filter in R1.
func stream(t *interp.Thread) *interp.Map {
	m := t.Map(t.R[1])
	if m == nil {
		return nil
	}
	if m.Stream == nil {
		t.Fail("map %s is a %s, not a queue, stack or bloom filter", m.Name, m.Type)
		return nil
	}
	return m
}

func mapPush(t *interp.Thread) uint64 {
	m := stream(t)
	if m == nil {
		return 0
	}
	value := t.Read(t.R[2], uint64(m.ValueSize))
	if value == nil {
		return 0
	}
	return result(m.Stream.Push(pointer(value), t.R[3]))
}

func mapPop(t *interp.Thread) uint64 {
	m := stream(t)
	if m == nil {
		return 0
	}
	value := t.Write(t.R[2], uint64(m.ValueSize))
	if value == nil {
		return 0
	}
	return result(m.Stream.Pop(pointer(value)))
}

func mapPeek(t *interp.Thread) uint64 {
	m := stream(t)
	if m == nil {
		return 0
	}
	value := t.Write(t.R[2], uint64(m.ValueSize))
	if value == nil {
		return 0
	}
	return result(m.Stream.Peek(pointer(value)))
}

var loopTable = table{
	abi.FnForEachMapElem: forEach,
	abi.FnLoop:           loop,
}

// maxLoops bounds bpf_loop (BPF_MAX_LOOPS).
const maxLoops = 8 << 20

func loop(t *interp.Thread) uint64 {
	n, fn, arg, flags := uint32(t.R[1]), t.R[2], t.R[3], t.R[4]
	switch {
	case flags != 0:
		return fail(syscall.EINVAL)
	case n > maxLoops:
		return fail(syscall.E2BIG)
	}
	for i := range uint64(n) {
		ret, ok := t.Callback(fn, i, arg)
		if !ok {
			return 0
		}
		if ret != 0 {
			return i + 1
		}
	}
	return uint64(n)
}

// forEach calls a function with each element, which it may delete, and others
// with it.
func forEach(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	handle, fn, arg, flags := t.R[1], t.R[2], t.R[3], t.R[4]
	if flags != 0 {
		return fail(syscall.EINVAL)
	}
	switch m.Type {
	case abi.MapHash, abi.MapLRUHash, abi.MapPerCPUHash, abi.MapLRUPerCPUHash, abi.MapArray, abi.MapPerCPUArray:
	default:
		t.Fail("map %s: bpf_for_each_map_elem does not work on a %s", m.Name, m.Type)
		return 0
	}
	// Even an empty table is looked through, bucket by bucket.
	const perInstruction = 64
	if !t.Charge(int64(m.Spec().MaxEntries) / perInstruction) {
		return 0
	}
	key, addr, ok := t.Borrow(int(m.KeySize))
	if !ok {
		return fail(syscall.ENOMEM)
	}
	defer t.GiveBack(key)
	// The program sees a copy of the key, which is its to change.
	return uint64(m.Walker.Walk(t.CPU, func(k unsafe.Pointer, value uintptr) bool {
		copy(key, bytesAt(k, len(key)))
		ret, ok := t.Callback(fn, handle, addr, t.Value(m, value), arg)
		return ok && ret == 0
	}))
}
