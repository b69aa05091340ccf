package vm

import (
	"fmt"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// TestNativeLookups looks keys up in maps of every kind and key size that
// native code knows and some that it does not, there or not, and accesses the
// value around its ends, after a null check and without one.
func TestNativeLookups(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 2})
	faults := 0
	for _, typ := range []abi.MapType{abi.MapArray, abi.MapPerCPUArray, abi.MapHash, abi.MapPerCPUHash, abi.MapLRUHash} {
		for _, keySize := range []uint32{4, 5, 8, 9, 13, 16, 20} {
			isArray := typ == abi.MapArray || typ == abi.MapPerCPUArray
			if isArray && keySize != 4 {
				continue
			}
			for _, flags := range []uint32{0, abi.FlagRdonlyProg, abi.FlagWronlyProg} {
				var maps [2][]*Map
				for i, m := range []*Machine{native, interpreted} {
					mp := newMap(t, m, MapSpec{Name: "map", Type: typ, KeySize: keySize, ValueSize: 12, MaxEntries: 64, Flags: flags})
					value := make([]byte, mp.ValueBytes())
					for k := range byte(40) { // several in some buckets
						value[0] = k
						key := make([]byte, keySize)
						key[0], key[keySize-1] = k, 0
						if keySize > 4 {
							key[keySize-1] = k
						}
						if err := mp.Update(key, value, 0); err != nil {
							t.Fatal(err)
						}
					}
					maps[i] = []*Map{mp}
				}
				for _, k := range []int{0, 1, 39, 40, 63, 64, 200} {
					last := ""
					if keySize > 4 {
						last = fmt.Sprintf("*(u8 *)(r10 %d) = %d\n", -24+int(keySize)-1, k)
					}
					for _, check := range []string{"if r0 == 0 goto out\n", "if r0 != 0 goto pc+1\ngoto out\n", ""} {
						head := fmt.Sprintf("*(u64 *)(r10 -24) = 0\n*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0\n*(u8 *)(r10 -24) = %d\n%sr2 = r10\nr2 += -24\nr1 = map[idx:0]\ncall helper#1\n%s", k, last, check)
						for _, body := range []string{
							"r0 = *(u8 *)(r0 +0)", "r0 = *(u64 *)(r0 +4)", "r0 = *(u64 *)(r0 +5)", "r0 = *(u8 *)(r0 -1)", "r0 = *(s32 *)(r0 +8)",
							"r0 += 8\nr0 = *(u32 *)(r0 +0)", "r0 += 8\nr0 = *(u32 *)(r0 +1)",
							"*(u8 *)(r0 +11) = 1", "*(u16 *)(r0 +11) = 1", "lock *(u64 *)(r0 +0) += r10", "lock *(u32 *)(r0 +8) += r0", "lock *(u64 *)(r0 +1) += r0", "lock *(u64 *)(r0 +8) += r0",
						} {
							code := assemble(t, head+body+"\nr0 &= 0xff\nif r0 == 0 goto out\nr0 = 3\nout:\nexit")
							a, b := outcome(t, native, code, maps[0]...), outcome(t, interpreted, code, maps[1]...)
							if a != b {
								t.Fatalf("%s, keys of %d, flags %#x, key %d, %q after %q: native code says %s, the interpreter %s", typ, keySize, flags, k, body, check, a, b)
							}
							if len(a) > 5 {
								faults++
							}
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

// TestNativePaths joins paths on which a register holds different things, of
// which an access may rely on neither.
func TestNativePaths(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	for _, code := range []string{
		"r1 = *(u32 *)(r1 +0)\nr1 = *(u8 *)(r1 +0)\nr2 = r10\nif r1 == 0 goto pc+1\nr2 = 0\nr0 = *(u8 *)(r2 -1)\nr0 = 1\nexit",
		"r1 = *(u32 *)(r1 +0)\nr1 = *(u8 *)(r1 +0)\nr2 = r10\nif r1 != 0 goto pc+1\nr2 = 0\nr0 = *(u8 *)(r2 -1)\nr0 = 1\nexit",
		"r2 = r10\nr3 = 0\nloop:\nr2 += -100\n*(u8 *)(r2 +0) = 1\nr3 += 1\nif r3 < 9 goto loop\nr0 = 1\nexit",
		"r2 = r10\nr3 = 0\nloop:\nr2 += 100\n*(u8 *)(r2 -100) = 1\nr3 += 1\nif r3 < 9 goto loop\nr0 = 1\nexit",
		"r6 = r10\ncall f\nr0 = *(u8 *)(r6 -1)\nr0 = 1\nexit\nf:\nr6 = 0\nr0 = 0\nexit",
		"r1 = 0\ncall f\nexit\nf:\nr0 = *(u8 *)(r1 +0)\nexit",
		"r6 = r1\ncall f\nr1 = 0\ncall f\nexit\nf:\nr0 = *(u32 *)(r1 +0)\nexit",
		"r1 = r10\ncall f\nexit\nf:\n*(u64 *)(r1 -512) = 7\n*(u64 *)(r1 -8) = 7\nr0 = *(u8 *)(r1 -512)\nr0 = *(u8 *)(r1 +0)\nexit",
		"r1 = r10\ncall f\nexit\nf:\n*(u64 *)(r1 +8) = 7\nr0 = 1\nexit", // what the call keeps
		"r0 = *(u8 *)(r10 +0)\nexit",
		"call f\nr0 = 1\nexit\nf:\n*(u64 *)(r10 -1024) = 7\nr0 = 1\nexit",
		"r2 = 0xb0f2000000000005 ll\nr1 = 3\nr3 = 0\nr4 = 0\ncall helper#181\nr0 = 1\nexit\nr0 = *(u8 *)(r1 +0)\nexit", // a forged callback
		"r1 = 3\nr2 = subprog[f]\nr3 = r10\nr4 = 0\ncall helper#181\nr0 = 1\nexit\nf:\nr0 = *(u8 *)(r2 -1)\nr0 = *(u8 *)(r1 +0)\nexit",
		"r6 = r10\nr6 += -513\n*(u64 *)(r6 +0) = 1\nr0 = 1\nexit",
		"r6 = r10\nr6 += -512\n*(u64 *)(r6 +0) = 1\nr0 = 1\nexit",
		"r6 = r10\nr6 += -8\n*(u64 *)(r6 +0) = 1\nr0 = 1\nexit",
		"r6 = r10\nr6 += -7\n*(u64 *)(r6 +0) = 1\nr0 = 1\nexit",
		"r6 = r10\nr6 -= 8\nif r1 == 0 goto pc+1\nr6 -= 505\n*(u64 *)(r6 +0) = 1\nr0 = 1\nexit",
	} {
		if a, b := runBoth(t, native, interpreted, assemble(t, code)); a != b {
			t.Errorf("%s:\nnative code says %s, the interpreter %s", code, a, b)
		}
	}
}

// TestFacts takes what is proved as proved, and refuses facts about something
// else.
func TestFacts(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 1})
	code := assemble(t, "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +12)\nexit")
	facts := []Fact{{Class: ClassContext, Proved: true}, {Class: ClassPacket, Proved: true}, {}}
	sizes := map[int]bool{}
	for _, spec := range []*ProgramSpec{
		{Name: "plain", Type: abi.ProgXDP, Instructions: code},
		{Name: "proved", Type: abi.ProgXDP, Instructions: code, Facts: facts},
	} {
		p, err := native.Load(spec)
		if err != nil {
			t.Fatal(err)
		}
		res, err := p.TestRun(&TestInput{Data: frame()})
		if err != nil || res.Return != uint32(frame()[12]) {
			t.Errorf("%s: %d, %v; want %d", spec.Name, res.Return, err, frame()[12])
		}
		sizes[p.CodeSize()] = true
		p.Close()
	}
	if len(sizes) != 2 {
		t.Errorf("proved or not, the code has %v bytes", sizes)
	}
	if _, err := native.Load(&ProgramSpec{Name: "short", Type: abi.ProgXDP, Instructions: []isa.Instruction{{Op: isa.MovK}, {Op: isa.Exit}}, Facts: facts}); err == nil {
		t.Error("three facts about two instructions are taken")
	}
}
