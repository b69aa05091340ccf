package corpus

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// needBPF skips unless programs can be loaded.
func needBPF(t *testing.T) {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Skipf("needs root on Linux: %v", err)
	}
	p.Close()
}

// TestKernel asks the running kernel about programs whose verdicts are known.
func TestKernel(t *testing.T) {
	needBPF(t)
	rep, err := Run(t.Context(), []string{"testdata/expect.bpf.o", "testdata/plain.bpf.o"}, Options{Judges: []Named{{KernelName, Kernel}}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"expect/checked": true, "expect/other_words": false, "expect/silent": true, "expect/two_modes": true,
		"expect/unchecked": false, "expect/unchecked_regex": false, "expect/wrong": true, "plain/good": true, "plain/bad": false,
	}
	for i := range rep.Results {
		res := &rep.Results[i]
		v := &res.Verdicts[0]
		name := res.Case.Name()
		if name == "expect/elsewhere" || name == "expect/two_modes@unpriv" {
			continue
		}
		accepted, ok := v.Says()
		if !ok || accepted != want[name] {
			t.Errorf("%s: %s", name, v)
		}
		if v.Stats.Insns == 0 || v.Stats.Time == 0 {
			t.Errorf("%s: no statistics in %q", name, v.Log)
		}
		if !accepted && !strings.Contains(v.Log, "R0 invalid mem access 'map_value_or_null'") {
			t.Errorf("%s: log %q", name, v.Log)
		}
		delete(want, name)
	}
	if len(want) != 0 {
		t.Errorf("not judged: %v", want)
	}
	a := rep.Agreements()[0]
	if a.Success != (Count{3, 3}) || a.Failure != (Count{4, 3}) || a.Messages != (Count{3, 2}) {
		t.Errorf("%+v", a)
	}
}

// TestKernelUnprivileged: without the leave of the machine there is no verdict,
// and privileges are back afterwards.
func TestKernelUnprivileged(t *testing.T) {
	needBPF(t)
	o, err := Open("testdata/expect.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range o.Cases {
		if c.Mode != Unprivileged {
			continue
		}
		v := Kernel(t.Context(), c, o.Pick(c), c.Program)
		if accepted, ok := v.Says(); ok && accepted != c.Success || !ok && !strings.Contains(v.NotSupported, "unprivileged_bpf_disabled") {
			t.Errorf("%s: %s", c.Name(), &v)
		}
		// With CAP_BPF kept the load is allowed whatever the machine says, and the
		// pointer stays forbidden to none.
		c.Caps = []string{"CAP_BPF"}
		if v := Kernel(t.Context(), c, o.Pick(c), c.Program); !v.Accepted {
			t.Errorf("%s with CAP_BPF: %s", c.Name(), &v)
		}
	}
	needBPF(t)
}

// TestBeyondTheLibrary: what cilium/ebpf would hand to the kernel in another form is
// not asked about.
func TestBeyondTheLibrary(t *testing.T) {
	cast := asm.Mov.Reg(asm.R1, asm.R2)
	if castsArena(asm.Instructions{cast}) {
		t.Error("a move is taken for a cast")
	}
	cast.Offset = 1
	if !castsArena(asm.Instructions{cast}) {
		t.Error("a cast is not seen")
	}
	root := func(tags ...string) *ebpf.CollectionSpec {
		v := &btf.Var{Name: "root", Type: &btf.Int{Size: 4}, Tags: tags}
		ds := &btf.Datasec{Name: ".data.A", Size: 4, Vars: []btf.VarSecinfo{{Type: v, Size: 4}}}
		return &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{".data.A": {Value: ds}}}
	}
	if holdsGraphs(root("other")) || !holdsGraphs(root("contains:node_data:node")) {
		t.Error("roots in global data are not told from others")
	}
	member := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{"m": {Value: &btf.Struct{Name: "v", Size: 16, Members: []btf.Member{{Name: "l", Type: &btf.Int{Size: 4}, Tags: []string{"contains:x:y"}}}}}}}
	if !holdsGraphs(member) {
		t.Error("a root in a map's value is not seen")
	}
}
