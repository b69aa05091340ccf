package differ

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier/internal/check"
	"github.com/skepdev/skep/verifier/internal/gen"
	"github.com/skepdev/skep/vm"
)

// checked is a generated program for the checker itself.
func checked(t *testing.T, p *gen.Program) *check.Program {
	t.Helper()
	q := &check.Program{Name: "random", Type: p.Type, License: "GPL", Instructions: p.Insns, Kfuncs: gen.KfuncNames()}
	for _, m := range p.Maps {
		q.Maps = append(q.Maps, &check.Map{
			Name: m.Name, Type: m.Type, KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries,
			Flags: m.Flags(), Frozen: m.Constants != nil, Contents: m.Constants,
		})
	}
	// Functions have types only in a collection.
	coll, err := p.Spec()
	if err != nil {
		t.Fatal(err)
	}
	code, err := object.Instructions(coll.Programs[gen.SpecName], coll)
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	q.Types = coll.Types
	for _, f := range code.Funcs {
		q.Funcs = append(q.Funcs, check.Func{Slot: f.Slot, Name: f.Name, Type: f.Type})
	}
	return q
}

// TestFactsInNativeCode: native code that compares nothing that was proved gives
// the results of an interpreter that compares everything.
func TestFactsInNativeCode(t *testing.T) {
	native := newWorld(t, vm.Config{CPUs: 1, MaxInstructions: 1 << 18})
	slow := newWorld(t, vm.Config{CPUs: 1, MaxInstructions: 1 << 18, Interpret: true})
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		kernel = nil // programs that call its functions are refused
	}
	programs, runs, proved := 0, 0, 0
	for seed := range uint64(2 * *soundPrograms) { // many call what this runtime lacks, or differ from run to run
		p := gen.New(gen.Rand(seed), gen.Options{})
		if varies(p) {
			continue
		}
		res, err := check.Verify(context.Background(), checked(t, p), check.Options{NoPerfmon: true, KernelTypes: kernel}) // no addresses in results
		if err != nil {
			continue
		}
		facts := make([]vm.Fact, len(p.Insns))
		for i, f := range res.Facts {
			if class := classes[f.Access]; class != vm.ClassUnknown && !f.Mixed {
				facts[i] = vm.Fact{Class: class, Proved: true}
				proved++
			}
		}
		fast, err := native.load(p, facts)
		if err != nil {
			continue // something that this runtime lacks
		}
		ref, err := slow.load(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		programs++
		for round := range 4 {
			in := input(p.Type, seed, round)
			got, gotErr := fast.TestRun(in)
			want, wantErr := ref.TestRun(in)
			if (gotErr == nil) != (wantErr == nil) {
				t.Fatalf("seed %d, round %d: native %v, interpreted %v\n%s", seed, round, gotErr, wantErr, p)
			}
			if wantErr != nil {
				break
			}
			runs++
			if got.Return != want.Return || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("seed %d, round %d: native %d %x, interpreted %d %x\n%s", seed, round, got.Return, got.Data, want.Return, want.Data, p)
			}
			for i, m := range native.maps[p.Type] {
				if a, b := contents(t, m), contents(t, slow.maps[p.Type][i]); !maps.Equal(a, b) {
					t.Fatalf("seed %d, round %d: map %d: native %x, interpreted %x\n%s", seed, round, i, a, b, p)
				}
			}
		}
		fast.Close()
		ref.Close()
	}
	t.Logf("%d programs, %d runs alike, %d accesses proved", programs, runs, proved)
	if programs < *soundPrograms/20 || runs < programs || proved < 2*programs {
		t.Error("too little was compared")
	}
}

var classes = map[check.AccessKind]vm.Class{
	check.AccessStack: vm.ClassMemory, check.AccessPacket: vm.ClassPacket, check.AccessMapValue: vm.ClassValue, check.AccessMem: vm.ClassMemory,
}

// varies reports programs whose results differ from run to run: they ask for
// time or chance, or look at addresses.
func varies(p *gen.Program) bool {
	return slices.ContainsFunc(p.Insns, func(ins isa.Instruction) bool {
		if ins.IsKfuncCall() {
			return strings.HasPrefix(gen.KfuncNames()[ins.Imm], "bpf_task")
		}
		if !ins.IsHelperCall() {
			return false
		}
		switch abi.HelperID(ins.Imm) {
		case abi.FnMapLookupElem, abi.FnMapUpdateElem, abi.FnMapDeleteElem, abi.FnMapPushElem, abi.FnMapPopElem, abi.FnMapPeekElem,
			abi.FnRingbufReserve, abi.FnRingbufSubmit, abi.FnRingbufDiscard, abi.FnRingbufOutput, abi.FnCsumDiff, abi.FnLoop,
			abi.FnForEachMapElem, abi.FnSkbLoadBytes, abi.FnXdpAdjustHead, abi.FnXdpAdjustTail, abi.FnStrncmp, abi.FnSkbPullData,
			abi.FnXdpLoadBytes, abi.FnDynptrFromMem, abi.FnDynptrRead, abi.FnDynptrWrite, abi.FnDynptrData:
			return false
		}
		return true
	})
}

// contents are the elements of a map that programs can look up.
func contents(t *testing.T, m *vm.Map) map[string]string {
	t.Helper()
	out := make(map[string]string)
	s := m.Spec()
	if s.Type != abi.MapHash && s.Type != abi.MapArray {
		return out
	}
	var key []byte
	for {
		next := make([]byte, s.KeySize)
		if err := m.NextKey(key, next); err != nil {
			return out
		}
		value := make([]byte, s.ValueSize)
		if err := m.Lookup(next, value, 0); err == nil {
			out[string(next)] = string(value)
		}
		key = next
	}
}
