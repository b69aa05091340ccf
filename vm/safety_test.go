package vm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
)

const cloneTo5 = "r2 = 5\nr3 = 0\ncall helper#13\nr0 = 0\nexit"

// TestClonesAreGivenBackOnce: a packet that is in the pool twice would be two
// callers' at a time.
func TestClonesAreGivenBackOnce(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, p *Program) []*Packet{
		"test run": func(t *testing.T, p *Program) []*Packet {
			if _, err := p.TestRun(&TestInput{Data: frame(), Repeat: 2}); err != nil {
				t.Fatal(err)
			}
			return nil
		},
		"live run": func(t *testing.T, p *Program) []*Packet {
			pk := newPacket(t, p.m, frame())
			v, err := p.RunSKB(pk, &SKBMeta{})
			if err != nil || len(v.Clones) != 1 {
				t.Fatalf("%+v, %v", v, err)
			}
			return []*Packet{pk, v.Clones[0].Packet}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, Config{CPUs: 1, Network: &testNetwork{}})
			packets := run(t, load(t, m, abi.ProgSchedCLS, assemble(t, cloneTo5)))
			for _, typ := range []abi.ProgramType{abi.ProgSchedCLS, abi.ProgXDP} {
				if _, err := load(t, m, typ, assemble(t, "r0 = 0\nexit")).TestRun(&TestInput{Data: frame()}); err != nil {
					t.Fatal(err)
				}
			}
			for range 6 {
				packets = append(packets, newPacket(t, m, frame()))
			}
			seen := map[*byte]bool{}
			for _, pk := range packets {
				if at := &pk.b.Memory()[0]; seen[at] {
					t.Error("two packets share their memory")
				} else {
					seen[at] = true
				}
			}
			for _, pk := range packets {
				pk.Release()
			}
		})
	}
}

// wantFault runs code, which must end in a fault whose reason has want in it.
func wantFault(t *testing.T, m *Machine, code, want string, maps ...*Map) {
	t.Helper()
	p := load(t, m, abi.ProgXDP, assemble(t, code), maps...)
	var f *Fault
	if res, err := p.TestRun(&TestInput{Data: frame()}); !errors.As(err, &f) || !strings.Contains(f.Reason, want) {
		t.Errorf("returns %d, %v; want a fault: %s", int32(res.Return), err, want)
	}
}

// TestLockOutsideMaps: what holds a lock must stay the run's until the lock is
// given back, as a ring buffer record does not.
func TestLockOutsideMaps(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	ring := newMap(t, m, MapSpec{Name: "ring", Type: abi.MapRingBuf, MaxEntries: 4096})
	const notThere = "a lock lies in the value of a map"
	wantFault(t, m, `
		r1 = map[idx:0]
		r2 = 8
		r3 = 0
		call helper#131
		if r0 == 0 goto out
		r6 = r0
		*(u64 *)(r6 +0) = 0
		r1 = r6
		call helper#93
		r1 = r6
		r2 = 0
		call helper#132
		r1 = r6
		call helper#94
	out:
		r0 = 0
		exit
	`, notThere, ring)
	wantFault(t, m, "*(u32 *)(r10 -4) = 0\nr1 = r10\nr1 += -4\ncall helper#93\nr1 = r10\nr1 += -4\ncall helper#94\nr0 = 0\nexit", notThere)
}

// TestInnerMapHandles: a program that could write what a map of maps holds
// could reach every map of the machine.
func TestInnerMapHandles(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	spec := MapSpec{Name: "inner", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	inner := newMap(t, m, spec)
	outer := newMap(t, m, MapSpec{Name: "outer", Type: abi.MapHashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 4, Inner: &spec})
	if err := outer.SetMap(key32(1), inner, 0); err != nil {
		t.Fatal(err)
	}
	// Where the elements of a plain table of the same shape would be.
	hash := newMap(t, m, MapSpec{Name: "hash", Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	if start, _ := hash.i.Base(); start == 0 {
		t.Fatal("a hash table has no address")
	}
	if start, end := outer.i.Base(); start != 0 || end != 0 {
		for at := start; at < end; at += 8 {
			wantFault(t, m, fmt.Sprintf("r1 = %#x ll\n*(u64 *)(r1 +0) = 1\nr2 = map[idx:0]\nr0 = 0\nexit", uint64(at)), "", outer)
		}
	}
}

// TestLockedUpdate: an update that waits for a lock in vain ends the run; a
// program could go on waiting for ever otherwise.
func TestLockedUpdate(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1, MaxInstructions: 1 << 10})
	for _, typ := range []abi.MapType{abi.MapArray, abi.MapHash} {
		mp := newMap(t, m, MapSpec{Name: "lock", Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 1, SpinLock: true})
		if err := mp.Update(key32(0), make([]byte, 8), 0); err != nil {
			t.Fatal(err)
		}
		wantFault(t, m, `
			*(u32 *)(r10 -4) = 0
			*(u64 *)(r10 -16) = 0
			r1 = map[idx:0]
			r2 = r10
			r2 += -4
			call helper#1
			if r0 == 0 goto out
			*(u32 *)(r0 +0) = 1
			r1 = map[idx:0]
			r2 = r10
			r2 += -4
			r3 = r10
			r3 += -16
			r4 = 4
			call helper#2
		out:
			exit
		`, "the lock stays taken", mp)
	}
}

// TestManyRecords: what a run holds is looked through at every access.
func TestManyRecords(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	ring := newMap(t, m, MapSpec{Name: "ring", Type: abi.MapRingBuf, MaxEntries: 1 << 16})
	wantFault(t, m, `
		r6 = 2000
	again:
		r1 = map[idx:0]
		r2 = 8
		r3 = 0
		call helper#131
		r6 += -1
		if r6 != 0 goto again
		r0 = 0
		exit
	`, "at once", ring)
	if got := ring.i.Ring.Query(0); got == 0 {
		t.Error("no record was reserved")
	}
}

// TestForEachIsCharged: walking a large map takes time even if it is empty.
func TestForEachIsCharged(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1, MaxInstructions: 1 << 12})
	hash := newMap(t, m, MapSpec{Name: "hash", Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 1 << 20, Flags: abi.FlagNoPrealloc})
	p := load(t, m, abi.ProgXDP, assemble(t, "r1 = map[idx:0]\nr2 = 0\nr3 = 0\nr4 = 0\ncall helper#164\nr0 = 0\nexit"), hash)
	var b *BudgetError
	if res, err := p.TestRun(&TestInput{Data: frame()}); !errors.As(err, &b) {
		t.Errorf("returns %d, %v; want the budget to end it", res.Return, err)
	}
}
