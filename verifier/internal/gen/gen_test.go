package gen

import (
	"slices"
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// TestSeeds: equal seeds make equal programs, others others, and all are valid
// encodings of the types asked for.
func TestSeeds(t *testing.T) {
	texts := map[string]bool{}
	const n = 2000
	for seed := range uint64(n) {
		p := New(Rand(seed), Options{})
		if err := isa.ValidateCode(p.Insns); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, p)
		}
		q := New(Rand(seed), Options{})
		if !slices.Equal(p.Insns, q.Insns) || p.Type != q.Type {
			t.Fatalf("seed %d made two programs", seed)
		}
		texts[p.String()] = true
		if _, err := p.Spec(); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, p)
		}
	}
	if len(texts) < n*95/100 {
		t.Errorf("%d different programs of %d", len(texts), n)
	}
	for seed := range uint64(50) {
		if p := New(Rand(seed), Options{Types: []abi.ProgramType{abi.ProgXDP}, Steps: 3}); p.Type != abi.ProgXDP {
			t.Errorf("a program of type %s", p.Type)
		}
	}
}

// TestReach: each kind of instruction the generator is for does come.
func TestReach(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(3000) {
		p := New(Rand(seed), Options{Mutations: -1})
		for i := 0; i < len(p.Insns); i += p.Insns[i].Width() {
			ins := p.Insns[i]
			switch {
			case ins.IsHelperCall():
				seen[abi.HelperID(ins.Imm).String()]++
			case ins.Op == isa.LdImm64:
				seen["load "+[]string{"number", "fd", "value", "btf", "func", "map", "map value"}[ins.Src]]++
			case ins.Op == isa.MayGoto:
				seen["may_goto"]++
			case ins.IsSubprogCall():
				seen["call"]++
			case ins.IsConditional() && ins.Off < 0:
				seen["loop"]++
			case ins.Class() == isa.ClassSTX && ins.Mode() == isa.ModeATOMIC:
				seen["atomic"]++
			case ins.Mode() == isa.ModeMEMSX && ins.Class() == isa.ClassLDX:
				seen["sign-extending load"]++
			}
		}
	}
	for _, want := range []string{
		"bpf_map_lookup_elem", "bpf_map_update_elem", "bpf_map_delete_elem", "bpf_tail_call", "bpf_ringbuf_reserve", "bpf_ringbuf_submit",
		"bpf_ringbuf_discard", "bpf_ringbuf_output", "bpf_skb_load_bytes", "bpf_xdp_load_bytes", "bpf_probe_read_kernel", "bpf_loop", "bpf_ktime_get_ns", "bpf_for_each_map_elem",
		"bpf_sk_lookup_tcp", "bpf_skc_lookup_tcp", "bpf_sk_release", "bpf_dynptr_from_mem", "bpf_dynptr_read", "bpf_dynptr_write",
		"bpf_dynptr_data", "bpf_ringbuf_reserve_dynptr", "bpf_ringbuf_submit_dynptr", "bpf_xdp_adjust_head", "bpf_xdp_adjust_tail",
		"bpf_xdp_adjust_meta", "bpf_skb_pull_data", "bpf_skb_change_head", "bpf_csum_diff", "bpf_map_push_elem", "bpf_map_pop_elem", "bpf_map_peek_elem",
		"load number", "load func", "load map", "load map value", "may_goto", "call", "atomic", "loop", "sign-extending load",
	} {
		if seen[want] < 20 {
			t.Errorf("%s came %d times", want, seen[want])
		}
	}
}

// TestMutate: mutants are valid and mostly differ; the program stays as it was.
func TestMutate(t *testing.T) {
	rng := Rand(7)
	same := 0
	const n = 3000
	for i := range n {
		p := New(rng, Options{Mutations: -1})
		before := p.Clone()
		q := Mutate(rng, p)
		if err := isa.ValidateCode(q.Insns); err != nil {
			t.Fatalf("mutant %d: %v\n%s", i, err, q)
		}
		if !slices.Equal(p.Insns, before.Insns) {
			t.Fatalf("mutation %d changed its program", i)
		}
		if slices.Equal(q.Insns, p.Insns) {
			same++
		}
	}
	if same > n/50 {
		t.Errorf("%d of %d mutants are as before", same, n)
	}
}

func code(t *testing.T, source string) *Program {
	t.Helper()
	insns, err := isa.Assemble(source)
	if err != nil {
		t.Fatal(err)
	}
	return &Program{Type: abi.ProgXDP, Insns: insns, Maps: Maps()}
}

// TestMinimise: what matters stays, the rest goes, and the number of questions is
// bounded.
func TestMinimise(t *testing.T) {
	divides := func(p *Program) bool {
		return slices.ContainsFunc(p.Insns, func(ins isa.Instruction) bool {
			return ins.Class() == isa.ClassALU64 && ins.ALUOp() == isa.OpDiv && ins.Dst == 3
		})
	}
	long := &Program{Type: abi.ProgXDP, Maps: Maps()}
	rng := Rand(1)
	for {
		long = New(rng, Options{Steps: 200, Mutations: -1})
		if divides(long) && len(long.Insns) > 60 {
			break
		}
	}
	asked := 0
	small := Minimise(long, func(p *Program) bool {
		asked++
		if err := isa.ValidateCode(p.Insns); err != nil {
			t.Fatalf("asked about an invalid program: %v", err)
		}
		return divides(p)
	}, 1000)
	if len(small.Insns) != 2 || !divides(small) || asked > 1000 {
		t.Errorf("asked %d times, and left\n%s", asked, small)
	}
	asked = 0
	if got := Minimise(long, func(*Program) bool { asked++; return false }, 50); got != long || asked > 50 {
		t.Errorf("asked %d times about what never holds", asked)
	}
	two := code(t, "r6 = 77\nif r6 > 5 goto skip\nr7 = 1\nskip:\nr8 = 3\nr0 = 0\nexit\n")
	got := Minimise(two, func(p *Program) bool {
		return slices.ContainsFunc(p.Insns, isa.Instruction.IsConditional)
	}, 0)
	if len(got.Insns) != 2 || got.Insns[0].Imm != 0 {
		t.Errorf("left\n%s", got)
	}
}

// TestEdit: lines that are taken out or put in leave jumps where they led.
func TestEdit(t *testing.T) {
	p := code(t, "r1 = 1\nif r1 > 5 goto end\nr2 = 0x1234567890 ll\nr3 = 3\nend:\nr0 = 0\nexit\n")
	parsed, ok := parse(p)
	if !ok {
		t.Fatal("not parsed")
	}
	again := parsed.program(p)
	if again == nil || !slices.Equal(again.Insns, p.Insns) {
		t.Errorf("came back as\n%s", again)
	}
	cut := parsed.clone()
	if !cut.remove(2, 1) {
		t.Fatal("not removed")
	}
	if q := cut.program(p); q.Insns[1].Off != 1 {
		t.Errorf("the jump leads elsewhere\n%s", q)
	}
	gone := parsed.clone()
	gone.remove(3, 2) // with the jump's target
	if q := gone.program(p); q.Insns[1].Off != 2 {
		t.Errorf("the jump leads elsewhere\n%s", q)
	}
	if last := parsed.clone(); last.remove(4, 2) {
		t.Error("the jump would lead behind the end")
	}
	more := parsed.clone()
	more.insert(4, line{ins: isa.Instruction{Op: isa.MovK, Dst: 9}, to: -1})
	if q := more.program(p); q.Insns[1].Off != 4 || q.Insns[5].Dst != 9 {
		t.Errorf("inserted\n%s", q)
	}
}

func TestString(t *testing.T) {
	p := code(t, "r0 = 0\nexit\n")
	p.Insns = append([]isa.Instruction{{Op: isa.Call, Src: isa.PseudoCall, Imm: 1}, {Op: isa.Exit}}, p.Insns...)
	if got := p.String(); !strings.Contains(got, "func 1:\n   2: r0 = 0") || !slices.Equal(p.Funcs(), []int{0, 2}) {
		t.Errorf("%s", got)
	}
}

// FuzzGen: whatever the options and seed, what comes is valid, and so are its
// mutants and its minimised forms.
func FuzzGen(f *testing.F) {
	f.Add(uint64(1), uint8(40), uint8(0), uint8(0))
	f.Add(uint64(99), uint8(200), uint8(128), uint8(255))
	f.Fuzz(func(t *testing.T, seed uint64, steps, risk, mutations uint8) {
		rng := Rand(seed)
		p := New(rng, Options{Steps: int(steps), Risk: float64(risk) / 255, Mutations: float64(mutations) / 255})
		for range 3 {
			if err := isa.ValidateCode(p.Insns); err != nil {
				t.Fatalf("%v\n%s", err, p)
			}
			if _, err := p.Spec(); err != nil {
				t.Fatal(err)
			}
			p = Mutate(rng, p)
		}
		n := len(p.Insns)
		small := Minimise(p, func(q *Program) bool { return len(q.Insns)%3 != 1 }, 100)
		if len(small.Insns) > n {
			t.Fatalf("grew from %d to %d", n, len(small.Insns))
		}
	})
}

func BenchmarkNew(b *testing.B) {
	rng := Rand(1)
	for b.Loop() {
		New(rng, Options{})
	}
}
