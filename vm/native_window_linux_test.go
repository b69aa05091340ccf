package vm

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/skepdev/skep/abi"
)

// TestNativeWindows runs programs that load bytes from packet, frame and map
// values, put them together, store some, and run over the ends of what they may
// access: what native code compares together, merges and leaves out must not
// show.
func TestNativeWindows(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	var maps [2][]*Map
	for i, m := range []*Machine{native, interpreted} {
		maps[i] = []*Map{newMap(t, m, MapSpec{Name: "values", Type: abi.MapArray, KeySize: 4, ValueSize: 24, MaxEntries: 2})}
	}
	faults, runs := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		var b strings.Builder
		line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
		line("r9 = r1\n*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall helper#1\nif r0 == 0 goto out\nr8 = r0")
		line("r6 = *(u32 *)(r9 +0)\nr7 = r10\nr7 += -64")
		for i := range 8 {
			line("*(u64 *)(r10 %d) = %d", -64+8*i, i*0x01020304)
		}
		line("r0 = 1\nr1 = 2\nr2 = 3\nr3 = 4\nr4 = 5\nr5 = 6")
		num := func(low, high int, name string) int { return rapid.IntRange(low, high).Draw(rt, name) }
		bases := []int{6, 6, 6, 7, 8}
		// One place in memory is likely enough to be put together byte by byte.
		word := func() {
			n, base, off, big := rapid.SampledFrom([]int{2, 4, 8}).Draw(rt, "bytes"), rapid.SampledFrom(bases).Draw(rt, "base"), num(0, 20, "off"), rapid.Bool().Draw(rt, "big")
			d, stored := num(0, 3, "d"), num(0, 12, "stored")
			other, between := rapid.SampledFrom(bases).Draw(rt, "other"), num(0, 12, "between")
			for k := range n {
				at := k
				if big {
					at = n - 1 - k
				}
				if k == 0 {
					line("r%d = *(u8 *)(r%d %+d)", d, base, off+at)
					continue
				}
				if k == between { // which may end the run half way
					line("r4 = *(u32 *)(r%d %+d)", other, 24*num(-1, 3, "far"))
				}
				if k == stored { // into what is being put together
					line("*(u8 *)(r%d %+d) = 0x5a", base, off+num(0, n-1, "where"))
				}
				line("r5 = *(u8 *)(r%d %+d)\nr5 <<= %d\nr%d |= r5", base, off+at, 8*k, d)
			}
		}
		for range num(1, 25, "steps") {
			d, s := num(0, 5, "d"), num(0, 5, "s")
			base, off := rapid.SampledFrom(bases).Draw(rt, "base"), num(-1, 26, "off")
			size := rapid.SampledFrom([]string{"u8", "u8", "u8", "u16", "u32", "u64"}).Draw(rt, "size")
			switch num(0, 9, "kind") {
			case 0, 1, 2:
				line("r%d = *(%s *)(r%d %+d)", d, size, base, off)
			case 3:
				line("r%d <<= %d", d, 8*num(0, 7, "shift"))
			case 4:
				line("r%d |= r%d", d, s)
			case 5:
				line("w%d |= w%d", d, s)
			case 6:
				line("*(%s *)(r%d %+d) = r%d", size, base, off, s)
			case 7:
				line("r%d += %d", base, num(-3, 3, "by"))
			case 8:
				line("r%d = r%d", d, s)
			case 9:
				word()
			}
		}
		for r := 1; r <= 5; r++ {
			line("r0 *= 31\nr0 ^= r%d", r)
		}
		line("r1 = r0\nr1 >>= 32\nr0 ^= r1\nout:\nexit")
		code := assemble(t, b.String())
		x, y := outcome(t, native, code, maps[0]...), outcome(t, interpreted, code, maps[1]...)
		if x != y {
			rt.Fatalf("native code says %s, the interpreter %s:\n%s", x, y, b.String())
		}
		runs++
		if strings.HasPrefix(x, "fault") {
			faults++
		}
	})
	if faults == 0 || faults == runs {
		t.Errorf("%d of %d runs ended in a fault", faults, runs)
	}
}
