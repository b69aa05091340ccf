package embedded_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
)

func storyObject(t *testing.T, name string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := object.OpenFile("../engine/enginetest/testdata/"+name+".bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// TestVerify: what Linux would refuse is refused with the place and why, or runs
// with its accesses compared, as asked.
func TestVerify(t *testing.T) {
	spec := func() *ebpf.CollectionSpec { return storyObject(t, "bad") }
	strict := newEngine(t, embedded.Config{})
	s := spec()
	for name := range s.Programs {
		if name != "null_pointer" {
			delete(s.Programs, name)
		}
	}
	_, err := strict.Load(context.Background(), s, nil)
	var ve *engine.VerifierError
	switch {
	case !errors.As(err, &ve) || !errors.Is(err, syscall.EACCES):
		t.Fatalf("got %v, want a refusal with EACCES", err)
	case !strings.Contains(ve.Reason, "may be NULL") || ve.Source.Line == 0 || ve.Instruction < 0 || len(ve.Log) < 5:
		t.Errorf("refusal %+v", ve)
	}
	lenient := newEngine(t, embedded.Config{Verify: embedded.VerifyLenient})
	none := newEngine(t, embedded.Config{Verify: embedded.VerifyNone})
	for name, eng := range map[string]*embedded.Engine{"lenient": lenient, "none": none} {
		p, err := load(t, eng, s, nil).Program("null_pointer")
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Run(&engine.RunInput{Data: frame(1)})
		var fault *engine.FaultError
		if !errors.As(err, &fault) {
			t.Errorf("%s: got %v, want a fault", name, err)
		}
	}
}

// constantSpec is a program that takes an element of a value as far as a
// constant says.
func constantSpec(limit uint32) *ebpf.CollectionSpec {
	b := make([]byte, 4)
	binary.NativeEndian.PutUint32(b, limit)
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			".rodata": {Name: ".rodata", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1, Flags: 0x480, Contents: []ebpf.MapKV{{Key: uint32(0), Value: b}}},
			"values":  {Name: "values", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
		},
		Programs: map[string]*ebpf.ProgramSpec{"main": assemble(ebpf.XDP,
			asm.LoadMem(asm.R6, asm.R1, 16, asm.Word), // rx_queue_index
			asm.LoadMapValue(asm.R1, 0, 0).WithReference(".rodata"),
			asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
			asm.LoadMapValue(asm.R2, 0, 0).WithReference("values"),
			asm.Mov.Imm(asm.R0, 0),
			asm.JGE.Reg(asm.R6, asm.R7, "out"),
			asm.Add.Reg(asm.R2, asm.R6),
			asm.LoadMem(asm.R0, asm.R2, 0, asm.Byte),
			asm.Return().WithSymbol("out"),
		)},
	}
}

// TestVerifyConstants: constants bound accesses only where they are this
// program's own and cannot change.
func TestVerifyConstants(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	load(t, eng, constantSpec(8), nil)
	if _, err := eng.Load(context.Background(), constantSpec(9), nil); !errors.Is(err, engine.ErrRejected) {
		t.Errorf("a constant of 9 for a value of 8 bytes: got %v, want a refusal", err)
	}
	// The same with a map that is given and can be changed.
	given, err := eng.NewMap(&ebpf.MapSpec{Name: "given", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1, Flags: 0x480})
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	_, err = eng.Load(context.Background(), constantSpec(8), &engine.LoadOptions{Maps: map[string]engine.Map{".rodata": given}})
	if !errors.Is(err, engine.ErrRejected) {
		t.Errorf("a map that can change as a bound: got %v, want a refusal", err)
	}
}

// TestVerifiedNative: what is proved is not compared again.
func TestVerifiedNative(t *testing.T) {
	size := func(v embedded.Verification) int {
		p, err := load(t, newEngine(t, embedded.Config{Verify: v}), storyObject(t, "xdp"), nil).Program("encapsulate")
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := p.(engine.Compiled).NativeCode("amd64")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, piece := range pieces {
			n += len(piece.Bytes)
		}
		return n
	}
	strict, none := size(embedded.VerifyStrict), size(embedded.VerifyNone)
	if strict >= none {
		t.Errorf("%d bytes of code verified, %d not", strict, none)
	}
}

// TestExceptionCallback: a program whose exceptions a function of its own is to
// answer is refused, not run without it.
func TestExceptionCallback(t *testing.T) {
	eng := newEngine(t, embedded.Config{Verify: embedded.VerifyLenient})
	spec := assemble(ebpf.XDP, asm.Mov.Imm(asm.R0, 2), asm.Return())
	proto := &btf.FuncProto{Return: &btf.Int{Name: "int", Size: 4}}
	spec.Instructions[0] = btf.WithFuncMetadata(spec.Instructions[0].WithSymbol("main"), &btf.Func{
		Name: "main", Type: proto, Linkage: btf.GlobalFunc, Tags: []string{"exception_callback:mend"},
	})
	_, err := eng.Load(context.Background(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"main": spec}}, nil)
	if !errors.Is(err, engine.ErrNotSupported) || !strings.Contains(err.Error(), "mend") {
		t.Errorf("got %v, want not supported, with the function's name", err)
	}
}
