package check

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

func assembled(t testing.TB, text string) *Program {
	t.Helper()
	code, err := isa.Assemble(text)
	if err != nil {
		t.Fatal(err)
	}
	return &Program{Name: "test", Type: abi.ProgXDP, License: "GPL", Instructions: code}
}

// exploding is a program whose paths double with each of n branches and never meet
// again: each leaves its bit in a number that matters at the end.
func exploding(n int) string {
	var b strings.Builder
	b.WriteString("r6 = r1\nr7 = 0\n")
	for i := range n {
		fmt.Fprintf(&b, "r8 = *(u32 *)(r6 +12)\nif r8 == %d goto skip%d\nr7 += %d\nskip%d:\n", i, i, 1<<i, i)
	}
	b.WriteString("r1 = r10\nr1 += -8\nr7 &= 0\nr1 += r7\n*(u8 *)(r1 +0) = 0\nr0 = 1\nexit\n")
	return b.String()
}

// wide is exploding with every slot of the stack in use, so that states are as
// large as those of one frame are.
func wide(n int) string {
	var b strings.Builder
	b.WriteString("r0 = *(u32 *)(r1 +12)\n")
	for slot := 8; slot <= maxStack; slot += 8 {
		fmt.Fprintf(&b, "*(u64 *)(r10 -%d) = r0\nr0 += 1\n", slot)
	}
	return b.String() + exploding(n)
}

// endless is a loop that the verifier has to walk round by round.
const endless = "r6 = 0\nloop:\nr6 += 1\nif r6 < 0x7fffffff goto loop\nr0 = 1\nexit\n"

func rejection(t *testing.T, err error) *Rejection {
	t.Helper()
	var r *Rejection
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a rejection", err)
	}
	return r
}

// TestLimits: programs that are made to take long end with a verdict that says
// which limit they met.
func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		name, code string
		o          Options
		rule       Rule
	}{
		{"a million simulated instructions", endless, Options{}, RuleTooComplex},
		{"fewer if asked", endless, Options{MaxInstructions: 1000}, RuleTooComplex},
		{"paths that double", exploding(30), Options{}, RuleTooComplex},
		{"memory", exploding(30), Options{MaxMemory: 1 << 16}, RuleLimit},
		{"time", endless, Options{Timeout: time.Millisecond, MaxInstructions: 1 << 40}, RuleLimit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Now()
			_, err := Verify(t.Context(), assembled(t, tc.code), tc.o)
			if r := rejection(t, err); r.Rule != tc.rule {
				t.Errorf("%s: %s, want %s", r.Rule, r.Message, tc.rule)
			}
			if d := time.Since(start); d > time.Minute {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestCancel: a verification ends soon after its context does, with its error.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Verify(ctx, assembled(t, endless), Options{MaxInstructions: 1 << 40})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it ended %v after it was told to", d)
	}
}

// TestMemoryOfLongPrograms: programs that reach a million simulated instructions
// take less than 200 MB.
func TestMemoryOfLongPrograms(t *testing.T) {
	for name, code := range map[string]string{"loop": endless, "branches": exploding(30), "branches with full stacks": wide(30)} {
		p := assembled(t, code)
		runtime.GC()
		var peak uint64
		done, sampled := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(sampled)
			for {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
				select {
				case <-done:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}()
		res, err := Verify(t.Context(), p, Options{})
		close(done)
		<-sampled
		if r := rejection(t, err); r.Rule != RuleTooComplex || res.Stats.Processed < maxProcessed {
			t.Errorf("%s: %s after %d instructions", name, r.Message, res.Stats.Processed)
		}
		t.Logf("%s: heap of %d MB at most, %d states at most", name, peak>>20, res.Stats.PeakStates)
		if peak>>20 > 200 {
			t.Errorf("%s: %d MB", name, peak>>20)
		}
	}
}

// TestLargePrograms: as many instructions as Linux takes, one more, and shapes that
// would exhaust a recursive walk.
func TestLargePrograms(t *testing.T) {
	line := func(n int) *Program {
		p := &Program{Name: "test", Type: abi.ProgXDP, License: "GPL", Instructions: make([]isa.Instruction, n)}
		for i := range p.Instructions {
			p.Instructions[i] = isa.Instruction{Op: isa.MovK, Imm: 1}
		}
		p.Instructions[n-1] = isa.Instruction{Op: isa.Exit}
		return p
	}
	if _, err := Verify(t.Context(), line(maxInstructions), Options{}); err != nil {
		t.Errorf("a million instructions: %v", err)
	}
	_, err := Verify(t.Context(), line(maxInstructions+1), Options{})
	if r := rejection(t, err); r.Errno != E2BIG {
		t.Errorf("one more: %v, errno %d", r, r.Errno)
	}
	// Jumps that each lead to the next: deep for a search of the flow.
	p := line(200_000)
	for i := range p.Instructions[1 : len(p.Instructions)-1] {
		p.Instructions[i+1] = isa.Instruction{Op: isa.JA}
	}
	if _, err := Verify(t.Context(), p, Options{}); err != nil {
		t.Errorf("jumps: %v", err)
	}
}

// TestMalformed: code that is no program is refused for what is wrong with it.
func TestMalformed(t *testing.T) {
	mov, exit := isa.Instruction{Op: isa.MovK}, isa.Instruction{Op: isa.Exit}
	wide := []isa.Instruction{{Op: isa.LdImm64, Dst: 1}, {}}
	cat := func(parts ...[]isa.Instruction) (out []isa.Instruction) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	one := func(i ...isa.Instruction) []isa.Instruction { return i }
	for name, code := range map[string][]isa.Instruction{
		"nothing":                 nil,
		"no exit":                 one(mov),
		"jump behind the end":     one(mov, isa.Instruction{Op: isa.JA, Off: 5}, exit),
		"jump before the start":   one(mov, isa.Instruction{Op: isa.JA, Off: -9}, exit),
		"jump into a wide one":    cat(one(mov, isa.Instruction{Op: isa.JA, Off: 1}), wide, one(exit)),
		"half of a wide one":      one(mov, wide[0]),
		"second half not empty":   one(mov, wide[0], isa.Instruction{Dst: 3}, exit),
		"second half alone":       one(mov, isa.Instruction{}, exit),
		"dead code":               one(mov, exit, mov, exit),
		"register 11":             one(isa.Instruction{Op: isa.MovK, Dst: 11}, exit),
		"source register 15":      one(isa.Instruction{Op: isa.MovX, Src: 15}, exit),
		"reserved field":          one(isa.Instruction{Op: isa.MovK, Src: 3}, exit),
		"no such operation":       one(mov, isa.Instruction{Op: 0xff}, exit),
		"no such map":             one(isa.Instruction{Op: isa.LdImm64, Src: isa.PseudoMapIdx, Imm: 99}, isa.Instruction{}, mov, exit),
		"call of no function":     one(isa.Instruction{Op: isa.Call, Src: isa.PseudoCall, Imm: 1 << 30}, exit),
		"call into a wide one":    cat(one(isa.Instruction{Op: isa.Call, Src: isa.PseudoCall, Imm: 2}, exit), wide, one(exit)),
		"address of no function":  one(isa.Instruction{Op: isa.LdImm64, Src: isa.PseudoFunc, Imm: -77}, isa.Instruction{}, mov, exit),
		"unknown kernel function": one(isa.Instruction{Op: isa.Call, Src: isa.PseudoKfuncCall, Imm: 5}, exit),
	} {
		p := &Program{Name: "test", Type: abi.ProgXDP, License: "GPL", Instructions: code}
		_, err := Verify(t.Context(), p, Options{})
		if r := rejection(t, err); r.Rule == RuleInternal || r.Message == "" {
			t.Errorf("%s: %s: %q", name, r.Rule, r.Message)
		}
	}
}

// TestAbsurdTypes: types that contain themselves, or have sizes that nothing has,
// lead to a verdict.
func TestAbsurdTypes(t *testing.T) {
	self := &btf.Struct{Name: "self", Size: 8}
	self.Members = []btf.Member{{Name: "self", Type: self}, {Name: "ptr", Type: &btf.Pointer{Target: self}}}
	ring := &btf.Typedef{Name: "ring"}
	ring.Type = &btf.Const{Type: ring}
	nest := btf.Type(&btf.Int{Name: "int", Size: 4})
	for range 100 {
		nest = &btf.Array{Type: nest, Nelems: 1 << 20, Index: &btf.Int{Size: 4}}
	}
	lock := &btf.Struct{Name: "bpf_spin_lock", Size: 4}
	for name, typ := range map[string]btf.Type{
		"itself": self, "typedef of itself": ring, "arrays of arrays": nest,
		"a million locks":     &btf.Array{Type: lock, Nelems: 1 << 20, Index: &btf.Int{Size: 4}},
		"lock behind the end": &btf.Struct{Name: "v", Size: 8, Members: []btf.Member{{Name: "l", Type: lock, Offset: 1 << 31}}},
		"nil member":          &btf.Struct{Name: "v", Size: 8, Members: []btf.Member{{Name: "l"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := assembled(t, "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall helper#1\nif r0 == 0x0 goto out\n*(u8 *)(r0 +0) = 1\nout:\nr0 = 0\nexit\n")
			p.Maps = []*Map{{Name: "m", Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 1, Value: typ, Key: typ}}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = Verify(t.Context(), p, Options{}) // either verdict will do
				g := &btf.Func{Name: "g", Linkage: btf.GlobalFunc, Type: &btf.FuncProto{Return: typ, Params: []btf.FuncParam{{Name: "a", Type: typ}, {Name: "b", Type: &btf.Pointer{Target: typ}}}}}
				q := assembled(t, "call g\nr0 = 0\nexit\ng:\nr0 = 0\nexit\n")
				q.Funcs = []Func{{Slot: 0, Name: "main", Type: g}, {Slot: 3, Name: "g", Type: g}}
				_, _ = Verify(t.Context(), q, Options{})
			}()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("no verdict after 20 seconds")
			}
		})
	}
}
