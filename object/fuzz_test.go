package object

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzOpen: whatever the bytes, an object opens or is refused with an error
// that is not our fault, and what opens can be encoded or is refused.
func FuzzOpen(f *testing.F) {
	for _, data := range objects(f) {
		f.Add(data)
	}
	f.Add(program().bytes())
	f.Add(program().relocate([2]uint64{0, 1}).bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := openBytes(data, &Options{AllowUnresolved: true})
		if err != nil {
			if strings.Contains(err.Error(), "BUG") {
				t.Fatal(err)
			}
			return
		}
		for _, p := range spec.Programs {
			if len(p.Instructions) == 0 {
				t.Fatalf("program %s is empty", p.Name)
			}
			if c, err := Instructions(p, spec); err == nil && len(c.Instructions) == 0 {
				t.Fatalf("program %s has no code", p.Name)
			}
		}
	})
}

// FuzzReadTypes: as FuzzOpen for files of types.
func FuzzReadTypes(f *testing.F) {
	f.Add(rawBTF(append(chain(3), record(1, 1<<24, 4, 32)...), "\x00int\x00"))
	f.Add(rawBTF(record(1, kindStruct|1, 4, 1, 1, 0), "\x00s\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := ReadTypes(bytes.NewReader(data))
		if err != nil {
			if strings.Contains(err.Error(), "BUG") {
				t.Fatal(err)
			}
			return
		}
		for range spec.All() {
		}
	})
}

// FuzzParseKconfig must neither panic nor hang.
func FuzzParseKconfig(f *testing.F) {
	f.Add([]byte("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x y\"\nCONFIG_D=0x10\n"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := ParseKconfig(bytes.NewReader(data))
		if err == nil && config == nil {
			t.Fatal("neither a configuration nor an error")
		}
	})
}
