package vm

import (
	"fmt"
	"testing"

	"github.com/skepdev/skep/abi"
)

// scalingCase is a program that does one thing to a map for each packet, by a key
// that it takes from the packet.
type scalingCase struct {
	name string
	spec MapSpec
	code string
}

const scalingKeys = 4096

// withKey puts the packet's first word on the stack as a key, and the map in r1.
const withKey = `
	r6 = *(u32 *)(r1 +0)
	r7 = *(u32 *)(r1 +4)
	r2 = r6
	r2 += 8
	r0 = 1
	if r2 > r7 goto out
	r3 = *(u32 *)(r6 +0)
	*(u32 *)(r10 -4) = r3
	*(u64 *)(r10 -16) = 5
	r2 = r10
	r2 += -4
	r1 = map[idx:0]
`

func scalingCases() []scalingCase {
	lookup := withKey + "call helper#1\nif r0 == 0 goto out\nr0 = *(u64 *)(r0 +0)\nr0 = 2\nout:\nexit"
	count := withKey + "call helper#1\nif r0 == 0 goto out\nr1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1\nr0 = 2\nout:\nexit"
	update := withKey + "r3 = r10\nr3 += -16\nr4 = 0\ncall helper#2\nr0 = 2\nout:\nexit"
	spec := func(t abi.MapType) MapSpec {
		return MapSpec{Name: "m", Type: t, KeySize: 4, ValueSize: 8, MaxEntries: scalingKeys}
	}
	return []scalingCase{
		{"array lookup", spec(abi.MapArray), lookup},
		{"hash lookup", spec(abi.MapHash), lookup},
		{"LRU lookup", spec(abi.MapLRUHash), lookup},
		{"per-CPU array count", spec(abi.MapPerCPUArray), count},
		{"per-CPU hash count", spec(abi.MapPerCPUHash), count},
		{"per-CPU array update", spec(abi.MapPerCPUArray), update},
		{"per-CPU hash update", spec(abi.MapPerCPUHash), update},
		{"hash update", spec(abi.MapHash), update},
		{"LRU update", spec(abi.MapLRUHash), update},
	}
}

// scaler runs a case with any number of workers, each with packets of its own.
type scaler struct {
	p       *Program
	packets [][]*Packet // by worker
}

func newScaler(t testing.TB, c scalingCase, workers int) *scaler {
	m := newMachine(t, Config{CPUs: workers})
	mp := newMap(t, m, c.spec)
	s := &scaler{p: load(t, m, abi.ProgXDP, assemble(t, c.code), mp)}
	const each = 64
	for w := range workers {
		var list []*Packet
		for i := range each {
			pk, err := m.NewPacket(frame())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pk.Release)
			key := uint32(w*each+i) * 13 % scalingKeys
			copy(pk.Data(), []byte{byte(key), byte(key >> 8), 0, 0})
			list = append(list, pk)
			// Every key is there.
			v := make([]byte, mp.ValueBytes())
			if err := mp.Update(pk.Data()[:4], v, 0); err != nil {
				t.Fatal(err)
			}
		}
		s.packets = append(s.packets, list)
	}
	return s
}

// TestScalingPrograms: the programs of the benchmark do what it measures.
func TestScalingPrograms(t *testing.T) {
	for _, c := range scalingCases() {
		s := newScaler(t, c, 2)
		out := make([]Verdict, len(s.packets[1]))
		if n, err := s.p.RunXDPBatch(s.packets[1], nil, out); err != nil || n != len(out) {
			t.Errorf("%s: %d, %v", c.name, n, err)
		}
		for i := range out {
			if out[i].Return != abi.XDPPass {
				t.Errorf("%s: packet %d: %d", c.name, i, out[i].Return)
			}
		}
		var key [4]byte
		copy(key[:], s.packets[1][3].Data())
		v := make([]byte, s.p.Maps()[0].ValueBytes())
		if err := s.p.Maps()[0].Lookup(key[:], v, 0); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		changed := fmt.Sprint(v) != fmt.Sprint(make([]byte, len(v)))
		if wanted := c.code != scalingCases()[0].code; changed != wanted {
			t.Errorf("%s: the map changed: %v, want %v", c.name, changed, wanted)
		}
	}
}
