package vm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/skepdev/skep/abi"
)

// TestNativeRing reserves, completes and outputs records in every combination
// that native code knows and some that it does not, until the ring is full and
// beyond, and asks both ways for the same answers and the same records.
func TestNativeRing(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	const reserve = "r1 = map[idx:0]\nr2 = %d\nr3 = %d\ncall helper#131\n"
	const write = "if r0 == 0 goto full\nr7 = r0\nr0 = *(u32 *)(r10 -4)\n*(u8 *)(r7 +0) = r0\n"
	const complete = "r1 = r7\nr2 = %d\ncall helper#%d\nr0 = 1\nexit\nfull:\nr0 = 2\nexit"
	const start = "*(u64 *)(r10 -64) = 1\n*(u64 *)(r10 -56) = 2\n*(u64 *)(r10 -48) = 3\n*(u64 *)(r10 -8) = 0\n"
	const number = "r0 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r0 +0)\n*(u32 *)(r10 -4) = r0\n"
	var codes []string
	for _, size := range []int{0, 1, 8, 17, 48, 4088, 4089, -1} {
		for _, flags := range []int{0, 1, 2, 4} {
			for _, helper := range []int{132, 133} {
				w := write
				if size == 0 {
					w = "if r0 == 0 goto full\nr7 = r0\n"
				}
				codes = append(codes, start+number+fmt.Sprintf(reserve, size, 0)+w+fmt.Sprintf(complete, flags, helper))
			}
			if size > 0 && size < 60 {
				codes = append(codes, start+fmt.Sprintf("r1 = map[idx:0]\nr2 = r10\nr2 += -64\nr3 = %d\nr4 = %d\ncall helper#130\nexit", size, flags))
			}
		}
	}
	codes = append(codes,
		fmt.Sprintf(reserve, 8, 1)+"exit",
		fmt.Sprintf(reserve, 8, 0)+"exit", // kept
		"r1 = 8\nr2 = 0\ncall helper#132\nexit",
		fmt.Sprintf(reserve, 8, 0)+"if r0 == 0 goto pc+6\nr1 = r0\nr1 += 8\nr2 = 0\ncall helper#132\nr0 = 1\nexit\nr0 = 2\nexit",
		fmt.Sprintf(reserve, 8, 0)+"r6 = r0\n"+fmt.Sprintf(reserve, 16, 0)+"r7 = r0\nif r6 == 0 goto out\nr1 = r6\nr2 = 0\ncall helper#132\nif r7 == 0 goto out\nr1 = r7\nr2 = 1\ncall helper#133\nout:\nr0 = 5\nexit",
		fmt.Sprintf(reserve, 8, 0)+"if r0 == 0 goto out\nr1 = r0\nr6 = r0\nr2 = 0\ncall helper#132\nr1 = r6\nr2 = 0\ncall helper#132\nout:\nr0 = 5\nexit", // twice
		fmt.Sprintf(reserve, 8, 0)+"if r0 == 0 goto out\nr6 = r0\nr0 = *(u8 *)(r6 +8)\nout:\nr0 = 5\nexit",
	)
	for _, text := range codes {
		code := assemble(t, text)
		var got [2]string
		for i, m := range []*Machine{native, interpreted} {
			ring := newMap(t, m, MapSpec{Name: "ring", Type: abi.MapRingBuf, MaxEntries: 4096})
			p, err := m.Load(&ProgramSpec{Name: "both", Type: abi.ProgXDP, License: "GPL", Instructions: code, Maps: []*Map{ring}})
			if err != nil {
				t.Fatal(err)
			}
			for n := range 70 { // more than fit
				got[i] += outcomeOf(t, p) + " "
				if n == 60 || n%23 == 3 {
					got[i] += drain(t, ring)
				}
			}
			got[i] += drain(t, ring)
			p.Close()
		}
		if got[0] != got[1] {
			t.Errorf("%s\nnative code says %s\nthe interpreter %s", text, got[0], got[1])
		}
	}
}

// drain is what a ring holds.
func drain(t *testing.T, ring *Map) string {
	t.Helper()
	r, err := ring.RingReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.SetDeadline(time.Now().Add(-time.Second))
	var out bytes.Buffer
	for {
		data, _, err := r.ReadInto(nil)
		if err != nil {
			return out.String()
		}
		fmt.Fprintf(&out, "%x ", data)
	}
}

// TestNativeRingWakes lets native code and Go write to one ring from several
// goroutines while a reader sleeps whenever there is nothing: no record is lost,
// none comes twice, and the reader always wakes.
func TestNativeRingWakes(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 3})
	ring := newMap(t, native, MapSpec{Name: "ring", Type: abi.MapRingBuf, MaxEntries: 1 << 16})
	r, err := ring.RingReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const runs, writers = 1500, 3
	progs := []*Program{}
	for _, name := range []string{"submit", "output"} {
		p, err := native.Load(&ProgramSpec{Name: name, Type: abi.ProgXDP, License: "GPL", Instructions: assemble(t, ringText(name)), Maps: []*Map{ring}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		progs = append(progs, p)
	}
	for w := range writers {
		go func() {
			for n := range runs {
				if _, err := progs[(w+n)%2].TestRun(&TestInput{Data: frame()}); err != nil {
					t.Error(err)
				}
				if n%64 == 0 {
					time.Sleep(50 * time.Microsecond) // the reader catches up and sleeps
				}
			}
		}()
	}
	r.SetDeadline(time.Now().Add(time.Minute))
	got := 0
	for buf := make([]byte, 0, 64); got < runs*writers; got++ {
		data, _, err := r.ReadInto(buf)
		if err != nil {
			if os.IsTimeout(err) {
				t.Fatalf("the reader sleeps after %d records of %d", got, runs*writers)
			}
			t.Fatal(err)
		}
		if len(data) != 8 || binary.NativeEndian.Uint64(data) != 77 {
			t.Fatalf("record %d is %x", got, data)
		}
	}
}

func ringText(name string) string {
	if name == "submit" {
		return "loop:\nr1 = map[idx:0]\nr2 = 8\nr3 = 0\ncall helper#131\nif r0 == 0 goto loop\nr1 = 77\n*(u64 *)(r0 +0) = r1\nr1 = r0\nr2 = 0\ncall helper#132\nr0 = 0\nexit"
	}
	return "*(u64 *)(r10 -16) = 77\nloop:\nr1 = map[idx:0]\nr2 = r10\nr2 += -16\nr3 = 8\nr4 = 0\ncall helper#130\nif r0 != 0 goto loop\nexit"
}
