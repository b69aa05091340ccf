package helpers

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

var timerTable = table{
	abi.FnTimerInit:        timerInit,
	abi.FnTimerSetCallback: timerSetCallback,
	abi.FnTimerStart:       timerStart,
	abi.FnTimerCancel:      timerCancel,
}

// timerSize is sizeof(struct bpf_timer).
const timerSize = 16

func timerInit(t *interp.Thread) uint64 {
	m := t.Map(t.R[2])
	if m == nil || t.Write(t.R[1], timerSize) == nil {
		return 0
	}
	s := m.Spec()
	if !s.Timer || m.Keyed == nil {
		t.Fail("map %s has no bpf_timer in its values", m.Name)
		return 0
	}
	var key [512]byte
	if int(m.KeySize) > len(key) {
		return fail(syscall.E2BIG)
	}
	value := m.Keyed.KeyOf(uintptr(t.R[1]), key[:m.KeySize])
	if value == 0 || t.R[1] != uint64(value)+uint64(s.TimerOffset) {
		t.Fail("%#x is not a timer of map %s", t.R[1], m.Name)
		return 0
	}
	// CLOCK_REALTIME, CLOCK_MONOTONIC and CLOCK_BOOTTIME.
	if t.R[3] != 0 && t.R[3] != 1 && t.R[3] != 7 {
		return fail(syscall.EINVAL)
	}
	return result(t.Env.Timers.Init(m, t.R[1], t.R[3]))
}

func timerSetCallback(t *interp.Thread) uint64 {
	if t.Write(t.R[1], timerSize) == nil {
		return 0
	}
	slot, ok := t.FunctionAt(t.R[2])
	if !ok {
		return 0
	}
	return result(t.Env.Timers.SetCallback(t.Program(), t.R[1], slot))
}

func timerStart(t *interp.Thread) uint64 {
	if t.Write(t.R[1], timerSize) == nil {
		return 0
	}
	if t.R[3]&^uint64(abi.FlagTimerAbs|abi.FlagTimerCPUPin) != 0 {
		return fail(syscall.EINVAL)
	}
	return result(t.Env.Timers.Start(t.R[1], t.R[2], t.R[3]))
}

func timerCancel(t *interp.Thread) uint64 {
	if t.Write(t.R[1], timerSize) == nil {
		return 0
	}
	return uint64(t.Env.Timers.Cancel(t.Timer, t.R[1]))
}
