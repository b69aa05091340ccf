package kernel

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"

	"github.com/skepdev/skep/engine"
)

// sdtNoteBytes builds a note of a probe.
func sdtNoteBytes(owner string, typ uint32, pc, base, semaphore uint64, text string) []byte {
	le := binary.LittleEndian
	desc := le.AppendUint64(le.AppendUint64(le.AppendUint64(nil, pc), base), semaphore)
	desc = append(desc, text...)
	b := le.AppendUint32(nil, uint32(len(owner)+1))
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, typ)
	pad := func(s []byte) []byte { return append(s, make([]byte, (4-len(s)%4)%4)...) }
	return append(append(b, pad(append([]byte(owner), 0))...), pad(desc)...)
}

func TestParseSDTNotes(t *testing.T) {
	data := append(sdtNoteBytes("GNU", 3, 1, 2, 3, "a\x00b\x00c\x00"),
		sdtNoteBytes("stapsdt", 3, 0x1000, 0x2000, 0x3000, "p\x00n\x008@%rdi\x00")...)
	data = append(data, sdtNoteBytes("stapsdt", 4, 1, 2, 3, "")...)
	notes, err := parseSDTNotes(data, binary.LittleEndian, true)
	if err != nil {
		t.Fatal(err)
	}
	want := sdtNote{pc: 0x1000, base: 0x2000, semaphore: 0x3000, provider: "p", name: "n", args: "8@%rdi"}
	if len(notes) != 1 || notes[0] != want {
		t.Errorf("notes %+v", notes)
	}
	for what, bad := range map[string][]byte{
		"name past the end":        {255, 255, 255, 255, 0, 0, 0, 0, 3, 0, 0, 0},
		"description past the end": {0, 0, 0, 0, 255, 0, 0, 0, 3, 0, 0, 0},
		"no addresses":             {8, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 's', 't', 'a', 'p', 's', 'd', 't', 0, 1, 2, 3, 4},
		"endless string":           sdtNoteBytes("stapsdt", 3, 1, 2, 3, "abc"),
	} {
		if notes, err := parseSDTNotes(bad, binary.LittleEndian, true); err == nil {
			t.Errorf("%s: %+v", what, notes)
		}
	}
}

// TestPrelink: notes keep the addresses from before a file was moved.
func TestPrelink(t *testing.T) {
	f := &elf.File{Progs: []*elf.Prog{
		{ProgHeader: elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, Off: 0x1000, Vaddr: 0x501000, Filesz: 0x1000}},
		{ProgHeader: elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_W, Off: 0x2000, Vaddr: 0x503000, Filesz: 0x100}},
	}}
	n := sdtNote{pc: 0x401010, base: 0x402000, semaphore: 0x403004}
	got, err := n.place(f, 0x502000)
	if err != nil || got.offset != 0x1010 || got.semaphore != 0x2004 {
		t.Errorf("place %+v %v", got, err)
	}
	if _, err := n.place(f, 0x402000); err == nil {
		t.Error("a place outside every segment was found")
	}
	n.semaphore = 0x405000
	if _, err := n.place(f, 0x502000); err == nil {
		t.Error("a semaphore outside every segment was found")
	}
}

func TestUSDTPlaces(t *testing.T) {
	path := filepath.Join("testdata", "target")
	places, err := usdtPlaces(path, "skep", "tick")
	if err != nil || len(places) != 2 || places[0].semaphore == 0 || places[0].semaphore != places[1].semaphore || places[0].offset == places[1].offset {
		t.Errorf("places %+v %v", places, err)
	}
	if _, err := usdtPlaces(path, "skep", "nothing"); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("absent probe: %v", err)
	}
	if _, err := usdtPlaces(filepath.Join("testdata", "Makefile"), "a", "b"); err == nil {
		t.Error("a text file has probes")
	}
}

func FuzzParseSDTNotes(f *testing.F) {
	f.Add(sdtNoteBytes("stapsdt", 3, 1, 2, 3, "a\x00b\x00c\x00"), true)
	f.Add(sdtNoteBytes("stapsdt", 3, 1, 2, 3, "a\x00b\x00c\x00"), false)
	f.Add([]byte{8, 0, 0, 0, 255, 255, 255, 255, 3, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, data []byte, wide bool) {
		notes, err := parseSDTNotes(data, binary.LittleEndian, wide)
		if err == nil && len(notes) > len(data)/12 {
			t.Errorf("%d notes in %d bytes", len(notes), len(data))
		}
	})
}
