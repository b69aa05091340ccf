package vm

import (
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
)

// drainer adds up the first words of samples, writes to each, and stops at one
// that begins with 99.
const drainer = `
	r1 = map[idx:0]
	r2 = subprog[f]
	r3 = r10
	r3 += -8
	*(u64 *)(r10 -8) = 0
	r4 = 0
	call helper#209
	r1 = *(u64 *)(r10 -8)
	r1 <<= 16
	r0 += r1
	exit
f:
	r6 = r1
	r7 = r2
	r1 = r10
	r1 += -8
	r2 = 8
	r3 = r6
	r4 = 0
	r5 = 0
	call helper#201
	r1 = *(u64 *)(r10 -8)
	r2 = *(u64 *)(r7 +0)
	r2 += r1
	*(u64 *)(r7 +0) = r2
	r0 = 0
	if r1 != 99 goto pc+1
	r0 = 1
	exit
`

func TestUserRing(t *testing.T) {
	for _, interpret := range []bool{false, true} {
		m := newMachine(t, Config{CPUs: 1, Interpret: interpret})
		size := uint32(os.Getpagesize())
		ring := newMap(t, m, MapSpec{Name: "in", Type: abi.MapUserRingBuf, MaxEntries: size})
		p := load(t, m, abi.ProgSchedCLS, assemble(t, drainer), ring)
		put := func(v uint64) {
			t.Helper()
			if err := ring.Produce(binary.NativeEndian.AppendUint64(nil, v)); err != nil {
				t.Fatal(err)
			}
		}
		run := func(want uint32) {
			t.Helper()
			if res, err := p.TestRun(&TestInput{Data: frame()}); err != nil || res.Return != want {
				t.Errorf("%#x, %v; want %#x", res.Return, err, want)
			}
		}
		run(0)
		put(1)
		put(2)
		run(3<<16 + 2)
		put(5)
		put(99) // the callback stops: the next sample stays
		put(7)
		run(104<<16 + 2)
		run(7<<16 + 1)
		// Full, then too large for ever.
		n := 0
		for ring.Produce(make([]byte, 8)) == nil {
			n++
		}
		if err := ring.Produce(make([]byte, 8)); !errors.Is(err, syscall.ENOSPC) || n != int(size)/16-1 {
			t.Errorf("%d samples, then %v", n, err)
		}
		if err := ring.Produce(make([]byte, size)); !errors.Is(err, syscall.E2BIG) {
			t.Error(err)
		}
		run(uint32(n))
	}
}

// TestUserRingMisuse: flags, other maps, and a sample that is kept.
func TestUserRingMisuse(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	ring := newMap(t, m, MapSpec{Name: "in", Type: abi.MapUserRingBuf, MaxEntries: uint32(os.Getpagesize())})
	other := newMap(t, m, MapSpec{Name: "hash", Type: abi.MapHash, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	var ns *NotSupportedError
	if err := other.Produce(nil); !errors.As(err, &ns) {
		t.Error(err)
	}
	p := load(t, m, abi.ProgSchedCLS, assemble(t, "r1 = map[idx:0]\nr2 = subprog[f]\nr3 = 0\nr4 = 8\ncall helper#209\nexit\nf:\nr0 = 0\nexit"), ring)
	if res, err := p.TestRun(&TestInput{Data: frame()}); err != nil || int32(res.Return) != -int32(syscall.EINVAL) {
		t.Errorf("%d, %v", int32(res.Return), err)
	}
	p = load(t, m, abi.ProgSchedCLS, assemble(t, "r1 = map[idx:0]\nr2 = subprog[f]\nr3 = 0\nr4 = 0\ncall helper#209\nexit\nf:\nr0 = 0\nexit"), other)
	if _, err := p.TestRun(&TestInput{Data: frame()}); !errors.Is(err, ErrFault) {
		t.Error(err)
	}
	// Drains itself from its own callback.
	p = load(t, m, abi.ProgSchedCLS, assemble(t, `
		r1 = map[idx:0]
		r2 = subprog[f]
		r3 = r10
		r3 += -8
		*(u64 *)(r10 -8) = 0
		r4 = 0
		call helper#209
		r0 = *(u64 *)(r10 -8)
		exit
	f:
		r7 = r2
		r1 = map[idx:0]
		r2 = subprog[f]
		r3 = 0
		r4 = 0
		call helper#209
		*(u64 *)(r7 +0) = r0
		r0 = 0
		exit`), ring)
	if err := ring.Produce(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if res, err := p.TestRun(&TestInput{Data: frame()}); err != nil || int32(res.Return) != -int32(syscall.EBUSY) {
		t.Errorf("%d, %v", int32(res.Return), err)
	}
}
