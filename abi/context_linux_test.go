package abi_test

import (
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
)

// The running kernel must allow the accesses to contexts that the tables allow,
// and no others, at the start of every field and of every array element.
func TestKernelAllowsTheAccesses(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to ask the verifier")
	}
	needLinux618(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64, the machine of the register tables asked about")
	}
	for _, c := range contextCases {
		s := abi.ContextOf(c.typ, c.attach, runtime.GOARCH)
		for _, f := range s.Fields {
			for off := f.Offset; off < f.Offset+f.Size; off += f.Size / f.Count {
				for _, width := range []int{1, 2, 4, 8} {
					compareAccess(t, c.typ, c.attach, s, f, off, width)
				}
			}
		}
	}
}

func compareAccess(t *testing.T, typ abi.ProgramType, attach abi.AttachType, s *abi.Struct, f abi.Field, off uint32, width int) {
	t.Helper()
	a := loadAttr{progType: uint32(typ), attach: uint32(attach)}
	// A wide access may reach over the end of a field only at its start.
	fits := off%uint32(width) == 0 && (off == f.Offset || off+uint32(width) <= f.Offset+f.Size)
	if typ == abi.ProgXDP && attach == abi.AttachXDP {
		a.attach = 0
	}
	allowed := func(code []byte) bool {
		log := load(t, a, code, "GPL")
		return !strings.Contains(log, "invalid bpf_context access") && !strings.Contains(log, "misaligned")
	}
	if got, want := f.Load.Has(width) && fits, allowed(loadProgram(off, width)); got != want && !overlaps(s, f) {
		t.Errorf("%v, %v: %s.%s: %d-byte load at %d: %v here, %v in the kernel", typ, attach, s.Name, f.Name, width, off, got, want)
	}
	if got, want := f.Store.Has(width) && fits, allowed(storeProgram(off, width)); got != want && !overlaps(s, f) {
		t.Errorf("%v, %v: %s.%s: %d-byte store at %d: %v here, %v in the kernel", typ, attach, s.Name, f.Name, width, off, got, want)
	}
}

// overlaps reports members of a union that grant less than another member.
func overlaps(s *abi.Struct, f abi.Field) bool {
	return s.Name == "bpf_sock_ops" && (f.Name == "args" || f.Name == "replylong")
}

var widthBits = map[int]byte{1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}

func slot(op, regs byte, off uint32, imm int32) []byte {
	b := []byte{op, regs, 0, 0, 0, 0, 0, 0}
	binary.NativeEndian.PutUint16(b[2:], uint16(off))
	binary.NativeEndian.PutUint32(b[4:], uint32(imm))
	return b
}

// loadProgram is r0 = *(r1 + off); r0 = 1; exit.
func loadProgram(off uint32, width int) []byte {
	code := slot(0x61|widthBits[width], 0x10, off, 0)
	return append(append(code, slot(0xb7, 0, 0, 1)...), slot(0x95, 0, 0, 0)...)
}

// storeProgram is r0 = 0; *(r1 + off) = r0; r0 = 1; exit.
func storeProgram(off uint32, width int) []byte {
	code := append(slot(0xb7, 0, 0, 0), slot(0x63|widthBits[width], 0x01, off, 0)...)
	return append(append(code, slot(0xb7, 0, 0, 1)...), slot(0x95, 0, 0, 0)...)
}
