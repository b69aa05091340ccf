package helpers

import (
	"bytes"
	"encoding/binary"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

var timeTable = table{
	abi.FnKtimeGetNs:       func(t *interp.Thread) uint64 { return t.Env.Now() },
	abi.FnKtimeGetBootNs:   func(t *interp.Thread) uint64 { return t.Env.Boot() },
	abi.FnKtimeGetCoarseNs: func(t *interp.Thread) uint64 { return t.Env.Now() / tick * tick },
	abi.FnKtimeGetTaiNs:    func(t *interp.Thread) uint64 { return t.Env.TAI() },
	// Jiffies start five minutes before they would wrap in 32 bits.
	abi.FnJiffies64: func(t *interp.Thread) uint64 { return t.Env.Now()/tick + 1<<32 - 300*1e9/tick },
}

// tick is the length of a jiffy in nanoseconds at 250 a second.
const tick = 4_000_000

var miscTable = table{
	abi.FnGetPrandomU32:     random,
	abi.FnGetSmpProcessorId: func(t *interp.Thread) uint64 { return uint64(t.CPU) },
	abi.FnGetNumaNodeId:     func(*interp.Thread) uint64 { return 0 },
	abi.FnStrncmp:           strncmp,
}

// random is xorshift64*, seeded for each virtual CPU.
func random(t *interp.Thread) uint64 {
	x := t.Rand
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	t.Rand = x
	return x * 0x2545f4914f6cdd1d >> 32
}

func strncmp(t *interp.Thread) uint64 {
	n := uint64(uint32(t.R[2]))
	a := t.Read(t.R[1], n)
	if a == nil {
		return 0
	}
	b, ok := stringAt(t, t.R[3], int(n))
	if !ok {
		t.Read(t.R[3], n)
		return 0
	}
	for i := range int(n) {
		var y byte
		if i < len(b) {
			y = b[i]
		}
		if a[i] != y {
			if a[i] < y {
				return ^uint64(0)
			}
			return 1
		}
		if y == 0 {
			break
		}
	}
	return 0
}

// stringAt is the text at a up to its zero byte, or n bytes of it.
func stringAt(t *interp.Thread, a uint64, n int) ([]byte, bool) {
	if s, ok := t.Probe(a, uint64(n), false); ok {
		if i := bytes.IndexByte(s, 0); i >= 0 {
			return s[:i], true
		}
		return s, true
	}
	// Near the end of its memory the text may be shorter than n.
	for i := range n {
		c, ok := t.Probe(a+uint64(i), 1, false)
		if !ok {
			return nil, false
		}
		if c[0] == 0 {
			s, _ := t.Probe(a, uint64(i), false)
			return s, true
		}
	}
	return nil, false
}

var lockTable = table{
	abi.FnSpinLock:   func(t *interp.Thread) uint64 { t.LockWord(t.R[1]); return 0 },
	abi.FnSpinUnlock: func(t *interp.Thread) uint64 { t.UnlockWord(t.R[1]); return 0 },
}

var csumTable = table{abi.FnCsumDiff: csumDiff}

func putUint64(b []byte, v uint64) { binary.NativeEndian.PutUint64(b, v) }
