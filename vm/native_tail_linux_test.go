package vm

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/skepdev/skep/abi"
)

const callFirst = "r2 = map[idx:0]\nr3 = 0\ncall helper#12\n"

// TestNativeTailCalls calls programs that use other registers than their
// callers, in and out of subprograms and callbacks, that fail, and that use the
// budget up, and asks both ways for the same end.
func TestNativeTailCalls(t *testing.T) {
	const every = "r2 = 1\nr3 = 1\nr4 = 1\nr5 = 1\nr6 = 1\nr7 = 1\nr8 = 1\nr9 = 1\n"
	targets := map[string]string{
		"few registers":      "r0 = 7\nexit",
		"all registers":      every + "r0 = 8\nexit",
		"loops":              "r0 = 0\nloop:\nr0 += 1\nif r0 < 1000 goto loop\nexit",
		"loops on all":       every + "r0 = 0\nloop:\nr0 += 1\nif r0 < 1000 goto loop\nexit",
		"uses its budget up": "loop:\nr0 += 1\ngoto loop",
		"faults":             "r0 = 1\nr1 = 0\nr0 = *(u8 *)(r1 +0)\nexit",
		"helper":             "call helper#8\nexit",
		"subprogram":         "r6 = 5\nr1 = 3\ncall f\nr0 += r6\nexit\nf:\nr6 = 100\nr0 = r1\nexit",
		"calls itself":       every + callFirst + "r0 = 9\nexit",
	}
	callers := map[string]string{
		"plain":         callFirst + "r0 = 1\nexit",
		"all registers": "r6 = r1\nr7 = 1\nr8 = 1\nr9 = 1\nr1 = r6\n" + callFirst + "r0 = r7\nexit",
		"subprogram":    "r6 = 1000\nr7 = 2000\ncall f\nr0 += r6\nr0 += r7\nexit\nf:\n" + callFirst + "r0 = 1\nexit",
		"loop before":   "r4 = 0\nloop:\nr4 += 1\nif r4 < 500 goto loop\n" + callFirst + "r0 = 1\nexit",
		"nothing there": "r2 = map[idx:0]\nr3 = 1\ncall helper#12\nr0 += 100\nexit",
		"out of array":  "r2 = map[idx:0]\nr3 = 0x100000002 ll\ncall helper#12\nr0 += 100\nexit",
		"upper half":    "r2 = map[idx:0]\nr3 = 0x100000000 ll\ncall helper#12\nr0 += 100\nexit",
		"no context":    "r1 += 4\n" + callFirst + "exit",
	}
	for _, limit := range []uint64{1 << 20, 3000} {
		native, interpreted := bothWays(t, Config{CPUs: 1, MaxInstructions: limit})
		for target, code := range targets {
			for caller, callerCode := range callers {
				var got [2]string
				for i, m := range []*Machine{native, interpreted} {
					progs := newMap(t, m, MapSpec{Name: "progs", Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 2})
					q := load(t, m, abi.ProgXDP, assemble(t, code), progs)
					if err := progs.SetProgram([]byte{0, 0, 0, 0}, q, 0); err != nil {
						t.Fatal(err)
					}
					for range 3 { // what a run leaves behind must not matter
						got[i] += outcome(t, m, assemble(t, callerCode), progs) + "; "
					}
				}
				if got[0] != got[1] {
					t.Errorf("%s, then %s, budget %d: native code says %s, the interpreter %s", caller, target, limit, got[0], got[1])
				}
			}
		}
	}
}

// TestNativeTailCallFault names the program that was called, not its caller.
func TestNativeTailCallFault(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 1})
	progs := newMap(t, native, MapSpec{Name: "progs", Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 2})
	q, err := native.Load(&ProgramSpec{Name: "called", Type: abi.ProgXDP, Instructions: assemble(t, "r0 = 1\nr2 = 0\nr0 = *(u8 *)(r2 +0)\nexit")})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := progs.SetProgram([]byte{0, 0, 0, 0}, q, 0); err != nil {
		t.Fatal(err)
	}
	p := load(t, native, abi.ProgXDP, assemble(t, callFirst+"r0 = 1\nexit"), progs)
	_, err = p.TestRun(&TestInput{Data: frame()})
	var f *Fault
	if !errors.As(err, &f) || f.Program != "called" || f.Instruction != 2 {
		t.Errorf("%v, want a fault at instruction 2 of called", err)
	}
}

// TestNativeTailCallReplace replaces and closes what is called while runs call
// it: they find a program or none, and never code that is gone.
func TestNativeTailCallReplace(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 4})
	progs := newMap(t, native, MapSpec{Name: "progs", Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 2})
	p := load(t, native, abi.ProgXDP, assemble(t, callFirst+"r0 = 1\nexit"), progs)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	seen := make([]map[uint32]int, 3)
	for i := range seen {
		seen[i] = map[uint32]int{}
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := p.TestRun(&TestInput{Data: frame(), Repeat: 50})
				if err != nil {
					t.Error(err)
					return
				}
				seen[i][res.Return]++
			}
		})
	}
	for n := range 300 {
		q, err := native.Load(&ProgramSpec{Name: "called", Type: abi.ProgXDP, Instructions: assemble(t, fmt.Sprintf("r0 = %d\nexit", 2+n%5))})
		if err != nil {
			t.Fatal(err)
		}
		if err := progs.SetProgram([]byte{0, 0, 0, 0}, q, 0); err != nil {
			t.Fatal(err)
		}
		q.Close()
		if n%7 == 0 {
			_ = progs.Delete([]byte{0, 0, 0, 0})
		}
		runtime.Gosched()
	}
	close(stop)
	wg.Wait()
	for _, s := range seen {
		for ret := range s {
			if ret < 1 || ret > 6 {
				t.Errorf("a run returned %d", ret)
			}
		}
	}
}
