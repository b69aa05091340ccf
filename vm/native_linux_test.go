package vm

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/isa"
)

// bothWays are a machine that compiles and one that interprets.
func bothWays(t testing.TB, cfg Config) (native, interpreted *Machine) {
	t.Helper()
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("needs amd64 or arm64, the processors with a compiler")
	}
	native = newMachine(t, cfg)
	cfg.Interpret = true
	return native, newMachine(t, cfg)
}

// TestNativeAgrees runs random programs both ways.
func TestNativeAgrees(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	rapid.Check(t, func(rt *rapid.T) {
		spec := &ProgramSpec{Name: "random", Type: abi.ProgXDP, Instructions: randomProgram(rt)}
		data := make([]byte, 128)
		for i := range data {
			data[i] = rapid.Byte().Draw(rt, "byte")
		}
		var got [2]uint32
		for i, m := range []*Machine{native, interpreted} {
			p, err := m.Load(spec)
			if err != nil {
				rt.Fatalf("load: %v", err)
			}
			if p.Native() != (i == 0) {
				rt.Fatalf("native is %v", p.Native())
			}
			res, err := p.TestRun(&TestInput{Data: data})
			p.Close()
			if err != nil {
				rt.Fatalf("run: %v\n%s", err, listing(spec.Instructions))
			}
			got[i] = res.Return
		}
		if got[0] != got[1] {
			rt.Fatalf("native code returns %#x, the interpreter %#x\n%s", got[0], got[1], listing(spec.Instructions))
		}
	})
}

// TestNativeShifts shifts by every amount, also by those beyond the width.
func TestNativeShifts(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	for _, class := range []uint8{isa.ClassALU, isa.ClassALU64} {
		for _, op := range []uint8{isa.OpLsh, isa.OpRsh, isa.OpArsh} {
			for n := int32(-2); n < 70; n++ {
				for _, byRegister := range []bool{false, true} {
					in := isa.Instruction{Op: class | op, Imm: n}
					if byRegister {
						in = isa.Instruction{Op: class | op | isa.SrcX, Src: 2}
					}
					code := append(assemble(t, "r0 = 0x8123456789abcdef ll"), isa.Instruction{Op: isa.MovK, Dst: 2, Imm: n}, in)
					code = append(code, assemble(t, "r1 = r0\nr1 >>= 32\nr0 ^= r1\nexit")...)
					a, b := runBoth(t, native, interpreted, code)
					if a != b {
						t.Errorf("%+v by %d: native code gives %#x, the interpreter %#x", in, n, a, b)
					}
				}
			}
		}
	}
}

func runBoth(t *testing.T, native, interpreted *Machine, code []isa.Instruction) (a, b string) {
	t.Helper()
	return outcome(t, native, code), outcome(t, interpreted, code)
}

// outcome is what became of a run, without what differs between machines.
func outcome(t *testing.T, m *Machine, code []isa.Instruction, maps ...*Map) string {
	t.Helper()
	p, err := m.Load(&ProgramSpec{Name: "both", Type: abi.ProgXDP, License: "GPL", Instructions: code, Maps: maps})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return outcomeOf(t, p)
}

func outcomeOf(t *testing.T, p *Program) string {
	t.Helper()
	res, err := p.TestRun(&TestInput{Data: frame()})
	var f *Fault
	var over *BudgetError
	switch {
	case errors.As(err, &f):
		return fmt.Sprintf("fault at %d: %d bytes, write %v", f.Instruction, f.Size, f.Write)
	case errors.As(err, &over):
		return fmt.Sprintf("budget used up at %d", over.Instruction)
	case err != nil:
		t.Fatal(err)
	}
	return fmt.Sprint(res.Return)
}

// TestNativeBounds accesses every place around the ends of the packet, the
// frame, a packet that is too short for any access, and null, in each size,
// signed and unsigned, loading and storing.
func TestNativeBounds(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	const packetStart = "r6 = *(u32 *)(r1 +0)\n"
	const packetEnd = "r6 = *(u32 *)(r1 +4)\n"
	faults := 0
	for name, base := range map[string]string{
		"start": packetStart, "end": packetEnd, "null": "r6 = 0\n", "top": "r6 = -1\n",
		"frame": "r6 = r10\n", "context": "r6 = r1\n",
		"wraps": packetStart + "r2 = 0x7fffffffffffffff ll\nr6 += r2\n",
	} {
		for off := int16(-10); off <= 10; off++ {
			for _, size := range []uint8{isa.SizeB, isa.SizeH, isa.SizeW, isa.SizeDW} {
				for _, in := range []isa.Instruction{
					{Op: isa.ClassLDX | isa.ModeMEM | size, Dst: 0, Src: 6, Off: off},
					{Op: isa.ClassLDX | isa.ModeMEMSX | size, Dst: 0, Src: 6, Off: off},
					{Op: isa.ClassSTX | isa.ModeMEM | size, Dst: 6, Src: 6, Off: off},
					{Op: isa.ClassST | isa.ModeMEM | size, Dst: 6, Imm: -2, Off: off},
				} {
					if in.Op == isa.ClassLDX|isa.ModeMEMSX|isa.SizeDW {
						continue
					}
					code := append(assemble(t, base+"r0 = 7"), in)
					code = append(code, assemble(t, "r0 = 1\nexit")...)
					a, b := runBoth(t, native, interpreted, code)
					if a != b {
						t.Errorf("%s, %+v: native code says %s, the interpreter %s", name, in, a, b)
					}
					if a != "1" {
						faults++
					}
				}
			}
		}
	}
	if faults < 500 {
		t.Errorf("only %d accesses were refused", faults)
	}
}

// TestNativeGlobals accesses global data of each kind around its ends.
func TestNativeGlobals(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	faults := 0
	for _, flags := range []uint32{0, abi.FlagRdonlyProg, abi.FlagWronlyProg} {
		for _, size := range []uint32{1, 3, 8, 20} {
			var maps [2][]*Map
			for i, m := range []*Machine{native, interpreted} {
				for _, n := range []uint32{size, 64, 64, 64, 64} { // one more than native code compares with
					maps[i] = append(maps[i], newMap(t, m, MapSpec{Name: "data", Type: abi.MapArray, KeySize: 4, ValueSize: n, MaxEntries: 1, Flags: flags}))
				}
			}
			for index := range int32(5) {
				for off := int16(-9); off <= 21; off++ {
					for _, in := range []isa.Instruction{
						{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeW, Dst: 0, Src: 6, Off: off},
						{Op: isa.ClassLDX | isa.ModeMEMSX | isa.SizeB, Dst: 0, Src: 6, Off: off},
						{Op: isa.ClassSTX | isa.ModeMEM | isa.SizeDW, Dst: 6, Src: 6, Off: off},
						{Op: isa.ClassST | isa.ModeMEM | isa.SizeH, Dst: 6, Imm: 3, Off: off},
					} {
						code := []isa.Instruction{{Op: isa.LdImm64, Dst: 6, Src: isa.PseudoMapIdxValue, Imm: index}, {}, {Op: isa.MovK}, in, {Op: isa.MovK, Imm: 1}, {Op: isa.Exit}}
						a := outcome(t, native, code, maps[0]...)
						b := outcome(t, interpreted, code, maps[1]...)
						if a != b {
							t.Fatalf("map %d of %d bytes, flags %#x, %+v: native code says %s, the interpreter %s", index, size, flags, in, a, b)
						}
						if a != "1" {
							faults++
						}
					}
				}
			}
		}
	}
	if faults < 1000 {
		t.Errorf("only %d accesses were refused", faults)
	}
}

// TestNativeBudget finds both ways to use up the same budget at the same
// instruction.
func TestNativeBudget(t *testing.T) {
	code := assemble(t, "r0 = 0\nloop:\nr0 += 1\nif r0 s< 2000000 goto loop\nexit")
	for _, limit := range []uint64{1, 2, 3, 1000, 1 << 20, 1<<20 + 1, 3999997, 3999998, 3999999, 4000000} {
		native, interpreted := bothWays(t, Config{CPUs: 1, MaxInstructions: limit})
		if a, b := runBoth(t, native, interpreted, code); a != b {
			t.Errorf("budget %d: native code says %s, the interpreter %s", limit, a, b)
		}
	}
}

// TestNativeXDPContext reads the packet's bounds in every way that is not the
// quick one too.
func TestNativeXDPContext(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	for _, code := range []string{
		"r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr0 = r3\nr0 -= r2\nexit",
		"r1 = *(u32 *)(r1 +0)\nr0 = *(u32 *)(r1 +4)\nexit", // the packet, not the context
		"r0 = *(u32 *)(r1 +2)\nexit",
		"r0 = *(u16 *)(r1 +0)\nexit",
		"r2 = r1\nr2 += 4\nr0 = *(u32 *)(r1 +4)\nr2 = *(u32 *)(r2 -4)\nr0 -= r2\nexit",
		"r1 += 4\nr0 = *(u32 *)(r1 +0)\nr1 -= 4\nr1 = *(u32 *)(r1 +0)\nr0 -= r1\nexit",
		"r6 = r1\nr2 = 8\ncall helper#44\nr2 = *(u32 *)(r6 +0)\nr0 = *(u32 *)(r6 +4)\nr0 -= r2\nexit", // adjust_head
	} {
		if a, b := runBoth(t, native, interpreted, assemble(t, code)); a != b {
			t.Errorf("%s: native code says %s, the interpreter %s", code, a, b)
		}
	}
}

// TestNativeLoopsLetOthersRun collects garbage and profiles while native loops
// spin on every virtual CPU: neither may wait for the end of the loops.
func TestNativeLoopsLetOthersRun(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 2, MaxInstructions: 1 << 40})
	p := load(t, native, abi.ProgXDP, assemble(t, "r0 = 0\nr6 = *(u32 *)(r1 +0)\nloop:\nr0 += 1\nr2 = *(u8 *)(r6 +0)\nif r2 == 0 goto loop\nexit"))
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Logf("not profiled: %v", err)
	} else {
		defer pprof.StopCPUProfile()
	}
	var packets []*Packet
	var first [][]byte
	var wg sync.WaitGroup
	for range 2 {
		pk, err := native.NewPacket(make([]byte, 64))
		if err != nil {
			t.Fatal(err)
		}
		packets, first = append(packets, pk), append(first, pk.Data())
		wg.Go(func() {
			if _, err := p.RunXDP(pk, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for range 20 {
		runtime.GC()
	}
	// The loops end when their packets say so: that this line is reached shows
	// that they did not hold up what came before.
	for _, data := range first {
		data[0] = 1
	}
	wg.Wait()
	for _, pk := range packets {
		pk.Release()
	}
}

// TestNativeMemory gives code back with the program, and with the machine if
// programs are still open then; without memory for code, programs are
// interpreted.
func TestNativeMemory(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 1})
	before := native.MemoryUsed()
	code := assemble(t, "r0 = 2\nexit")
	p := load(t, native, abi.ProgXDP, code)
	if native.MemoryUsed() == before {
		t.Error("native code does not count as memory")
	}
	p.Close()
	if got := native.MemoryUsed(); got != before {
		t.Errorf("%d bytes of memory in use after Close, %d before", got, before)
	}
	if _, err := native.Load(&ProgramSpec{Name: "open", Type: abi.ProgXDP, Instructions: code}); err != nil {
		t.Fatal(err) // stays open: newMachine looks for leaks after the machine's Close
	}

	small := newMachine(t, Config{CPUs: 1, MaxMemory: before})
	q := load(t, small, abi.ProgXDP, code)
	if q.Native() {
		t.Error("native code beyond the memory limit")
	}
	if res, err := q.TestRun(&TestInput{Data: frame()}); err != nil && !errors.Is(err, host.ErrMemory) || err == nil && res.Return != 2 {
		t.Errorf("interpreted instead: %v, %v", res.Return, err)
	}
}
