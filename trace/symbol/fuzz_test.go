package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"testing"
)

func tiny(f *testing.F) []byte {
	f.Helper()
	b, err := os.ReadFile("testdata/tiny") // made from tiny.c
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// FuzzImage: whatever a file holds, reading its names and lines ends, and what
// is found lies in it.
func FuzzImage(f *testing.F) {
	f.Add(tiny(f), uint64(0x401000))
	f.Add([]byte("\x7fELF\x02\x01\x01"), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, addr uint64) {
		img, err := newImage("fuzz", bytes.NewReader(b))
		if err != nil {
			return
		}
		fl := &file{path: "/fuzz", img: img, opt: Options{DebugDirs: []string{"/nonexistent"}}}
		if fs := fl.frames(addr, true); len(fs) == 0 {
			t.Fatal("no frame")
		}
		img.vaddr(addr)
		fl.bytes()
		if len(fl.names.syms) > len(b)+len(fl.names.blob) {
			t.Fatalf("%d functions in %d bytes", len(fl.names.syms), len(b))
		}
	})
}

// FuzzSections: the parsers of single sections, without an ELF file around them.
func FuzzSections(f *testing.F) {
	seed := make([]byte, 8, 200)
	binary.LittleEndian.PutUint32(seed, goMagic120)
	seed[6], seed[7] = 1, 8
	for _, v := range []uint64{1, 1, 0x1000, 72, 80, 88, 96, 104} {
		seed = binary.LittleEndian.AppendUint64(seed, v)
	}
	seed = append(seed, "f\x00......\x00\x00\x00\x00\x00\x00\x00\x00a.go\x00...\x02\x10\x02\x10\x00..."...)
	seed = append(seed, make([]byte, 64)...)
	f.Add(seed, uint64(0x1008))
	f.Add([]byte("\xfd7zXZ\x00\x00\x04........\x02\x00\x21\x01\x16"), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, addr uint64) {
		if g, err := newGoTable(b, binary.LittleEndian, 0x1000); err == nil {
			var tab table
			g.functions(&tab)
			tab.finish()
			if uint64(len(tab.syms)) > g.count {
				t.Fatalf("%d functions of %d", len(tab.syms), g.count)
			}
			if name, start, ok := tab.find(addr); ok && (name == "" || start > addr) {
				t.Fatalf("%q at %#x for %#x", name, start, addr)
			}
			if _, n := g.line(addr); n < 0 {
				t.Fatalf("line %d", n)
			}
		}
		xzDictionary(b)
		kernelLine(b)
		jit := parseJITMap(bytes.NewReader(b))
		if name, start, ok := jit.find(addr); ok && (name == "" || start > addr) {
			t.Fatalf("%q at %#x for %#x", name, start, addr)
		}
	})
}

// FuzzDWARF puts arbitrary bytes into the sections that hold DWARF.
func FuzzDWARF(f *testing.F) {
	b := tiny(f)
	img, err := newImage("tiny", bytes.NewReader(b))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{".debug_info", ".debug_line", ".debug_abbrev"} {
		s := img.Section(name)
		if s == nil || s.Flags&elf.SHF_COMPRESSED != 0 {
			f.Fatal("tiny has no plain", name)
		}
		for _, at := range []uint16{0, 4, 12} {
			f.Add(name, at, []byte{0xff})
		}
	}
	f.Fuzz(func(t *testing.T, name string, at uint16, change []byte) {
		s := img.Section(name)
		if s == nil || uint64(at)+uint64(len(change)) > s.FileSize {
			return
		}
		broken := bytes.Clone(b)
		copy(broken[s.Offset+uint64(at):], change)
		img, err := newImage("broken", bytes.NewReader(broken))
		if err != nil {
			return
		}
		l, err := img.dwarfLines()
		if err != nil {
			return
		}
		for a := uint64(0x401000); a < 0x401040; a += 4 {
			l.find(a)
		}
	})
}
