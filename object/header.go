package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// readHeader checks that the file is a relocatable ELF64 file for BPF, and says
// what it is otherwise.
func (im *image) readHeader(anyOrder bool) error {
	data := im.data
	if len(data) == 0 {
		return &Error{What: "the file is empty"}
	}
	if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return notELF(data)
	}
	if len(data) < headerSize {
		return truncated("ELF header", headerSize, uint64(len(data)))
	}
	switch elf.Data(data[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		im.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		im.order = binary.BigEndian
	default:
		return malformed("ELF header", fmt.Sprintf("unknown byte order %d", data[elf.EI_DATA]))
	}
	// The machine says more to a user than the class: check it first, at the
	// offset both classes share.
	im.machine = elf.Machine(im.order.Uint16(data[18:]))
	if im.machine != elf.EM_BPF && im.machine != elf.EM_NONE {
		return &Error{
			Where: "ELF header", What: fmt.Sprintf("the file is for %s, not for BPF", machineName(im.machine)),
			Mend: "compile it with clang -target bpf -g -O2 -c",
		}
	}
	if c := elf.Class(data[elf.EI_CLASS]); c != elf.ELFCLASS64 {
		return malformed("ELF header", fmt.Sprintf("%s, while BPF objects are ELFCLASS64", c))
	}
	if t := elf.Type(im.order.Uint16(data[16:])); t != elf.ET_REL {
		return &Error{
			Where: "ELF header", What: fmt.Sprintf("the file is of type %s, not relocatable", t),
			Mend: "use the object that clang -c wrote; join several with skep link",
		}
	}
	if !anyOrder && im.order.Uint16([]byte{1, 0}) != binary.NativeEndian.Uint16([]byte{1, 0}) {
		return wrongOrder(im.order)
	}
	return nil
}

func wrongOrder(order binary.ByteOrder) error {
	if order == binary.BigEndian {
		return &Error{Where: "ELF header", What: "compiled for big-endian machines, and this one is little-endian", Mend: "rebuild with clang -target bpfel"}
	}
	return &Error{Where: "ELF header", What: "compiled for little-endian machines, and this one is big-endian", Mend: "rebuild with clang -target bpfeb"}
}

func machineName(m elf.Machine) string {
	if s := m.String(); !strings.HasPrefix(s, "elf.") {
		return strings.TrimPrefix(s, "EM_")
	}
	return fmt.Sprintf("machine %d", uint16(m))
}

// notELF guesses what somebody took for an object.
func notELF(data []byte) error {
	e := &Error{What: "not an ELF object"}
	head := data[:min(len(data), 512)]
	switch {
	case bytes.HasPrefix(head, []byte("BC\xc0\xde")):
		e.What += " but LLVM bitcode"
		e.Mend = "finish it with llc -march=bpf -filetype=obj, or compile without -emit-llvm"
	case bytes.HasPrefix(head, []byte{0x9f, 0xeb}) || bytes.HasPrefix(head, []byte{0xeb, 0x9f}):
		e.What += " but BTF types"
		e.Mend = "give the program's object here and the types as the types to relocate against"
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		e.What += " but gzip data"
		e.Mend = "unpack it first"
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		e.What += " but zstd data"
		e.Mend = "unpack it first"
	case looksLikeText(head):
		e.What += " but text"
		e.Mend = "compile C source with clang -target bpf -g -O2 -c"
	default:
		e.Mend = "compile C source with clang -target bpf -g -O2 -c"
	}
	return e
}

func looksLikeText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return len(b) < utf8.UTFMax // a rune cut in half at the end
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
		b = b[n:]
	}
	return true
}
