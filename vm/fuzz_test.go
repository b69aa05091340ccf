package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// hostile is a machine with maps of several types that programs may use, and
// memory next to them that they may not.
type hostile struct {
	m      *Machine
	maps   []*Map
	canary *Map
	packet *Packet
	// outcomes, by kind
	refused, faults, budgets, other, clean int
	reasons                                map[string]int
}

var canaryBytes = bytes.Repeat([]byte{0xa5}, 4096)

func newHostile(t testing.TB) *hostile {
	h := &hostile{reasons: map[string]int{}, m: newMachine(t, Config{CPUs: 1, MaxInstructions: 1 << 13, Printk: func(PrintkLine) {}})}
	specs := []MapSpec{
		{Name: "array", Type: abi.MapArray, KeySize: 4, ValueSize: 12, MaxEntries: 3},
		{Name: "hash", Type: abi.MapHash, KeySize: 8, ValueSize: 16, MaxEntries: 8},
		{Name: "percpu", Type: abi.MapPerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 2},
		{Name: "lru", Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 4},
		{Name: "rodata", Type: abi.MapArray, KeySize: 4, ValueSize: 32, MaxEntries: 1, Flags: abi.FlagRdonlyProg},
		{Name: "ring", Type: abi.MapRingBuf, MaxEntries: 4096},
		{Name: "progs", Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 2},
		{Name: "events", Type: abi.MapPerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 1},
		{Name: "queue", Type: abi.MapQueue, ValueSize: 8, MaxEntries: 2},
		{Name: "outer", Type: abi.MapArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2, Inner: &MapSpec{Type: abi.MapArray, KeySize: 4, ValueSize: 12, MaxEntries: 3}},
	}
	for _, s := range specs {
		mp, err := h.m.NewMap(s)
		if errors.Is(err, ErrNotSupported) {
			t.Logf("without %s: %v", s.Name, err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mp.Close() })
		h.maps = append(h.maps, mp)
	}
	h.canary = newMap(t, h.m, MapSpec{Name: "canary", Type: abi.MapArray, KeySize: 4, ValueSize: uint32(len(canaryBytes)), MaxEntries: 1})
	if err := h.canary.Update(make([]byte, 4), canaryBytes, 0); err != nil {
		t.Fatal(err)
	}
	pk, err := h.m.NewPacket(canaryBytes)
	if err != nil {
		t.Fatal(err)
	}
	h.packet = pk
	t.Cleanup(pk.Release)
	return h
}

var hostileTypes = []abi.ProgramType{abi.ProgXDP, abi.ProgSchedCLS, abi.ProgSocketFilter, abi.ProgCgroupSKB, abi.ProgRawTracepoint, abi.ProgSyscall}

func (h *hostile) run(t testing.TB, typ abi.ProgramType, insns []isa.Instruction, data []byte, mend bool) {
	var p *Program
	var err error
	for range len(insns) + 1 {
		p, err = h.m.Load(&ProgramSpec{Name: "hostile", Type: typ, License: "GPL", Instructions: insns, Maps: h.maps})
		var le *LoadError
		if err == nil {
			break
		}
		if !errors.As(err, &le) {
			t.Fatalf("load: %v", err)
		}
		// Mend what the loader refuses, so that the rest runs.
		if i := le.Instruction; mend && i >= 0 && i < len(insns)-1 {
			insns[i] = isa.Instruction{Op: isa.MovK, Dst: uint8(i % 10), Imm: int32(i)}
			if strings.HasPrefix(le.Reason, "control runs past") {
				insns[i] = isa.Instruction{Op: isa.Exit}
			}
			continue
		}
		break
	}
	if err != nil {
		var le *LoadError
		errors.As(err, &le)
		h.refused++
		h.reasons["refused: "+le.Reason]++
		return
	}
	defer p.Close()
	in := &TestInput{Data: data}
	if typ == abi.ProgRawTracepoint || typ == abi.ProgSyscall {
		in = &TestInput{Context: data[:min(len(data), 96)]}
	}
	_, err = p.TestRun(in)
	var f *Fault
	switch {
	case err == nil:
		h.clean++
	case errors.As(err, &f):
		h.faults++
		if f.Reason == "" || f.Instruction < 0 || f.Assembly == "" {
			t.Fatalf("a fault that does not say where or why: %+v", f)
		}
		h.reasons[f.Reason]++
	case errors.Is(err, ErrBudget):
		h.budgets++
	default:
		h.other++
	}
	var got [4096]byte
	if err := h.canary.Lookup(make([]byte, 4), got[:], 0); err != nil || !bytes.Equal(got[:], canaryBytes) {
		t.Fatalf("a map that is not the program's was changed (%v):\n%s", err, listing(insns))
	}
	if !bytes.Equal(h.packet.Data(), canaryBytes) {
		t.Fatalf("another packet was changed:\n%s", listing(insns))
	}
}

// plausible turns bytes into instructions that pass the loader more often than
// random ones: 6 bytes each.
func plausible(typ abi.ProgramType, b []byte, maps int) []isa.Instruction {
	// Pointers to begin with: context, packet, stack, and map value.
	out := []isa.Instruction{
		{Op: isa.MovX, Dst: 6, Src: 1},
		{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeW, Dst: 7, Src: 1, Off: 76},
		{Op: isa.MovX, Dst: 8, Src: 10},
		{Op: isa.ClassALU64 | isa.OpAdd, Dst: 8, Imm: -64},
		{Op: isa.LdImm64, Dst: 9, Src: isa.PseudoMapIdxValue},
		{},
	}
	switch typ {
	case abi.ProgXDP, abi.ProgRawTracepoint, abi.ProgSyscall:
		out[1].Off = 0
	case abi.ProgSocketFilter:
		out[1].Off = 48
	}
	for ; len(b) >= 6; b = b[6:] {
		in := isa.Instruction{Op: b[0], Dst: b[1] & 15 % 11, Src: b[1] >> 4 % 11, Off: int16(int8(b[2])), Imm: int32(int16(binary.LittleEndian.Uint16(b[3:])))}
		next := isa.Instruction{}
		switch b[5] % 8 {
		case 0: // a helper, mostly one that exists
			in = isa.Instruction{Op: isa.Call, Imm: in.Imm & 0xff % 212}
		case 1: // a map
			in = isa.Instruction{Op: isa.LdImm64, Dst: in.Dst % 10, Src: isa.PseudoMapIdx, Imm: int32(b[3]) % int32(maps)}
			if b[4]&1 != 0 {
				in.Src = isa.PseudoMapIdxValue
				next.Imm = int32(b[4] >> 4)
			}
		case 2: // memory
			in.Op = []uint8{isa.ClassLDX, isa.ClassST, isa.ClassSTX}[b[0]%3] | isa.ModeMEM | b[0]&isa.SizeMask
			switch in.Op & 7 {
			case isa.ClassST:
				in.Src = 0
			default:
				in.Imm = 0
			}
		case 3: // pointer arithmetic
			in = isa.Instruction{Op: []uint8{isa.MovX, isa.ClassALU64 | isa.OpAdd}[b[0]&1], Dst: in.Dst % 10, Src: in.Src, Imm: in.Imm}
			if in.Op == isa.MovX {
				in.Imm = 0
			} else {
				in.Src = 0
			}
		case 4:
			in = isa.Instruction{Op: isa.ClassSTX | isa.ModeATOMIC | []uint8{isa.SizeW, isa.SizeDW}[b[0]&1], Dst: in.Dst, Src: in.Src % 10, Off: in.Off, Imm: []int32{0, 1, 0x40, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110}[b[3]%10]}
		case 5:
			in = isa.Instruction{Op: isa.LdImm64, Dst: in.Dst % 10, Src: isa.PseudoFunc, Imm: int32(int8(b[3]))}
		}
		out = append(out, in)
		if in.Op == isa.LdImm64 {
			out = append(out, next)
		}
	}
	// Bring targets into the program, and end it.
	out = append(out, isa.Instruction{Op: isa.Exit})
	n := len(out)
	for i := range out {
		in := &out[i]
		class := in.Op & isa.ClassMask
		jump := (class == isa.ClassJMP || class == isa.ClassJMP32) && in.Op&isa.OpMask != isa.OpCall && in.Op&isa.OpMask != isa.OpExit
		if to := i + 1 + int(in.Off); jump && (to < 0 || to >= n) {
			in.Off = int16(n - 1 - (i + 1))
		}
		if jump && in.Op&isa.SrcMask == isa.SrcX {
			in.Imm = 0
		} else if jump {
			in.Src = 0
		}
	}
	return out
}

// FuzzRun feeds the runtime programs that no verifier has seen.
func FuzzRun(f *testing.F) {
	for i, seed := range [][]byte{
		{0xbf, 0x61, 0, 0, 0, 7, 0x61, 0x12, 0, 0, 0, 2, 0x61, 0x26, 0, 0, 0, 2},
		{0x18, 1, 0, 1, 0, 1, 0xbf, 0xa2, 0, 0, 0, 3, 0x07, 2, 0, 0xf8, 0xff, 3, 0x85, 0, 0, 1, 0, 0, 0x79, 0, 0, 0, 0, 2},
		{0x05, 0, 0xff, 0, 0, 7},
		{0x85, 0, 0, 44, 0, 0, 0x61, 0x16, 0, 0, 0, 2, 0x72, 6, 0, 0, 0, 2},
	} {
		f.Add(uint8(i), seed, []byte(fmt.Sprintf("%064d", i)))
	}
	f.Fuzz(func(t *testing.T, kind uint8, code, data []byte) {
		if len(code) > 6*200 || len(data) > 9000 {
			return
		}
		h := newHostile(t)
		typ := hostileTypes[int(kind&0x7f)%len(hostileTypes)]
		if kind&0x80 != 0 {
			insns, err := isa.Decode(code[:len(code)&^7], binary.LittleEndian)
			if err != nil {
				t.Fatal(err)
			}
			h.run(t, typ, insns, data, false)
			return
		}
		h.run(t, typ, plausible(typ, code, len(h.maps)), data, true)
	})
}
