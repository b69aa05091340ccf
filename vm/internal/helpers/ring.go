package helpers

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

var ringTable = table{
	abi.FnRingbufOutput:        ringOutput,
	abi.FnRingbufReserve:       ringReserve,
	abi.FnRingbufSubmit:        ringSubmit,
	abi.FnRingbufDiscard:       ringDiscard,
	abi.FnRingbufQuery:         ringQuery,
	abi.FnRingbufReserveDynptr: ringReserveDynptr,
	abi.FnRingbufSubmitDynptr:  ringSubmitDynptr,
	abi.FnRingbufDiscardDynptr: ringDiscardDynptr,
}

// ring is the ring buffer in v.
func ring(t *interp.Thread, v uint64) *interp.Map {
	m := t.Map(v)
	if m == nil {
		return nil
	}
	if m.Ring == nil {
		t.Fail("map %s is a %s, not a ring buffer", m.Name, m.Type)
		return nil
	}
	return m
}

func ringOutput(t *interp.Thread) uint64 {
	m := ring(t, t.R[1])
	if m == nil {
		return 0
	}
	data := t.Read(t.R[2], t.R[3])
	if data == nil {
		return 0
	}
	return result(m.Ring.Output(data, t.R[4]))
}

func ringReserve(t *interp.Thread) uint64 {
	m := ring(t, t.R[1])
	if m == nil {
		return 0
	}
	return reserve(t, m, t.R[2], t.R[3])
}

func reserve(t *interp.Thread, m *interp.Map, size, flags uint64) uint64 {
	at := m.Ring.Reserve(size, flags)
	if at == 0 {
		return 0
	}
	t.AddRegion(uint64(at), size, interp.RegionRecord, m)
	return uint64(at)
}

func ringSubmit(t *interp.Thread) uint64 {
	if m := finish(t, t.R[1]); m != nil {
		m.Ring.Submit(uintptr(t.R[1]), t.R[2])
	}
	return 0
}

func ringDiscard(t *interp.Thread) uint64 {
	if m := finish(t, t.R[1]); m != nil {
		m.Ring.Discard(uintptr(t.R[1]), t.R[2])
	}
	return 0
}

// finish takes the reservation at a from the run.
func finish(t *interp.Thread, a uint64) *interp.Map {
	m, _ := t.TakeRegion(a)
	if m == nil || m.Ring == nil {
		t.Fail("%#x is not a reserved ring buffer record", a)
		return nil
	}
	return m
}

func ringQuery(t *interp.Thread) uint64 {
	m := ring(t, t.R[1])
	if m == nil {
		return 0
	}
	return m.Ring.Query(t.R[2])
}

func ringReserveDynptr(t *interp.Thread) uint64 {
	m := ring(t, t.R[1])
	if m == nil {
		return 0
	}
	d := t.Write(t.R[4], dynptrSize)
	if d == nil {
		return 0
	}
	size := uint64(uint32(t.R[2]))
	clear(d)
	switch {
	case t.R[3] != 0:
		return fail(syscall.EINVAL)
	case size > dynptrMax:
		return fail(syscall.E2BIG)
	}
	at := reserve(t, m, size, 0)
	if at == 0 {
		return fail(syscall.EINVAL)
	}
	setDynptr(d, dynptr{at: at, size: uint32(size), kind: dynptrRing})
	return 0
}

func ringSubmitDynptr(t *interp.Thread) uint64 {
	return finishDynptr(t, func(m *interp.Map, at uintptr, flags uint64) { m.Ring.Submit(at, flags) })
}

func ringDiscardDynptr(t *interp.Thread) uint64 {
	return finishDynptr(t, func(m *interp.Map, at uintptr, flags uint64) { m.Ring.Discard(at, flags) })
}

func finishDynptr(t *interp.Thread, done func(m *interp.Map, at uintptr, flags uint64)) uint64 {
	mem := t.Write(t.R[1], dynptrSize)
	if mem == nil {
		return 0
	}
	d := getDynptr(mem)
	if d.at == 0 {
		return 0
	}
	if m := finish(t, d.at); m != nil {
		done(m, uintptr(d.at), t.R[2])
	}
	clear(mem)
	return 0
}

var eventTable = table{abi.FnPerfEventOutput: perfOutput}

// perfReadTable reads counters of events, of which a map holds none here: its
// slots are empty.
var perfReadTable = table{
	abi.FnPerfEventRead: func(t *interp.Thread) uint64 { return perfRead(t, nil) },
	abi.FnPerfEventReadValue: func(t *interp.Thread) uint64 {
		out := t.Write(t.R[3], uint64(uint32(t.R[4])))
		if out == nil {
			return 0
		}
		const perfValue = 24 // sizeof(struct bpf_perf_event_value)
		if len(out) != perfValue {
			clear(out)
			return fail(syscall.EINVAL)
		}
		return perfRead(t, out)
	},
}

func perfRead(t *interp.Thread, out []byte) uint64 {
	m := t.Map(t.R[1])
	if m == nil {
		return 0
	}
	if m.Perf == nil {
		t.Fail("map %s is a %s, not a perf event array", m.Name, m.Type)
		return 0
	}
	clear(out)
	index := t.R[2]
	if index == abi.FlagCurrentCPU {
		index = uint64(t.CPU)
	}
	switch {
	case index&^uint64(abi.FlagIndexMask) != 0:
		return fail(syscall.EINVAL)
	case index >= uint64(m.Spec().MaxEntries):
		return fail(syscall.E2BIG)
	}
	return fail(syscall.ENOENT)
}

// perfOutput writes the sample and, for packet programs, as many bytes of the
// packet as the upper half of the flags says.
func perfOutput(t *interp.Thread) uint64 {
	m := t.Map(t.R[2])
	if m == nil {
		return 0
	}
	if m.Perf == nil {
		t.Fail("map %s is a %s, not a perf event array", m.Name, m.Type)
		return 0
	}
	if !t.IsContext(t.R[1]) {
		t.Fail("bpf_perf_event_output: argument 1 is not the context")
		return 0
	}
	flags := t.R[3]
	data := t.Read(t.R[4], t.R[5])
	if data == nil {
		return 0
	}
	n := flags & abi.FlagCtxlenMask >> 32
	known := uint64(abi.FlagIndexMask)
	if t.Packet != nil {
		known |= abi.FlagCtxlenMask
	}
	if flags&^known != 0 {
		return fail(syscall.EINVAL)
	}
	t.Parts[0], t.Parts[1] = data, nil
	if n != 0 {
		if n > uint64(t.Packet.Len()) {
			return fail(syscall.EFAULT)
		}
		t.Parts[1] = t.Packet.Bytes()[:n]
	}
	return result(m.Perf.Output(t.CPU, flags&abi.FlagIndexMask, t.Parts[:]...))
}
