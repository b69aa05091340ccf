package unwind

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// A function's rows, written by hand: what each call frame instruction does.
func TestMachine(t *testing.T) {
	start := []byte{cfaDefCFA, regSP, 8, cfaOffset<<6 | regIP, 1}
	for _, c := range []struct {
		name    string
		program []byte
		want    []Row // by address from 0x1000 on
	}{
		{"leaf", nil, []Row{{PC: 0, Kind: KindSP, Offset: 1}}},
		{
			"push",
			[]byte{cfaAdvanceLoc<<6 | 1, cfaDefCFAOffset, 16, cfaOffset<<6 | regFP, 2, cfaAdvanceLoc<<6 | 3, cfaDefCFARegister, regFP},
			[]Row{{PC: 0, Kind: KindSP, Offset: 1}, {PC: 1, Kind: KindSP, Offset: 2, FP: -2}, {PC: 4, Kind: KindFP, Offset: 2, FP: -2}},
		},
		{
			"remember",
			[]byte{cfaAdvanceLoc1, 2, cfaRememberState, cfaDefCFAOffset, 32, cfaAdvanceLoc2, 4, 0, cfaRestoreState},
			[]Row{{PC: 0, Kind: KindSP, Offset: 1}, {PC: 2, Kind: KindSP, Offset: 4}, {PC: 6, Kind: KindSP, Offset: 1}},
		},
		{"outermost", []byte{cfaUndefined, regIP}, []Row{{PC: 0, Kind: KindEnd}}},
		{
			"realigned",
			[]byte{cfaAdvanceLoc<<6 | 4, cfaDefCFAExpression, 3, 0x76, 0x78, 0x06, cfaExpression, regFP, 2, 0x76, 0},
			[]Row{{PC: 0, Kind: KindSP, Offset: 1}, {PC: 4, Kind: KindDeref, Offset: 1, FP: FPAtFP}},
		},
		{"stub", []byte{cfaDefCFAExpression, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22}, []Row{{PC: 0, Kind: KindPLT, Offset: 11}}},
		{"other register", []byte{cfaDefCFA, 10, 0}, []Row{{PC: 0, Kind: KindUnsupported}}},
		{"same value", []byte{cfaOffset<<6 | regFP, 2, cfaAdvanceLoc<<6 | 1, cfaSameValue, regFP}, []Row{{PC: 0, Kind: KindSP, Offset: 1, FP: -2}, {PC: 1, Kind: KindSP, Offset: 1}}},
		{"restore", []byte{cfaOffset<<6 | regFP, 2, cfaAdvanceLoc<<6 | 1, cfaRestore<<6 | regFP}, []Row{{PC: 0, Kind: KindSP, Offset: 1, FP: -2}, {PC: 1, Kind: KindSP, Offset: 1}}},
		{"broken", []byte{cfaAdvanceLoc<<6 | 2, 0x3f}, []Row{{PC: 0, Kind: KindSP, Offset: 1}, {PC: 2, Kind: KindUnsupported}}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			b := &builder{base: 0x1000}
			common := &cie{codeAlign: 1, dataAlign: -8, ra: regIP, program: start}
			fde := &cursor{b: append([]byte{0, 0x10, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0}, c.program...)}
			if err := readFDE(fde, common, 0, b); err != nil {
				t.Fatal(err)
			}
			want := append(c.want, Row{PC: 0x20})
			got := b.table().Rows
			if len(got) != len(want) {
				t.Fatalf("got %v, want %v", got, want)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("row %d: got %v, want %v", i, got[i], want[i])
				}
			}
		})
	}
}

// Our rows say what readelf says of the same binary: the CFA of every place it
// lists, of this machine's C library.
func TestAgreesWithReadelf(t *testing.T) {
	path := "/lib/x86_64-linux-gnu/libc.so.6"
	if _, err := exec.LookPath("readelf"); err != nil {
		t.Skip("needs readelf")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Skip("needs", path)
	}
	defer f.Close()
	tab, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	// Not the separate debug file, which may be there or not.
	out, err := exec.Command("readelf", "--debug-dump=frames-interp", "--debug-dump=no-follow-links", path).Output()
	if err != nil {
		t.Fatal("readelf: ", err)
	}
	places, wrong := 0, 0
	for line := range strings.Lines(string(out)) {
		// 0000000000026000 rsp+16   u     c-16  c-8
		fields := strings.Fields(line)
		if len(fields) < 3 || len(fields[0]) != 16 {
			continue
		}
		addr, err := strconv.ParseUint(fields[0], 16, 64)
		reg, off, ok := strings.Cut(fields[1], "+")
		// Rows of a CIE, which is about no place, stand at 0.
		if err != nil || !ok || addr == 0 || (reg != "rsp" && reg != "rbp") {
			continue
		}
		n, err := strconv.Atoi(off)
		if err != nil || n%8 != 0 || fields[len(fields)-1] == "u" {
			continue
		}
		places++
		kind := map[string]Kind{"rsp": KindSP, "rbp": KindFP}[reg]
		r, ok := tab.Find(addr)
		if r.Kind == KindSignal {
			continue
		}
		if !ok || r.Kind != kind || int(r.Offset)*8 != n {
			if wrong++; wrong < 10 {
				t.Errorf("%#x: readelf says %s, the row is %+v", addr, fields[1], r)
			}
		}
	}
	if places < 1000 {
		t.Errorf("only %d places compared", places)
	}
	t.Logf("%d places compared, %d rows", places, len(tab.Rows))
}

// Each place of a Go binary's own functions has a row that finds the caller.
func TestGoTable(t *testing.T) {
	if runtime.GOARCH != "amd64" || runtime.GOOS != "linux" {
		t.Skip("needs linux on amd64: the test binary is what is read")
	}
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tab, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[Kind]int{}
	for _, r := range tab.Rows {
		kinds[r.Kind]++
	}
	if kinds[KindSP] < 1000 || kinds[KindEnd] == 0 || kinds[KindUnsupported] > len(tab.Rows)/100 {
		t.Errorf("rows by kind: %v", kinds)
	}
}

func TestBias(t *testing.T) {
	tab := &Table{Base: 0x400000}
	segs := []elf.ProgHeader{
		{Type: elf.PT_LOAD, Flags: elf.PF_R, Off: 0, Vaddr: 0x400000, Filesz: 0x1000},
		{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, Off: 0x1234, Vaddr: 0x402234, Filesz: 0x5000},
	}
	// Mapped at 0x7f0000001000 from the page that holds offset 0x1234.
	bias, ok := tab.Bias(segs, 0x7f0000001000, 0x1000)
	if want := uint64(0x7f0000001234 - 0x2234); !ok || bias != want {
		t.Errorf("bias %#x, want %#x", bias, want)
	}
	if _, ok := tab.Bias(segs, 0, 0x100000); ok {
		t.Error("an offset outside of the segments has a bias")
	}
}

func TestReadRefuses(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("no ELF"), bytes.Repeat([]byte{0x7f, 'E', 'L', 'F'}, 100)} {
		if _, err := Read(bytes.NewReader(b)); err == nil {
			t.Errorf("%.10q was read", b)
		}
	}
}

// sorted checks what the kernel's binary search needs.
func sorted(t *testing.T, rows []Row) {
	t.Helper()
	for i := 1; i < len(rows); i++ {
		if rows[i].PC <= rows[i-1].PC {
			t.Fatalf("rows %d and %d: %v, %v", i-1, i, rows[i-1], rows[i])
		}
	}
}

func FuzzEHFrame(f *testing.F) {
	seed, err := os.ReadFile(filepath.Join("testdata", "tiny.eh_frame")) // of the C program there
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, uint64(0x2000))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, addr uint64) {
		out := &builder{base: 0x1000}
		_ = readEHFrame(b, addr, out)
		rows := out.table().Rows
		sorted(t, rows)
		if len(rows) > 64*len(b)+2 {
			t.Fatalf("%d rows of %d bytes", len(rows), len(b))
		}
	})
}

func FuzzGoTable(f *testing.F) {
	seed := []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}
	for _, v := range []byte{1, 0, 0, 72, 72, 72, 72, 80} {
		seed = append(seed, v, 0, 0, 0, 0, 0, 0, 0)
	}
	seed = append(seed, 2, 0x10, 0x10, 0x20, 0, 0, 0, 0)                  // values at 72
	seed = append(seed, 0, 0, 0, 0, 12, 0, 0, 0, 0x40, 0, 0, 0)           // functions at 80
	seed = append(seed, append(make([]byte, 16), make([]byte, 40)...)...) // a description
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		out := &builder{base: 0x1000}
		if readGoTable(b, 0x1000, out) == nil {
			sorted(t, out.table().Rows)
		}
	})
}

func FuzzRead(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("..", "symbol", "testdata", "tiny"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if tab, err := Read(bytes.NewReader(b)); err == nil {
			sorted(t, tab.Rows)
		}
		_, _ = Segments(bytes.NewReader(b))
	})
}
