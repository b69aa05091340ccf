package differ

import (
	"errors"
	"flag"
	"slices"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier"
	"github.com/skepdev/skep/verifier/internal/gen"
	"github.com/skepdev/skep/vm"
)

var soundPrograms = flag.Int("differ.programs", 3000, "how many random programs TestAcceptedProgramsAreSafe makes")

// TestAcceptedProgramsAreSafe runs random programs that this verifier accepts where
// every access is checked: none may touch what it does not own, or go on forever.
func TestAcceptedProgramsAreSafe(t *testing.T) {
	w := newWorld(t, vm.Config{CPUs: 1, MaxInstructions: 1 << 21})
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		kernel = nil // generated programs need no kernel types
	}
	accepted, ran, endless, refused := 0, 0, 0, map[string]int{}
	for seed := range uint64(*soundPrograms) {
		// Mistakes are wanted: it is they that may be overlooked.
		p := gen.New(gen.Rand(seed), gen.Options{})
		if !accepts(t, p, kernel) {
			continue
		}
		accepted++
		prog, err := w.load(p, nil)
		if err != nil {
			refused[err.Error()]++
			continue
		}
		for round := range 4 {
			in := input(p.Type, seed, round)
			_, err := prog.TestRun(in)
			var (
				f    *vm.Fault
				long *vm.BudgetError
			)
			switch {
			case errors.As(err, &f):
				t.Errorf("seed %d, round %d: accepted, and %v\n%s", seed, round, err, p)
			case errors.As(err, &long):
				// bpf_loop and may_goto may go round eight million times.
				if endless++; !has(p, isa.MayGoto) && !loops(p) {
					t.Errorf("seed %d: accepted, and %v\n%s", seed, err, p)
				}
			case err != nil:
				refused[err.Error()]++
			default:
				ran++
				continue
			}
			break
		}
		prog.Close()
	}
	t.Logf("%d programs, %d accepted, %d runs, %d out of time; not run: %v", *soundPrograms, accepted, ran, endless, refused)
	if accepted < *soundPrograms/10 || ran < 3*accepted {
		t.Error("too few were run")
	}
}

// world is a machine with the maps of generated programs.
type world struct {
	m    *vm.Machine
	maps map[abi.ProgramType][]*vm.Map // program arrays belong to one type each
}

func newWorld(t *testing.T, cfg vm.Config) *world {
	t.Helper()
	m, err := vm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	w := &world{m: m, maps: map[abi.ProgramType][]*vm.Map{}}
	for _, typ := range gen.Types() {
		for _, s := range gen.Maps() {
			mp, err := m.NewMap(vm.MapSpec{Name: s.Name, Type: s.Type, KeySize: s.KeySize, ValueSize: s.ValueSize, MaxEntries: s.MaxEntries, Flags: s.Flags()})
			if err != nil {
				t.Fatal(err)
			}
			if s.Constants != nil {
				if err := mp.Update(make([]byte, s.KeySize), s.Constants, 0); err != nil {
					t.Fatal(err)
				}
			}
			w.maps[typ] = append(w.maps[typ], mp)
		}
	}
	return w
}

func (w *world) load(p *gen.Program, facts []vm.Fact) (*vm.Program, error) {
	return w.m.Load(&vm.ProgramSpec{
		Name: "random", Type: p.Type, License: "GPL", Instructions: slices.Clone(p.Insns), Maps: w.maps[p.Type], Funcs: funcInfo(p), Facts: facts, Kfuncs: gen.KfuncNames(),
	})
}

// loops reports calls of bpf_loop.
func loops(p *gen.Program) bool {
	return slices.ContainsFunc(p.Insns, func(ins isa.Instruction) bool {
		return ins.IsHelperCall() && abi.HelperID(ins.Imm) == abi.FnLoop
	})
}

func accepts(t *testing.T, p *gen.Program, kernel *btf.Spec) bool {
	t.Helper()
	spec, err := p.Spec()
	if err != nil {
		t.Fatal(err)
	}
	prog, err := verifier.FromSpec(spec, gen.SpecName, kernel)
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	_, err = verifier.Verify(t.Context(), prog, verifier.Options{KernelTypes: kernel})
	return err == nil
}

func funcInfo(p *gen.Program) []vm.FuncInfo {
	var out []vm.FuncInfo
	for _, f := range p.Funcs() {
		out = append(out, vm.FuncInfo{Offset: f})
	}
	return out
}

// input is a packet, short or long, or the arguments of a raw tracepoint.
func input(typ abi.ProgramType, seed uint64, round int) *vm.TestInput {
	rng := gen.Rand(seed ^ uint64(round)<<48)
	if typ == abi.ProgRawTracepoint {
		ctx := make([]byte, 12*8)
		for i := range ctx {
			ctx[i] = byte(rng.Uint32())
		}
		return &vm.TestInput{Context: ctx}
	}
	data := make([]byte, []int{14, 15, 40, 64, 200}[rng.IntN(5)])
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return &vm.TestInput{Data: data}
}
