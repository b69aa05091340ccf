package check

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// FuzzKernelCalls changes programs that call the small kernel's functions: the
// verifier must come to a verdict, whatever they say.
func FuzzKernelCalls(f *testing.F) {
	w := &kernelWorld{}
	w.kernel, w.prog = smallKernel(f)
	var names []string
	for _, l := range kernelFuncs {
		name, _, _ := strings.Cut(l[strings.Index(l, " ")+1:], "(")
		names = append(names, name)
	}
	files, err := filepath.Glob("testdata/kernel/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		for i, tc := range readCases(f, file) {
			p, _, err := w.program(&tc)
			if err != nil || i%3 != 0 {
				continue
			}
			for j := range p.Instructions {
				if ins := &p.Instructions[j]; ins.IsKfuncCall() {
					for n := range names {
						if names[n] == p.Kfuncs[ins.Imm] {
							ins.Imm = int32(n)
							break
						}
					}
				}
			}
			code, err := isa.Encode(p.Instructions, binary.LittleEndian)
			if err == nil {
				f.Add(code, uint8(p.Flags>>4))
			}
		}
	}
	kfuncs := make(map[int32]string)
	for n, name := range names {
		kfuncs[int32(n)] = name
	}
	f.Fuzz(func(t *testing.T, code []byte, how uint8) {
		insns, err := isa.Decode(code, binary.LittleEndian)
		if err != nil || len(insns) > 200 {
			return
		}
		p := &Program{Name: "fuzz", Type: abi.ProgSchedCLS, License: "GPL", Types: w.prog, Instructions: insns, Kfuncs: kfuncs}
		switch how & 3 {
		case 1:
			p.Type, p.Flags = abi.ProgSyscall, flagSleepable
		case 2:
			p.Type, p.AttachType, p.AttachTo = abi.ProgTracing, abi.AttachTraceIter, "task"
		case 3:
			p.Type, p.AttachTo = abi.ProgStructOps, "bpf_dummy_ops:test_1"
		}
		for _, name := range []string{"shared", "deferred", "resilient"} {
			tc := testCase{setup: []string{"value " + name}}
			q, _, err := w.program(&tc)
			if err != nil {
				t.Fatal(err)
			}
			p.Maps = append(p.Maps, q.Maps...)
		}
		o := Options{KernelTypes: w.kernel, MaxInstructions: 20_000, Timeout: 2 * time.Second}
		if how&4 != 0 {
			o.LogLevel, o.MaxLog = 2, 1<<16
		}
		_, err = Verify(context.Background(), p, o)
		if r, ok := err.(*Rejection); ok && r.Rule == RuleInternal {
			t.Fatalf("%v at %d", r, r.Insn)
		}
	})
}
