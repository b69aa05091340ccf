package vm

import (
	"errors"
	"testing"

	"github.com/skepdev/skep/abi"
)

// Instructions whose results follow from RFC 9669, where a random program
// meets the case seldom.
func TestInstructions(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	for _, c := range []struct {
		name, code string
		want       uint32
	}{
		{"div by zero", "r0 = 7\nr1 = 0\nr0 /= r1\nexit", 0},
		{"div32 by zero", "r0 = 7\nr1 = 0\nw0 /= w1\nexit", 0},
		{"mod by zero", "r0 = 7\nr1 = 0\nr0 %= r1\nexit", 7},
		{"mod32 by zero clears the upper half", "r0 = -7\nr1 = 0\nw0 %= w1\nr0 >>= 32\nexit", 0},
		{"sdiv", "r0 = -7\nr0 s/= 2\nexit", 0xfffffffd},
		{"smod takes the dividend's sign", "r0 = -7\nr0 s%= 2\nexit", 0xffffffff},
		{"smallest by -1", "r0 = 0x8000000000000000 ll\nr1 = -1\nr0 s/= r1\nr0 >>= 32\nexit", 0x80000000},
		{"smallest modulo -1", "r0 = 0x8000000000000000 ll\nr1 = -1\nr0 s%= r1\nexit", 0},
		{"smallest 32 by -1", "w0 = -2147483648\nw1 = -1\nw0 s/= w1\nexit", 0x80000000},
		{"shift takes six bits", "r0 = 1\nr1 = 65\nr0 <<= r1\nexit", 2},
		{"shift takes five bits", "r0 = 1\nr1 = 33\nw0 <<= w1\nexit", 2},
		{"arithmetic shift 32", "w0 = -8\nw0 s>>= 1\nexit", 0xfffffffc},
		{"32-bit results clear the upper half", "r0 = -1\nw0 += 0\nr0 >>= 32\nexit", 0},
		{"movsx", "r1 = 0x80\nr0 = (s8)r1\nr0 >>= 32\nexit", 0xffffffff},
		{"movsx 32", "r1 = 0x80\nw0 = (s8)w1\nr0 >>= 32\nexit", 0},
		{"be16 clears the rest", "r0 = 0x1122334455667788 ll\nr0 = be16 r0\nr0 >>= 16\nexit", 0},
		{"bswap32", "r0 = 0x1122334455667788 ll\nr0 = bswap32 r0\nexit", 0x88776655},
		{"gotol", "r0 = 1\ngotol pc+1\nr0 = 2\nexit", 1},
		{"signed jump 32", "r1 = 0xffffffff ll\nr0 = 0\nif w1 s< 0 goto pc+1\nexit\nr0 = 1\nexit", 1},
		{"jset", "r1 = 5\nr0 = 0\nif r1 & 2 goto pc+1\nexit\nr0 = 1\nexit", 0},
		{"memsx", "*(u64 *)(r10 -8) = 0x80\nr0 = *(s8 *)(r10 -8)\nr0 >>= 32\nexit", 0xffffffff},
		{"cmpxchg32 gives 32 bits", "*(u64 *)(r10 -8) = -1\nr0 = -1\nr1 = 3\nr0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r1)\nr0 >>= 32\nexit", 0},
		{"xchg", "*(u64 *)(r10 -8) = 7\nr1 = 3\nr1 = atomic64_xchg((u64 *)(r10 -8), r1)\nr0 = *(u64 *)(r10 -8)\nr0 *= 16\nr0 += r1\nexit", 0x37},
		{"acquire and release of a byte", "*(u64 *)(r10 -8) = 0\nr1 = 0x1ff\nstore_release((u8 *)(r10 -7), r1)\nr2 = r10\nr0 = load_acquire((u16 *)(r2 -8))\nexit", 0xff00},
		{"may_goto ends", "r0 = 0\nr0 += 1\nmay_goto pc+1\ngoto pc-3\nexit", 8 << 20},
		{"subprogram keeps r6 to r9", "r6 = 5\nr1 = 2\ncall f\nr0 += r6\nexit\nf:\nr6 = 100\nr0 = r1\nexit", 7},
		{"subprogram has its own frame", "*(u64 *)(r10 -8) = 5\ncall f\nr0 = *(u64 *)(r10 -8)\nexit\nf:\n*(u64 *)(r10 -8) = 9\nr0 = 0\nexit", 5},
		{"subprogram writes its caller's frame", "r1 = r10\ncall f\nr0 = *(u64 *)(r10 -8)\nexit\nf:\n*(u64 *)(r1 -8) = 9\nr0 = 0\nexit", 9},
		{"eight frames", "r1 = 7\ncall f\nexit\nf:\nr0 = r1\nif r1 == 1 goto end\nr1 += -1\ncall f\nr0 += 1\nend:\nexit", 7},
		{"bpf_loop", "r1 = 10\nr2 = subprog[f]\nr3 = r10\nr4 = 0\n*(u64 *)(r10 -8) = 0\ncall helper#181\nr1 = *(u64 *)(r10 -8)\nr0 *= 1000\nr0 += r1\nexit\nf:\nr3 = *(u64 *)(r2 -8)\nr3 += r1\n*(u64 *)(r2 -8) = r3\nr0 = 0\nexit", 10045},
		{"bpf_loop stops", "r1 = 10\nr2 = subprog[f]\nr3 = 0\nr4 = 0\ncall helper#181\nexit\nf:\nr0 = 0\nif r1 < 3 goto pc+1\nr0 = 1\nexit", 4},
		{"nested bpf_loop", "r1 = 10\nr2 = subprog[f]\nr3 = r10\nr4 = 0\n*(u64 *)(r10 -8) = 0\ncall helper#181\nr0 = *(u64 *)(r10 -8)\nexit\nf:\nr1 = 5\nr3 = r2\nr2 = subprog[g]\nr4 = 0\ncall helper#181\nr0 = 0\nexit\ng:\nr3 = *(u64 *)(r2 -8)\nr3 += 1\n*(u64 *)(r2 -8) = r3\nr0 = 0\nexit", 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := load(t, m, abi.ProgXDP, assemble(t, c.code))
			res, err := p.TestRun(&TestInput{Data: frame()})
			if err != nil {
				t.Fatal(err)
			}
			if res.Return != c.want {
				t.Errorf("r0 is %#x, want %#x", res.Return, c.want)
			}
		})
	}
}

// What a run must not do, and the words it is refused with.
func TestFaults(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1, MaxInstructions: 1 << 20})
	values := newMap(t, m, MapSpec{Name: "values", Type: abi.MapArray, KeySize: 4, ValueSize: 12, MaxEntries: 2})
	frozen := newMap(t, m, MapSpec{Name: "frozen", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: abi.FlagRdonlyProg})
	ring := newMap(t, m, MapSpec{Name: "ring", Type: abi.MapRingBuf, MaxEntries: 4096})
	lookup := "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall helper#1\n"
	for _, c := range []struct {
		name string
		typ  abi.ProgramType
		code string
		// what the fault must say
		slot   int
		size   int
		write  bool
		reason string
	}{
		{"null", abi.ProgXDP, "r1 = 0\nr0 = *(u32 *)(r1 +0)\nexit", 1, 4, false, "null pointer"},
		{"field of null", abi.ProgXDP, "r1 = 0\nr0 = *(u32 *)(r1 +16)\nexit", 1, 4, false, "null pointer plus 16"},
		{"unchecked lookup", abi.ProgXDP, "*(u32 *)(r10 -4) = 2\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall helper#1\nr0 = *(u32 *)(r0 +0)\nexit", 6, 4, false, "null pointer; the latest lookup in map values found nothing"},
		{"past the packet", abi.ProgXDP, "r1 = *(u32 *)(r1 +0)\nr0 = *(u32 *)(r1 +62)\nexit", 1, 4, false, "2 bytes past the end of the packet"},
		{"far past the packet", abi.ProgXDP, "r1 = *(u32 *)(r1 +4)\nr0 = *(u8 *)(r1 +11)\nexit", 1, 1, false, "12 bytes past the end of the packet"},
		{"before the packet", abi.ProgXDP, "r1 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r1 -1)\nexit", 1, 1, false, "1 bytes before the start of the packet"},
		{"writing to a filter's packet", abi.ProgCgroupSKB, "r1 = *(u32 *)(r1 +76)\n*(u8 *)(r1 +0) = 1\nr0 = 1\nexit", 1, 1, true, "packet data is read-only for cgroup_skb programs"},
		{"past a value", abi.ProgXDP, lookup + "r0 = *(u64 *)(r0 +8)\nexit", 6, 8, false, "map values: 4 bytes past the end of a map value of 12 bytes"},
		{"beside a value", abi.ProgXDP, lookup + "r0 = *(u8 *)(r0 +12)\nexit", 6, 1, false, "map values: 1 bytes past the end of a map value of 12 bytes"},
		{"constant map", abi.ProgXDP, "r1 = map[idx:1][0]+0\n*(u8 *)(r1 +0) = 1\nr0 = 0\nexit", 2, 1, true, "map frozen is read-only for programs"},
		{"map as memory", abi.ProgXDP, "r1 = map[idx:0]\nr0 = *(u8 *)(r1 +0)\nexit", 2, 1, false, "a reference to a map is not memory"},
		{"function as memory", abi.ProgXDP, "r1 = subprog[f]\nr0 = *(u8 *)(r1 +0)\nexit\nf:\nexit", 2, 1, false, "the address of a function is not memory"},
		{"above the frame", abi.ProgXDP, "r0 = *(u8 *)(r10 +0)\nexit", 0, 1, false, "1 bytes above the frame pointer, outside any stack frame"},
		{"below the frame", abi.ProgXDP, "r1 = 1\n*(u64 *)(r10 -520) = r1\nexit", 1, 8, true, "520 bytes below the frame pointer; a frame has 512"},
		{"a frame that is gone", abi.ProgXDP, "call f\nr0 = *(u8 *)(r0 -1)\nexit\nf:\nr0 = r10\nexit", 1, 1, false, "1024 bytes above the frame pointer, outside any stack frame"},
		{"nowhere", abi.ProgXDP, "r1 = 0x7fff00000000 ll\n*(u8 *)(r1 +0) = 1\nexit", 2, 1, true, "the address belongs to nothing this run may touch"},
		{"context write", abi.ProgXDP, "*(u32 *)(r1 +0) = 1\nexit", 0, 4, true, "context field data is read-only for xdp programs"},
		{"context field of others", abi.ProgSocketFilter, "r0 = *(u32 *)(r1 +76)\nexit", 0, 4, false, "context field data is not readable for programs of this type"},
		{"helper argument", abi.ProgXDP, "r2 = 0x7fff00000000 ll\nr1 = map[idx:0]\ncall helper#1\nexit", 4, 4, false, "the address belongs to nothing this run may touch"},
		{"not a map", abi.ProgXDP, "r2 = r10\nr2 += -4\nr1 = 5\ncall helper#1\nexit", 3, 0, false, "0x5 is not a map of this program"},
		{"record past its end", abi.ProgXDP, "r1 = map[idx:2]\nr2 = 8\nr3 = 0\ncall helper#131\n*(u8 *)(r0 +8) = 1\nexit", 5, 1, true, "byte 8 of a ring buffer record of 8 bytes"},
		{"record kept", abi.ProgXDP, "r1 = map[idx:2]\nr2 = 8\nr3 = 0\ncall helper#131\nr0 = 0\nexit", 6, 0, false, "the program exits with a ring buffer record neither submitted nor discarded"},
		{"unaligned atomic", abi.ProgXDP, "r1 = 1\nlock *(u64 *)(r10 -12) += r1\nexit", 1, 8, true, "atomic operation on an address that is not a multiple of its size"},
		{"nine frames", abi.ProgXDP, "call f\nexit\nf:\ncall f\nexit", 2, 0, false, "the call nests deeper than 8 frames"},
		{"callback that is none", abi.ProgXDP, "r1 = 3\nr2 = 4\nr3 = 0\nr4 = 0\ncall helper#181\nexit", 4, 0, false, "the callback 0x4 is not a function of this program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := load(t, m, c.typ, assemble(t, c.code), values, frozen, ring)
			res, err := p.TestRun(&TestInput{Data: frame()})
			var f *Fault
			if !errors.As(err, &f) || !errors.Is(err, ErrFault) {
				t.Fatalf("no fault: %#x, %v", res.Return, err)
			}
			if f.Instruction != c.slot || f.Size != c.size || f.Write != c.write || f.Reason != c.reason {
				t.Errorf("instruction %d, %d bytes, write %v, %q;\nwant %d, %d, %v, %q", f.Instruction, f.Size, f.Write, f.Reason, c.slot, c.size, c.write, c.reason)
			}
			t.Log(err)
		})
	}
}
