package check

import (
	"context"
	"testing"
)

// TestFacts: what is noted of an instruction holds on all paths to it, and is
// given up where two paths differ.
func TestFacts(t *testing.T) {
	const lookup = "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall helper#1\nif r0 == 0x0 goto out\nr9 = r0\n"
	const end = "out:\nr0 = 0\nexit\n"
	arrays := []string{"type tc", "map array key 4 value 64 entries 1", "map hash key 4 value 64 entries 1"}
	for _, c := range []struct {
		name  string
		setup []string
		code  string
		slot  int
		want  Fact
	}{
		{
			"stack", nil, "r1 = 5\n*(u64 *)(r10 -16) = r1\nr0 = 0\nexit\n", 1,
			Fact{Reached: true, Access: AccessStack, Offset: -16, OffsetKnown: true},
		},
		{
			"caller's stack",
			[]string{"type tc", "func main 0", "func f 6"},
			"r1 = r10\nr1 += -8\n*(u64 *)(r10 -8) = 0\ncall pc+2\nr0 = 0\nexit\nr0 = *(u64 *)(r1 +0)\nexit\n", 6,
			Fact{Reached: true, Access: AccessStack, Frame: 1, Offset: -8, OffsetKnown: true},
		},
		{
			"stack of either frame",
			[]string{"type tc", "func main 0", "func f 6"},
			"r2 = *(u32 *)(r1 +0)\nr1 = r10\n*(u64 *)(r10 -8) = 0\ncall pc+2\nr0 = 0\nexit\n" +
				"*(u64 *)(r10 -8) = 0\nif r2 == 0x0 goto pc+1\nr1 = r10\nr0 = *(u64 *)(r1 -8)\nexit\n", 9,
			Fact{Reached: true, Access: AccessStack, Mixed: true, Frame: 0, Offset: -8, OffsetKnown: true},
		},
		{
			"stack or value", arrays, lookup + "r6 = *(u32 *)(r9 +0)\n*(u64 *)(r10 -16) = 0\nr8 = r10\nr8 += -16\nif r6 == 0x0 goto pc+1\nr8 = r9\nr0 = *(u8 *)(r8 +0)\n" + end, 14,
			Fact{Reached: true, Access: AccessMapValue, Mixed: true, Map: -1},
		},
		{
			"offset that differs", arrays, lookup + "r6 = *(u32 *)(r9 +0)\nif r6 == 0x0 goto pc+1\nr9 += 8\nr0 = *(u8 *)(r9 +2)\n" + end, 11,
			Fact{Reached: true, Access: AccessMapValue, Map: 1},
		},
		{
			"offset that is the same", arrays, lookup + "r6 = *(u32 *)(r9 +0)\nif r6 == 0x0 goto pc+1\nr6 = 3\nr0 = *(u8 *)(r9 +2)\n" + end, 11,
			Fact{Reached: true, Access: AccessMapValue, Map: 1, Offset: 2, OffsetKnown: true},
		},
		{
			"offset that is not known", arrays, lookup + "r6 = *(u32 *)(r9 +0)\nr6 &= 7\nr9 += r6\nr0 = *(u8 *)(r9 +2)\n" + end, 11,
			Fact{Reached: true, Access: AccessMapValue, Map: 1},
		},
		{
			"value of either map", arrays,
			"r6 = *(u32 *)(r1 +0)\n*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\nif r6 == 0x0 goto pc+2\nr1 = map[idx:1]\ncall helper#1\nif r0 == 0x0 goto out\nr0 = *(u8 *)(r0 +1)\n" + end, 11,
			Fact{Reached: true, Access: AccessMapValue, Map: -1, Offset: 1, OffsetKnown: true},
		},
		{
			"jump that is always taken", nil, "r1 = 5\nif r1 == 5 goto out\nr0 = 1\nexit\n" + end, 1,
			Fact{Reached: true, Taken: true},
		},
		{
			"jump that is never taken", nil, "r1 = 5\nif r1 == 6 goto out\nr0 = 1\nexit\n" + end, 1,
			Fact{Reached: true, NotTaken: true},
		},
		{
			"jump that depends",
			[]string{"type tc"},
			"r1 = *(u32 *)(r1 +0)\nif r1 == 6 goto out\nr0 = 1\nexit\n" + end, 1,
			Fact{Reached: true, Both: true},
		},
		{"code that is not reached", nil, "r1 = 5\nif r1 == 5 goto out\nr0 = 1\nexit\n" + end, 2, Fact{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc := testCase{name: c.name, setup: c.setup, code: c.code}
			p, o, err := tc.program()
			if err != nil {
				t.Fatal(err)
			}
			res, err := Verify(context.Background(), p, o)
			if err != nil {
				t.Fatalf("%v\n%s", err, res.Log)
			}
			if got := res.Facts[c.slot]; got != c.want {
				t.Errorf("slot %d: %+v, want %+v", c.slot, got, c.want)
			}
		})
	}
}
