package shadow

import (
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/check"
	"github.com/skepdev/skep/verifier/internal/gen"
)

// features are what a program's instructions use, by name.
func features(p *gen.Program) map[string]bool {
	out := map[string]bool{}
	for i := 0; i < len(p.Insns); i += p.Insns[i].Width() {
		switch ins := p.Insns[i]; {
		case ins.IsKfuncCall():
			out[gen.KfuncNames()[ins.Imm]] = true
		case ins.IsHelperCall():
			out[abi.HelperID(ins.Imm).String()] = true
		case ins.Op == isa.MayGoto:
			out["may_goto"] = true
		case ins.Class() == isa.ClassLDX && ins.Mode() == isa.ModeMEMSX:
			out["sign-extending load"] = true
		case ins.Op == isa.MovX && ins.Off > 1:
			out["sign-extending move"] = true
		case ins.Op == isa.LdImm64 && ins.Src == isa.PseudoMapIdxValue && p.Maps[ins.Imm].Constants != nil:
			out["constant"] = true
		case ins.Class() == isa.ClassSTX && ins.Mode() == isa.ModeATOMIC:
			out[map[int32]string{isa.AtomicLoadAcq: "load-acquire", isa.AtomicStoreRel: "store-release", isa.AtomicXchg: "exchange", isa.AtomicCmpXchg: "compare and exchange"}[ins.Imm]] = true
		}
	}
	return out
}

// TestReach: what is hard for verifiers comes in programs that are accepted, so that
// their runs try it.
func TestReach(t *testing.T) {
	if kernel == nil {
		t.Skip("needs the types of a kernel (/sys/kernel/btf/vmlinux)")
	}
	const draws = 3000
	seen, accepted := map[string]int{}, 0
	for seed := range uint64(draws) {
		p := gen.New(gen.Rand(seed), gen.Options{})
		if _, err := check.Verify(t.Context(), checked(p), check.Options{KernelTypes: kernel, MaxInstructions: maxNoted}); err != nil {
			continue
		}
		accepted++
		for f := range features(p) {
			seen[f]++
		}
	}
	t.Logf("%d of %d accepted: %v", accepted, draws, seen)
	for _, want := range append(gen.Kfuncs(), "may_goto", "sign-extending load", "sign-extending move", "constant", "load-acquire", "store-release",
		"exchange", "compare and exchange", "bpf_loop", "bpf_for_each_map_elem", "bpf_tail_call", "bpf_ringbuf_reserve", "bpf_sk_lookup_tcp", "bpf_dynptr_data") {
		if seen[want] < 5 {
			t.Errorf("%s comes in %d accepted programs of %d", want, seen[want], draws)
		}
	}
}
