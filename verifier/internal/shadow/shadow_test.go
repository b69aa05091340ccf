package shadow

import (
	"encoding/binary"
	"errors"
	"flag"
	"slices"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/check"
	"github.com/skepdev/skep/verifier/internal/gen"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

var (
	programs  = flag.Int("shadow.programs", 1500, "how many random programs TestClaims makes")
	firstSeed = flag.Uint64("shadow.seed", 0, "seed of the first program of TestClaims")
)

// kernel are the running kernel's types; without, programs that call its functions
// are refused.
var kernel, _ = btf.LoadKernelSpec()

// checked is a generated program as the verifier takes it.
func checked(p *gen.Program) *check.Program {
	c := &check.Program{Name: "random", Type: p.Type, License: "GPL", Instructions: p.Insns, Kfuncs: gen.KfuncNames()}
	for _, m := range p.Maps {
		c.Maps = append(c.Maps, &check.Map{
			Name: m.Name, Type: m.Type, KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries,
			Flags: m.Flags(), Frozen: m.Constants != nil, Contents: m.Constants,
		})
	}
	for i, slot := range p.Funcs() {
		f := check.Func{Slot: slot, Name: "f", Type: &btf.Func{Name: "f", Linkage: btf.StaticFunc, Type: &btf.FuncProto{Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}}}}
		if i == 0 {
			f.Type.Linkage = btf.GlobalFunc
		}
		c.Funcs = append(c.Funcs, f)
	}
	return c
}

// TestClaims runs random programs that are accepted and compares each step with
// what the verifier held there.
func TestClaims(t *testing.T) {
	accepted, runs, unmodelled := 0, 0, map[string]int{}
	for seed := *firstSeed; seed < *firstSeed+uint64(*programs); seed++ {
		p := gen.New(gen.Rand(seed), gen.Options{})
		for _, o := range []check.Options{{Exact: true, KernelTypes: kernel}, {KernelTypes: kernel}, {NoPerfmon: true, KernelTypes: kernel}} {
			j, err := Judge(t.Context(), checked(p), o)
			if err != nil {
				break
			}
			accepted++
			for round := range uint64(6) {
				err := j.Run(gen.Rand(seed ^ round<<48))
				var v *Violation
				switch {
				case errors.As(err, &v):
					t.Errorf("seed %d, exact %v, round %d: %v\n%s", seed, o.Exact, round, err, p)
				case err != nil:
					unmodelled[err.Error()]++
				default:
					runs++
					continue
				}
				break
			}
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d programs, %d accepted, %d runs, unmodelled: %v", *programs, accepted, runs, unmodelled)
	if accepted < *programs/4 || runs < 4*accepted {
		t.Error("too few were run")
	}
}

// TestOffByOne: a claim that is wrong by one is found out, of each kind that there
// is, so that no comparison of this package is idle.
func TestOffByOne(t *testing.T) {
	tampers := map[string]func(*check.Reg) bool{
		"number": func(r *check.Reg) bool {
			ok := r.Kind == check.Scalar && r.IsConst()
			r.Range = scalar.Const(r.Value() + 1)
			return ok
		},
		"offset": func(r *check.Reg) bool {
			r.Off++
			return r.Kind != check.Scalar && r.Kind != check.NotInit && r.Kind != check.ConstMap
		},
		"packet": func(r *check.Reg) bool {
			r.Aux += 200
			return r.Kind == check.Packet && r.Aux > 200
		},
		"map": func(r *check.Reg) bool {
			r.Obj++
			return r.Kind == check.MapValue || r.Kind == check.ConstMap
		},
		"null": func(r *check.Reg) bool {
			ok := r.Flags&check.MaybeNull != 0
			r.Flags &^= check.MaybeNull
			return ok
		},
		"size": func(r *check.Reg) bool {
			r.Aux++
			return r.Kind == check.Mem
		},
		"frame": func(r *check.Reg) bool {
			r.Frame++
			return r.Kind == check.Stack
		},
	}
	done, found := map[string]int{}, map[string]int{}
	for seed := range uint64(400) {
		p := gen.New(gen.Rand(seed), gen.Options{Mutations: -1})
		for name, tamper := range tampers {
			j, err := Judge(t.Context(), checked(p), check.Options{Exact: true, KernelTypes: kernel})
			if err != nil {
				break
			}
			any := false
			for _, claims := range j.claims {
				for i := range claims {
					for k := range claims[i].regs[:10] {
						r := claims[i].regs[k]
						if claims[i].live>>k&1 != 0 && tamper(&r) {
							claims[i].regs[k], any = r, true
						}
					}
				}
			}
			if !any {
				continue
			}
			done[name]++
			for round := range uint64(6) {
				var v *Violation
				if errors.As(j.Run(gen.Rand(round)), &v) {
					found[name]++
					break
				}
			}
		}
	}
	t.Logf("tampered with %v, found %v", done, found)
	for name := range tampers {
		if done[name] < 5 || found[name] < done[name]*2/3 {
			t.Errorf("%s: %d of %d found", name, found[name], done[name])
		}
	}
}

// TestOffByOneFact: facts for compilers that are wrong by one are found out.
func TestOffByOneFact(t *testing.T) {
	done, found := 0, 0
	for seed := range uint64(200) {
		j, err := Judge(t.Context(), checked(gen.New(gen.Rand(seed), gen.Options{Mutations: -1})), check.Options{KernelTypes: kernel})
		if err != nil {
			continue
		}
		any := false
		for i := range j.Result.Facts {
			if f := &j.Result.Facts[i]; f.OffsetKnown && f.Access != check.AccessMem {
				f.Offset++
				any = true
			}
		}
		if !any {
			continue
		}
		done++
		for round := range uint64(6) {
			var v *Violation
			if errors.As(j.Run(gen.Rand(round)), &v) {
				found++
				break
			}
		}
	}
	if done < 30 || found < done*4/5 {
		t.Errorf("%d of %d found", found, done)
	}
}

// FuzzClaims changes programs bit by bit: whatever is accepted must keep to what was
// claimed of it.
func FuzzClaims(f *testing.F) {
	for seed := range uint64(40) {
		p := gen.New(gen.Rand(seed), gen.Options{Steps: 25, Mutations: -1})
		if code, err := isa.Encode(p.Insns, binary.LittleEndian); err == nil {
			f.Add(code, uint8(p.Type), seed)
		}
	}
	f.Fuzz(func(t *testing.T, code []byte, typ uint8, seed uint64) {
		insns, err := isa.Decode(code, binary.LittleEndian)
		if err != nil || len(insns) > 300 || isa.ValidateCode(insns) != nil {
			return
		}
		p := &gen.Program{Type: gen.Types()[int(typ)%len(gen.Types())], Insns: insns, Maps: gen.Maps()}
		if i := slices.Index(gen.Types(), abi.ProgramType(typ)); i >= 0 {
			p.Type = abi.ProgramType(typ)
		}
		for _, o := range []check.Options{{Exact: true, KernelTypes: kernel}, {KernelTypes: kernel}} {
			j, err := Judge(t.Context(), checked(p), o)
			if err != nil {
				return
			}
			for round := range uint64(3) {
				var v *Violation
				if err := j.Run(gen.Rand(seed + round)); errors.As(err, &v) {
					t.Fatalf("exact %v: %v\n%s", o.Exact, err, p)
				}
			}
		}
	})
}
