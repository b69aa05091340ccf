package object

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// rawBTF assembles a BTF blob of the given type records and strings.
func rawBTF(types []byte, strings string) []byte {
	var b bytes.Buffer
	for _, v := range []any{
		uint16(btfMagic), uint8(1), uint8(0), uint32(btfHeaderSize),
		uint32(0), uint32(len(types)), uint32(len(types)), uint32(len(strings)),
	} {
		binary.Write(&b, binary.NativeEndian, v) // cannot fail
	}
	b.Write(types)
	b.WriteString(strings)
	return b.Bytes()
}

func record(name, info, sizeOrType uint32, tail ...uint32) []byte {
	var b []byte
	for _, v := range append([]uint32{name, info, sizeOrType}, tail...) {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

const kindPointer, kindStruct = 2 << 24, 4 << 24

// chain is n pointers, each to the type after it.
func chain(n int) []byte {
	var types []byte
	for i := range n {
		types = append(types, record(0, kindPointer, uint32(i+2))...)
	}
	return types
}

// TestReadTypesDeep is the deepest recursion that the limits let through: a
// chain of pointers, each to the next. It must not overflow the stack, which
// would end the process.
func TestReadTypesDeep(t *testing.T) {
	types := append(chain(maxTypeDepth-1), record(1, 1<<24, 4, 32)...)
	spec, err := ReadTypes(bytes.NewReader(rawBTF(types, "\x00int\x00")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := spec.TypeByID(1); err != nil {
		t.Fatal(err)
	}
}

func TestReadTypesRefuses(t *testing.T) {
	many := bytes.Repeat(record(0, kindPointer, 0), MaxTypes+1)
	long := "\x00" + strings.Repeat("x", 1<<20) + "\x00"
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"empty":        {nil, "0 bytes do not hold a header"},
		"magic":        {make([]byte, 64), "begins with"},
		"too many":     {rawBTF(many, "\x00"), "more than 1048576 types"},
		"too deep":     {rawBTF(chain(maxTypeDepth+1), "\x00"), "over 32769 steps"},
		"long names":   {rawBTF(bytes.Repeat(record(1, kindPointer, 0), 100), long), "names longer than"},
		"member count": {rawBTF(record(0, kindStruct|0xffff, 4), "\x00"), "do not hold 65535 members"},
		"name outside": {rawBTF(record(99, kindPointer, 0), "\x00"), "outside its table"},
		"kind":         {rawBTF(record(0, 31<<24, 0), "\x00"), "unknown kind 31"},
		"half record":  {rawBTF(record(0, kindPointer, 0)[:8], "\x00"), "do not hold a record"},
		"types end":    {rawBTF(nil, "\x00")[:btfHeaderSize], "strings reach to"},
		"no ELF":       {[]byte("\x7fELF\x02\x01\x01"), "malformed ELF file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadTypes(bytes.NewReader(c.raw))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
