package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

func openBytes(data []byte, opts *Options) (*ebpf.CollectionSpec, error) {
	return Open(bytes.NewReader(data), int64(len(data)), opts)
}

func TestOpenSound(t *testing.T) {
	spec, err := openBytes(program().bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := spec.Programs["main"]; p == nil || p.Type != ebpf.XDP || len(p.Instructions) != 2 {
		t.Fatalf("got program %+v", p)
	}
}

// TestOpenOld: compilers before LLVM 7 gave symbols no size.
func TestOpenOld(t *testing.T) {
	def := func(n byte) []byte {
		return append([]byte{2, 0, 0, 0, 4, 0, 0, 0, n, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 4)...)
	}
	e := &testELF{
		sections: []testSection{
			{name: "xdp", kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, data: append(exitProgram(), exitProgram()...)},
			{name: "maps", kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_WRITE, data: append(def(4), def(8)...), algn: 4},
		},
		symbols: []testSymbol{
			{name: "second", info: global(elf.STT_NOTYPE), section: 1, value: 16},
			{name: "first", info: global(elf.STT_NOTYPE), section: 1},
			{name: "b", info: global(elf.STT_NOTYPE), section: 2, value: 24},
			{name: "a", info: global(elf.STT_NOTYPE), section: 2},
		},
	}
	spec, err := openBytes(e.bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range spec.Programs {
		if len(p.Instructions) != 2 {
			t.Errorf("program %s has %d instructions, want 2", name, len(p.Instructions))
		}
	}
	if len(spec.Programs) != 2 || spec.Maps["a"].ValueSize != 4 || spec.Maps["b"].ValueSize != 8 {
		t.Errorf("programs %v, maps %v", spec.Programs, spec.Maps)
	}
}

// TestOpenTypedef: the type of inner maps may be named by a typedef.
func TestOpenTypedef(t *testing.T) {
	spec, err := OpenFile("testdata/mapvalues.bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	outer := spec.Maps["outer"]
	if outer.InnerMap == nil || outer.InnerMap.Type != ebpf.Array || len(outer.Contents) != 1 || outer.Contents[0].Value != "inner" {
		t.Errorf("outer map %+v", outer)
	}
}

// TestOpenRefuses: what is wrong is said, and where, and how to mend it.
func TestOpenRefuses(t *testing.T) {
	huge := uint64(1) << 40
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":            {nil, "the file is empty"},
		"C source":         {[]byte("#include <linux/bpf.h>\nint main(void) {}\n"), "not an ELF object but text; compile C source with clang -target bpf"},
		"bitcode":          {[]byte("BC\xc0\xde\x35\x14"), "LLVM bitcode"},
		"gzip":             {[]byte("\x1f\x8b\x08\x00"), "gzip data; unpack it first"},
		"random":           {[]byte("\x00\x01\x02\x03"), "not an ELF object; compile"},
		"header cut":       {program().bytes()[:40], "reaches to byte 64 of a file of 40; the file is truncated"},
		"half":             {program().bytes()[:200], "the file is truncated"},
		"x86-64":           {(&testELF{machine: elf.EM_X86_64}).bytes(), "the file is for X86_64, not for BPF"},
		"executable":       {(&testELF{kind: elf.ET_EXEC}).bytes(), "of type ET_EXEC, not relocatable"},
		"32 bits":          {spoil(elf.EI_CLASS, 1), "ELFCLASS32"},
		"no byte order":    {spoil(elf.EI_DATA, 9), "unknown byte order 9"},
		"big-endian":       {bigEndian(), "compiled for big-endian machines"},
		"no sections":      {spoil(40, 0, 0, 0, 0, 0, 0, 0, 0), "no sections"},
		"section size":     {with(testSection{name: "x", kind: elf.SHT_PROGBITS, size: huge}), "the file is truncated"},
		"section overflow": {with(testSection{name: "x", kind: elf.SHT_PROGBITS, size: ^uint64(0)}), "the file is truncated"},
		"compressed":       {with(testSection{name: ".rodata", kind: elf.SHT_PROGBITS, flags: elf.SHF_COMPRESSED}), "compressed contents: not supported"},
		"bss":              {with(testSection{name: ".bss", kind: elf.SHT_NOBITS, size: huge}), "global variables reach 1099511627776 bytes, more than the 268435456 allowed; keep large tables in maps"},
		"data and bss": {
			with(testSection{name: ".bss", kind: elf.SHT_NOBITS, size: MaxDataSize}, testSection{name: ".data", kind: elf.SHT_PROGBITS, data: []byte{1}}),
			"more than the 268435456 allowed",
		},
		"variables overlap": {overlappingVariables(), "variables overlap"},
		"maps in bss":       {with(testSection{name: ".maps", kind: elf.SHT_NOBITS, size: 1 << 20}), "has no contents"},
		"maps alignment":    {with(testSection{name: ".maps", kind: elf.SHT_PROGBITS, data: make([]byte, 8), algn: 3}), "alignment 3"},
		"two data sections": {with(testSection{name: ".data", kind: elf.SHT_PROGBITS}, testSection{name: ".data", kind: elf.SHT_PROGBITS}), "stands there twice"},
		"no symbols":        {(&testELF{noSymtab: true, sections: program().sections}).bytes(), "no symbol table"},
		"nothing in it":     {(&testELF{}).bytes(), "no programs and no maps"},
		"odd code":          {withCode(exitProgram()[:12]), "not a multiple"},
		"symbol nowhere":    {withSymbol(testSymbol{name: "x", section: 99}), "stands in section 99"},
		"function too long": {withSymbol(testSymbol{name: "x", info: global(elf.STT_FUNC), section: 1, value: 8, size: 800}), "function x reaches from byte 8 to 808"},
		"functions overlap": {withSymbol(testSymbol{name: "x", info: global(elf.STT_FUNC), section: 1, value: 8, size: 8}), "inside the one before"},
		"relocation symbol": {program().relocate([2]uint64{0, 77}).bytes(), "names symbol 77"},
		"relocation null":   {program().relocate([2]uint64{0, 0}).bytes(), "names symbol 0"},
		"relocation place":  {program().relocate([2]uint64{64, 1}).bytes(), "is for byte 64 of xdp, which has 16"},
		"relocation middle": {program().relocate([2]uint64{3, 1}).bytes(), "in the middle of an instruction"},
		"addends":           {with(testSection{name: ".relaxdp", kind: elf.SHT_RELA, data: make([]byte, 24), info: 1, entsize: 24}), "relocations with addends: not supported"},
		"relocates nothing": {with(testSection{name: ".rel", kind: elf.SHT_REL, info: 99, entsize: relSize}), "relocates section 99"},
		"struct_ops":        {with(testSection{name: ".struct_ops", kind: elf.SHT_PROGBITS, data: make([]byte, 8)}), "struct_ops without a link: not supported"},
		"call growth":       {callGrowth(), "programs reach more than"},
		"BTF garbage":       {with(testSection{name: ".BTF", kind: elf.SHT_PROGBITS, data: make([]byte, 100)}), "section .BTF: malformed types"},
		"BTF depth":         {with(testSection{name: ".BTF", kind: elf.SHT_PROGBITS, data: rawBTF(chain(maxTypeDepth+1), "\x00")}), "refer to each other over"},
		"long names":        {longNames(), "names longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := openBytes(c.data, nil)
			if err == nil {
				t.Fatalf("opened as %+v, want an error with %q", spec, c.want)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T is no *Error", err)
			}
			if strings.Contains(c.want, "not supported") != errors.Is(err, ebpf.ErrNotSupported) {
				t.Fatalf("errors.Is(%v, ErrNotSupported) is wrong", err)
			}
		})
	}
}

func spoil(at int, to ...byte) []byte {
	b := program().bytes()
	copy(b[at:], to)
	return b
}

func bigEndian() []byte {
	b := spoil(elf.EI_DATA, byte(elf.ELFDATA2MSB))
	binary.BigEndian.PutUint16(b[16:], uint16(elf.ET_REL))
	binary.BigEndian.PutUint16(b[18:], uint16(elf.EM_BPF))
	return b
}

func with(s ...testSection) []byte {
	e := program()
	e.sections = append(e.sections, s...)
	return e.bytes()
}

func withCode(code []byte) []byte {
	e := program()
	e.sections[0].data = code
	return e.bytes()
}

func withSymbol(s testSymbol) []byte {
	e := program()
	e.symbols = append(e.symbols, s)
	return e.bytes()
}

// overlappingVariables all cover the same megabyte.
func overlappingVariables() []byte {
	e := program()
	e.sections = append(e.sections, testSection{name: ".bss", kind: elf.SHT_NOBITS, size: 1 << 20})
	for range 300 {
		e.symbols = append(e.symbols, testSymbol{name: "x", info: global(elf.STT_OBJECT), section: 2, size: 1 << 20})
	}
	return e.bytes()
}

// callGrowth has 4096 programs of which each calls the next, in 128 KiB of code:
// linked they would be 32 million instructions.
func callGrowth() []byte {
	const n = 4096
	e := &testELF{}
	var code []byte
	var rels [][2]uint64
	for i := range n {
		code = append(code, 0x85, 1<<4, 0, 0, 0xff, 0xff, 0xff, 0xff)
		code = append(code, exitProgram()...)
		e.symbols = append(e.symbols, testSymbol{name: "f" + string(rune('a'+i%26)) + string(rune('0'+i/26%10)), info: global(elf.STT_FUNC), section: 1, value: uint64(i * 24), size: 24})
		if i+1 < n {
			rels = append(rels, [2]uint64{uint64(i * 24), uint64(i + 2)})
		}
	}
	e.sections = []testSection{{name: "xdp", kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, data: code}}
	return e.relocate(rels...).bytes()
}

// longNames has symbols that share the tail of one long name.
func longNames() []byte {
	e := program()
	e.symbols[0].name = strings.Repeat("n", 1<<20)
	b := e.bytes()
	// Grow the symbol table by symbols with the same name.
	return withManyNames(b)
}

func withManyNames(b []byte) []byte {
	bo := binary.LittleEndian
	heads := bo.Uint64(b[40:])
	for i := range bo.Uint16(b[60:]) {
		h := b[heads+uint64(i)*sectionSize:]
		if elf.SectionType(bo.Uint32(h[4:])) != elf.SHT_SYMTAB {
			continue
		}
		off := bo.Uint64(h[24:])
		one := bytes.Clone(b[off+symbolSize : off+2*symbolSize])
		table := append(make([]byte, symbolSize), bytes.Repeat(one, 100)...)
		bo.PutUint64(h[24:], uint64(len(b)))
		bo.PutUint64(h[32:], uint64(len(table)))
		return append(b, table...)
	}
	panic("no symbol table")
}

func objects(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.bpf.o")
	if err != nil || len(files) == 0 {
		t.Fatalf("objects: %v, %v", files, err)
	}
	out := make(map[string][]byte)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = b
	}
	return out
}

// TestOpenTruncated cuts each object at many places: none may panic, and none
// but the whole may open.
func TestOpenTruncated(t *testing.T) {
	for name, data := range objects(t) {
		for n := 0; n < len(data); n += 61 {
			if _, err := openBytes(data[:n:n], nil); err == nil {
				t.Errorf("%s: the first %d of %d bytes opened", name, n, len(data))
			} else if strings.Contains(err.Error(), "BUG") {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
		}
	}
}

func TestOpenFile(t *testing.T) {
	if _, err := OpenFile("testdata/calls.bpf.o", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile("testdata", nil); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := OpenFile("testdata/none.o", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	spec, err := OpenFile("testdata/arena.bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	v, a := spec.Variables["counter"], spec.Maps["arena"]
	if v == nil || v.SectionName != "arena" || v.Offset != 0 || len(a.Contents) != 1 || len(a.Contents[0].Value.([]byte)) != 4 {
		t.Errorf("a variable in an arena: %+v in %+v", v, a)
	}
}

func TestOpenAnyByteOrder(t *testing.T) {
	if _, err := openBytes(bigEndian(), &Options{AnyByteOrder: true}); err == nil || strings.Contains(err.Error(), "big-endian") {
		t.Errorf("got %v, want an error further on", err)
	}
}
