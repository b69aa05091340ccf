package corpus

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/verifier"
)

// TestSpectre: where the kernel masks sums and puts in barriers for a user
// without CAP_PERFMON, so it is reported.
func TestSpectre(t *testing.T) {
	if b, err := os.ReadFile("/proc/cmdline"); err == nil && strings.Contains(string(b), "mitigations=off") {
		t.Skip("the kernel runs without mitigations (mitigations=off)")
	}
	lookup := asm.Instructions{ // its key is the first that is stored there: a barrier
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, 0).WithReference("array"),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
	}
	out := asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return()}
	for _, c := range []struct {
		name           string
		code           asm.Instructions
		masked, fenced int
	}{
		{"nothing", asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}, 0, 0},
		{"variable", slices.Concat(lookup, asm.Instructions{
			asm.LoadMem(asm.R1, asm.R6, 0, asm.Word), asm.And.Imm(asm.R1, 31), asm.Add.Reg(asm.R0, asm.R1), asm.LoadMem(asm.R0, asm.R0, 0, asm.Byte),
		}, out), 1, 1},
		{"constant in a register", slices.Concat(lookup, asm.Instructions{
			asm.Mov.Imm(asm.R1, 8), asm.Add.Reg(asm.R0, asm.R1), asm.LoadMem(asm.R0, asm.R0, 0, asm.Byte),
		}, out), 1, 1},
		{"constant", slices.Concat(lookup, asm.Instructions{
			asm.Add.Imm(asm.R0, 8), asm.LoadMem(asm.R0, asm.R0, 0, asm.Byte),
		}, out), 0, 1},
		{"numbers", asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), asm.Mov.Imm(asm.R0, 1), asm.Add.Reg(asm.R0, asm.R2), asm.Mov.Imm(asm.R0, 0), asm.Return(),
		}, 0, 0},
		{"spilled pointer", asm.Instructions{
			asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord), asm.LoadMem(asm.R1, asm.RFP, -8, asm.DWord), asm.LoadMem(asm.R0, asm.R1, 0, asm.Word), asm.Return(),
		}, 0, 1},
		{"number over data", asm.Instructions{
			asm.Mov.Imm(asm.R0, 1), asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord), asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord), asm.Return(),
		}, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			coll := &ebpf.CollectionSpec{
				Maps: map[string]*ebpf.MapSpec{"array": {Name: "array", Type: ebpf.Array, KeySize: 4, ValueSize: 64, MaxEntries: 1}},
				Programs: map[string]*ebpf.ProgramSpec{
					"spectre": {Name: "spectre", Type: ebpf.SocketFilter, License: "GPL", Instructions: c.code},
				},
			}
			p, err := verifier.FromSpec(coll, "spectre", nil)
			if err != nil {
				t.Fatal(err)
			}
			rep, err := verifier.Verify(t.Context(), p, verifier.Options{Privilege: verifier.NoPerfmon})
			if err != nil {
				t.Fatalf("%v\n%s", err, rep.Log)
			}
			if len(rep.Masked) != c.masked || len(rep.Fenced) != c.fenced {
				t.Errorf("masked at %v, barriers at %v; want %d and %d", rep.Masked, rep.Fenced, c.masked, c.fenced)
			}
			masked, fenced := hardenedByKernel(t, coll)
			if len(rep.Masked) != masked || len(rep.Fenced) != fenced {
				t.Errorf("masked at %v, barriers at %v; the kernel has %d and %d", rep.Masked, rep.Fenced, masked, fenced)
			}
			rep, err = verifier.Verify(t.Context(), p, verifier.Options{})
			if err != nil || len(rep.Masked)+len(rep.Fenced) > 0 {
				t.Errorf("privileged: masked at %v, barriers at %v (%v)", rep.Masked, rep.Fenced, err)
			}
		})
	}
}

// hardenedByKernel loads the program without CAP_PERFMON and counts what the
// kernel put in: each mask begins by moving its limit into r11 (BPF_REG_AX),
// a barrier is an instruction of its own (BPF_ST|BPF_NOSPEC).
func hardenedByKernel(t *testing.T, coll *ebpf.CollectionSpec) (masks, barriers int) {
	t.Helper()
	const (
		loadLimit = 0xb4 // w = imm
		scratch   = 11
		nospec    = 0xc2
	)
	if os.Geteuid() != 0 {
		t.Skip("loading programs needs root")
	}
	var live *ebpf.Collection
	var loadErr error
	if err := WithoutPrivileges([]string{"CAP_BPF", "CAP_NET_ADMIN"}, func() { live, loadErr = ebpf.NewCollection(coll.Copy()) }); err != nil {
		t.Fatal(err)
	}
	if errors.Is(loadErr, unix.EPERM) {
		t.Skipf("the kernel lets nobody load programs here: %v", loadErr)
	}
	if loadErr != nil {
		t.Fatal(loadErr)
	}
	defer live.Close()
	info, err := live.Programs["spectre"].Info()
	if err != nil {
		t.Fatal(err)
	}
	code, err := info.Instructions()
	if err != nil {
		t.Fatal(err)
	}
	for _, ins := range code {
		switch {
		case uint8(ins.OpCode) == loadLimit && ins.Dst == scratch:
			masks++
		case uint8(ins.OpCode) == nospec:
			barriers++
		}
	}
	return masks, barriers
}
