package vm

import (
	"encoding/binary"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

func assemble(t testing.TB, text string) []isa.Instruction {
	t.Helper()
	insns, err := isa.Assemble(text)
	if err != nil {
		t.Fatal(err)
	}
	return insns
}

func newMachine(t testing.TB, cfg Config) *Machine {
	t.Helper()
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if n := m.MemoryUsed(); n != 0 {
			t.Errorf("%d bytes of memory are left after Close", n)
		}
	})
	return m
}

func newMap(t testing.TB, m *Machine, spec MapSpec) *Map {
	t.Helper()
	mp, err := m.NewMap(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mp.Close() })
	return mp
}

func load(t testing.TB, m *Machine, typ abi.ProgramType, insns []isa.Instruction, maps ...*Map) *Program {
	t.Helper()
	p, err := m.Load(&ProgramSpec{Name: "test", Type: typ, License: "GPL", Instructions: insns, Maps: maps})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// frame is an IPv4 UDP packet of 64 bytes with the given tail.
func frame(payload ...byte) []byte {
	f := make([]byte, 64)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0})
	ip := f[14:]
	copy(ip, []byte{0x45, 0, 0, 50, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(ip[20:], 1234)
	binary.BigEndian.PutUint16(ip[22:], 53)
	binary.BigEndian.PutUint16(ip[24:], 30)
	copy(f[42:], payload)
	return f
}

func TestSmoke(t *testing.T) {
	m := newMachine(t, Config{CPUs: 2})
	counts := newMap(t, m, MapSpec{Name: "counts", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	p := load(t, m, abi.ProgXDP, assemble(t, `
		r6 = *(u32 *)(r1 +0)
		r7 = *(u32 *)(r1 +4)
		r2 = r6
		r2 += 14
		if r2 > r7 goto drop
		r3 = *(u16 *)(r6 +12)
		r3 = be16 r3
		if r3 != 0x800 goto pass
		r1 = 1
		*(u32 *)(r10 -4) = r1
		r2 = r10
		r2 += -4
		r1 = map[idx:0]
		call 1
		if r0 == 0 goto pass
		r1 = 1
		lock *(u64 *)(r0 +0) += r1
	pass:
		r0 = 2
		exit
	drop:
		r0 = 1
		exit
	`), counts)
	res, err := p.TestRun(&TestInput{Data: frame(), Repeat: 3})
	if err != nil {
		t.Fatal(err)
	}
	if res.Return != abi.XDPPass {
		t.Errorf("verdict %d, want %d", res.Return, abi.XDPPass)
	}
	var val [8]byte
	if err := counts.Lookup([]byte{1, 0, 0, 0}, val[:], 0); err != nil {
		t.Fatal(err)
	}
	if n := binary.NativeEndian.Uint64(val[:]); n != 3 {
		t.Errorf("counter is %d, want 3", n)
	}
}

func listing(insns []isa.Instruction) string {
	var s string
	for i := 0; i < len(insns); {
		text, width := isa.Disassemble(insns, i)
		s += text + "\n"
		i += max(width, 1)
	}
	return s
}
