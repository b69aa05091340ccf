package debuginfo

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// TestInfo asks for what testdata/args.c says.
func TestInfo(t *testing.T) {
	info, err := Open("testdata/args", nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := info.Func("sum")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Params) != 3 || p.Params[0].Name != "n" || p.Params[1].Name != "c" || p.Params[2].Name != "len" {
		t.Fatalf("parameters of sum: %v", p.Params)
	}
	node, ok := p.Params[0].Type.(*btf.Pointer).Target.(*btf.Struct)
	if !ok || node.Name != "node" || node.Size != 32 {
		t.Fatalf("n means %v", p.Params[0].Type)
	}
	if next := node.Members[0].Type.(*btf.Pointer).Target; next != btf.Type(node) {
		t.Errorf("next means %v, not its own struct", next)
	}
	if m := node.Members[3]; m.Name != "rest" || m.Offset != 16*8+3 || m.BitfieldSize != 5 {
		t.Errorf("rest is %+v", m)
	}
	if a := node.Members[5].Type.(*btf.Array); a.Nelems != 2 {
		t.Errorf("a has %d elements", a.Nelems)
	}
	color, err := info.Type("enum", "color")
	if err != nil {
		t.Fatal(err)
	}
	if e := color.(*btf.Enum); !e.Signed || int64(e.Values[0].Value) != -1 || e.Values[1].Value != 7 {
		t.Errorf("color is %+v", e)
	}
	if d, err := info.Type("", "size"); err != nil || d.(*btf.Typedef).Type.(*btf.Int).Size != 8 {
		t.Errorf("size is %v, %v", d, err)
	}
	if _, err := info.Type("struct", "nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a type that is not there: %v", err)
	}
	if _, err := info.Func("nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a function that is not there: %v", err)
	}
}

// TestLine: the line where a function begins is its address.
func TestLine(t *testing.T) {
	info, err := Open("testdata/args", nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open("testdata/args")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	at, err := info.Line("args.c", 14, 0)
	if err != nil || len(at) != 1 {
		t.Fatalf("line 14: %#x, %v", at, err)
	}
	for _, s := range syms {
		if s.Name == "sum" && s.Value != at[0] {
			t.Errorf("sum is at %#x, its first line at %#x", s.Value, at[0])
		}
	}
	if _, err := info.Line("args.c", 1, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("a line without code: %v", err)
	}
}

// TestBroken: what is no debug information is an error.
func TestBroken(t *testing.T) {
	b, err := os.ReadFile("testdata/args")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"cut": b[:len(b)/2], "text": []byte("no ELF file"), "empty": nil} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, nil); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// FuzzInfo: whatever debug information says, reading it ends without a panic.
func FuzzInfo(f *testing.F) {
	b, err := os.ReadFile("testdata/args")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := guard("fuzz", func() error {
			e, err := elf.NewFile(bytes.NewReader(b))
			if err != nil {
				return err
			}
			info, err := read("fuzz", e)
			if err != nil {
				return err
			}
			info.Func("sum")
			info.Func("nothing")
			info.Type("struct", "node")
			info.Line("args.c", 14, 0)
			return nil
		})
		_ = err
	})
}
