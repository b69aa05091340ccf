package inspect_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/inspect"
	"github.com/skepdev/skep/object"
)

// Whatever an object holds, looking at it ends without a panic.
func FuzzInspect(f *testing.F) {
	files, err := filepath.Glob("testdata/*.o")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const tooLarge = 1 << 20
		if len(data) > tooLarge {
			return
		}
		spec, err := object.Open(bytes.NewReader(data), int64(len(data)), &object.Options{AllowUnresolved: true, AnyByteOrder: true})
		if err != nil {
			return
		}
		look(t, spec)
	})
}

// Whatever the instructions are, too.
func FuzzCode(f *testing.F) {
	f.Add([]byte("\xb7\x00\x00\x00\x00\x00\x00\x00\x95\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x15\x01\xff\xff\x05\x00\x00\x00\x95\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x18\x01\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\xfe\xff\x00\x00\x00\x00"))
	f.Add([]byte("\x85\x10\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const tooLarge = 1 << 14
		if len(data) > tooLarge {
			return
		}
		insns, err := asm.AppendInstructions(nil, bytes.NewReader(data), binary.LittleEndian, "linux")
		if err != nil {
			return
		}
		look(t, &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": {Name: "p", Type: ebpf.XDP, Instructions: insns}}})
	})
}

// look does all that the package can do with a collection.
func look(t *testing.T, spec *ebpf.CollectionSpec) {
	t.Helper()
	if _, err := json.Marshal(inspect.Describe(spec)); err != nil {
		t.Error(err)
	}
	for name := range spec.Programs {
		if l, err := inspect.List(spec, name); err == nil {
			if err := l.WriteText(io.Discard, inspect.TextOptions{Opcodes: true}); err != nil {
				t.Error(err)
			}
		}
		if g, err := inspect.Flow(spec, name); err == nil {
			_ = g.SVG(io.Discard) // may be too large
			if err := g.DOT(io.Discard); err != nil {
				t.Error(err)
			}
		}
	}
}
