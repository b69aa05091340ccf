package object

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skepdev/skep/isa"
)

// TestInstructions: calls, callbacks, maps and source lines of a real object.
func TestInstructions(t *testing.T) {
	spec, err := OpenFile("testdata/calls.bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	code, err := Instructions(spec.Programs["sum_xdp"], spec)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{".data", "sums", ".bss", ".rodata"}, code.Maps); diff != "" {
		t.Errorf("maps (-want +got):\n%s", diff)
	}
	names := make(map[int]string)
	for _, f := range code.Funcs {
		names[f.Slot] = f.Name
		if f.Type == nil || f.Type.Name != f.Name {
			t.Errorf("function %s has type %v", f.Name, f.Type)
		}
	}
	calls := make(map[string]bool)
	for i, ins := range code.Instructions {
		switch {
		case ins.Op == isa.Call && ins.Src == isa.PseudoCall, ins.Op == isa.LdImm64 && ins.Src == isa.PseudoFunc:
			calls[fmt.Sprint(ins.Op == isa.Call, " ", names[i+1+int(ins.Imm)])] = true
		case ins.Op == isa.LdImm64 && (ins.Src == isa.PseudoMapFD || ins.Src == isa.PseudoMapValue):
			t.Errorf("instruction %d still refers to a map by descriptor", i)
		}
	}
	if diff := cmp.Diff(map[string]bool{"false each": true, "true twice": true, "true add": true}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	line := code.Lines[0]
	if !strings.HasSuffix(line.File, "calls.bpf.c") || line.Line == 0 || line.Text == "" {
		t.Errorf("first line %+v", line)
	}
}

// TestEncode compares with asm's own encoder, which works on Linux only, for
// all objects and for what clang does not emit.
func TestEncode(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("asm.Instructions.Marshal refuses helper calls off Linux")
	}
	check := func(t *testing.T, p *ebpf.ProgramSpec, coll *ebpf.CollectionSpec) {
		t.Helper()
		code, err := Instructions(p, coll)
		if err != nil {
			t.Fatal(err)
		}
		got, err := isa.Encode(code.Instructions, binary.NativeEndian)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := p.Copy().Instructions.Marshal(&want, hostOrder()); err != nil {
			t.Fatal(err)
		}
		w := want.Bytes()
		if len(w) != len(got) {
			t.Fatalf("%d bytes, want %d", len(got), len(w))
		}
		for i := 0; i < len(got); i += 8 {
			ins := code.Instructions[i/8]
			if ins.Op == isa.LdImm64 && ins.Src >= isa.PseudoMapIdx || ins.Op == isa.Call && ins.Src == isa.PseudoKfuncCall {
				continue // ours have indices
			}
			if ins.Op == isa.MovX && ins.Off == isa.OffAddrSpaceCast {
				continue // the library forgets that
			}
			if !bytes.Equal(got[i:i+8], w[i:i+8]) {
				t.Errorf("slot %d: %x, want %x", i/8, got[i:i+8], w[i:i+8])
			}
		}
	}
	for name, data := range objects(t) {
		spec, err := openBytes(data, &Options{AllowUnresolved: true})
		if errors.Is(err, ebpf.ErrNotSupported) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		for _, p := range spec.Programs {
			t.Run(name+"/"+p.Name, func(t *testing.T) { check(t, p, spec) })
		}
	}
	t.Run("by hand", func(t *testing.T) {
		check(t, &ebpf.ProgramSpec{Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R1, -9).WithSymbol("main"),
			asm.SDiv.Imm(asm.R1, -3), asm.SMod.Reg32(asm.R1, asm.R2), asm.Div.Imm(asm.R1, 3),
			asm.MovSX8.Reg(asm.R1, asm.R2), asm.MovSX16.Reg32(asm.R1, asm.R2), asm.MovSX32.Reg(asm.R1, asm.R2),
			asm.AddAtomic.Mem(asm.R10, asm.R1, asm.DWord, -8),
			asm.HostTo(asm.BE, asm.R1, asm.Half), asm.BSwap(asm.R1, asm.Word),
			asm.LoadImm(asm.R3, -1<<40, asm.DWord), asm.LoadMemSX(asm.R1, asm.R10, -8, asm.Half),
			asm.JGT.Imm32(asm.R1, 7, "out"), asm.JNE.Reg(asm.R1, asm.R2, "out"), asm.Ja.Label("out"), asm.LongJump("out"),
			asm.Call.Label("other"),
			asm.FnKtimeGetNs.Call(),
			asm.Return().WithSymbol("out"),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("other"), asm.Return(),
		}}, nil)
	})
}

// TestEncodeAtomics: operations made in Go keep their number, which asm's own
// encoder loses (v0.22).
func TestEncodeAtomics(t *testing.T) {
	code, err := Instructions(&ebpf.ProgramSpec{Instructions: asm.Instructions{
		asm.FetchAdd.Mem(asm.R10, asm.R1, asm.DWord, -8),
		asm.Xchg.Mem(asm.R10, asm.R1, asm.Word, -8),
		asm.CmpXchg.Mem(asm.R10, asm.R1, asm.DWord, -8),
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []isa.Instruction{
		{Op: isa.Atomic, Dst: 10, Src: 1, Off: -8, Imm: isa.AtomicAdd | isa.AtomicFetch},
		{Op: isa.Atomic32, Dst: 10, Src: 1, Off: -8, Imm: isa.AtomicXchg},
		{Op: isa.Atomic, Dst: 10, Src: 1, Off: -8, Imm: isa.AtomicCmpXchg},
	}
	if diff := cmp.Diff(want, code.Instructions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInstructionsRefuses(t *testing.T) {
	long := asm.Instructions{asm.Ja.Label("out")}
	for range 40000 {
		long = append(long, asm.Mov.Imm(asm.R0, 0))
	}
	for name, c := range map[string]struct {
		insns asm.Instructions
		want  string
	}{
		"empty":         {nil, "has no instructions"},
		"two symbols":   {asm.Instructions{asm.Return().WithSymbol("a"), asm.Return().WithSymbol("a")}, "symbol a stands there twice"},
		"no function":   {asm.Instructions{asm.Call.Label("gone")}, "calls gone, which the object does not define"},
		"no label":      {asm.Instructions{asm.Ja.Label("gone")}, "refers to gone"},
		"far label":     {append(long, asm.Return().WithSymbol("out")), "does not fit in 16 bits"},
		"descriptor":    {asm.Instructions{asm.LoadMapPtr(asm.R1, 7)}, "by file descriptor 7"},
		"kconfig":       {asm.Instructions{asm.LoadMapValue(asm.R1, 0, 8)}, "open the object with package object"},
		"unknown map":   {asm.Instructions{asm.LoadMapPtr(asm.R1, 0).WithReference("m")}, "map m, which the collection does not have"},
		"register":      {asm.Instructions{asm.Mov.Reg(asm.Register(17), asm.R0)}, "registers 17"},
		"opcode":        {asm.Instructions{{OpCode: asm.InvalidOpCode}}, "does not exist"},
		"constant":      {asm.Instructions{{OpCode: asm.Mov.Op(asm.ImmSource), Constant: 1 << 40}}, "does not fit in 32 bits"},
		"windows":       {asm.Instructions{asm.BuiltinFunc(1<<28 | 1).Call()}, "another operating system"},
		"kfunc number":  {asm.Instructions{{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: 12}}, "by number 12"},
		"signed offset": {asm.Instructions{{OpCode: asm.SDiv.Op(asm.ImmSource), Offset: 3}}, "has offset 3"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Instructions(&ebpf.ProgramSpec{Name: "p", Instructions: c.insns}, &ebpf.CollectionSpec{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "program p") {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// TestRelocate compares with cilium/ebpf's own way of applying relocations,
// against this kernel's types.
func TestRelocate(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("btf.COREFixup.Apply refuses to work off Linux")
	}
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("needs the types of the running kernel: %v", err)
	}
	spec, err := OpenFile("testdata/core.bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range spec.Programs {
		before := fmt.Sprint(p.Instructions)
		got, err := Relocate(p, spec.Types, kernel)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(p.Instructions) != before {
			t.Error("Relocate changed its input")
		}
		var relos []*btf.CORERelocation
		var at []int
		for i := range p.Instructions {
			if r := btf.CORERelocationMetadata(&p.Instructions[i]); r != nil {
				relos, at = append(relos, r), append(at, i)
			}
		}
		fixups, err := btf.CORERelocate(relos, []*btf.Spec{kernel}, hostOrder(), spec.Types.TypeID)
		if err != nil {
			t.Fatal(err)
		}
		wanted := p.Copy().Instructions
		poisoned := make(map[int]bool)
		for i, f := range fixups {
			poisoned[at[i]] = strings.HasSuffix(f.String(), "poison")
			if err := f.Apply(&wanted[at[i]]); err != nil {
				t.Fatal(err)
			}
		}
		pos := 0
		for i, want := range wanted {
			have := got.Instructions[pos]
			pos++
			if !poisoned[i] {
				if have.OpCode != want.OpCode || have.Constant != want.Constant || have.Offset != want.Offset {
					t.Errorf("%s: instruction %d is %v, want %v", name, i, have, want)
				}
				continue
			}
			if !have.IsBuiltinCall() || have.Constant != PoisonedHelper || have.Source() == nil {
				t.Errorf("%s: instruction %d is %v, want it poisoned", name, i, have)
			}
			if want.OpCode.IsDWordLoad() {
				if second := got.Instructions[pos]; second.Constant != PoisonedHelper {
					t.Errorf("%s: the second half of instruction %d is %v", name, i, second)
				}
				pos++
			}
		}
	}
	if _, err := Relocate(spec.Programs["relocated"], spec.Types); err == nil {
		t.Error("relocated without types")
	}
	calls, err := OpenFile("testdata/calls.bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := calls.Programs["sum_tc"]; NeedsTypes(p) {
		t.Error("sum_tc needs no types")
	} else if same, err := Relocate(p, nil); err != nil || same != p {
		t.Errorf("nothing to relocate: %v, %v", same, err)
	}
}

func TestParseFixup(t *testing.T) {
	for s, want := range map[string]fixup{
		"byte_off=8->16":        {kind: "byte_off", local: 8, target: 16},
		"field_exists=1->0":     {kind: "field_exists", local: 1},
		"type_size=poison":      {kind: "type_size", poison: true},
		"enumval_value=1->1<<3": {},
		"nonsense":              {},
		"a=1":                   {},
	} {
		got, err := parseFixup(s)
		if (err == nil) != (want != fixup{}) {
			t.Errorf("%q: %v", s, err)
		}
		if err == nil {
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(fixup{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%q (-want +got):\n%s", s, diff)
			}
		}
	}
}

// TestKernelTakesIt: the kernel loads what Open made of kconfig variables, and
// the program reads them.
func TestKernelTakesIt(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("loading programs into the kernel takes Linux and root")
	}
	spec, err := OpenFile("testdata/kconfig.bpf.o", &Options{Kconfig: userKconfig(), KernelVersion: 0x060c22})
	if err != nil {
		t.Fatal(err)
	}
	coll, err := ebpf.NewCollection(spec)
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("not allowed to load programs: %v", err)
	}
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer coll.Close()
	ret, _, err := coll.Programs["read_kconfig"].Test(make([]byte, 64))
	if err != nil || ret != 7 {
		t.Fatalf("returned %d, %v", ret, err)
	}
	var answer struct {
		Large                               uint64
		Version                             uint32
		Signed                              int32
		Tristate, Absent                    uint32
		Short                               uint16
		Wrapper, Cookie, Boolean, NoBoolean uint8
		Char                                uint8
		String                              [8]byte
		_                                   [1]byte
	}
	v := coll.Variables["answer"]
	raw := make([]byte, v.Size())
	if err := v.Get(raw); err != nil {
		t.Fatal(err)
	}
	if err := binary.Read(bytes.NewReader(raw), binary.NativeEndian, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Large != 0x1122334455667788 || answer.Version != 0x060c22 || answer.Signed != -5 || answer.Tristate != 2 ||
		answer.Short != 100 || answer.Boolean != 1 || answer.Cookie != 1 || answer.Char != 'n' || string(answer.String[:7]) != "abcdefg" {
		t.Errorf("answer %+v", answer)
	}
}

// The distance to a function behind does not spill into the reserved second half.
func TestFunctionAddressBehind(t *testing.T) {
	ins := asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R2, Src: asm.PseudoFunc, Constant: -46}
	got, err := appendSlots(nil, &ins)
	want := []isa.Instruction{{Op: isa.LdImm64, Dst: 2, Src: isa.PseudoFunc, Imm: -46}, {}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}
