package symbol

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"

	"github.com/ulikunitz/xz"
)

// maxMiniDebug is how much of .gnu_debugdata is unpacked, in bytes.
const maxMiniDebug = 64 << 20

// miniDebug enters the functions of .gnu_debugdata: an ELF file with a symbol
// table, compressed with xz (gdb manual, "Debugging information in a special
// section").
func (m *image) miniDebug(t *table) error {
	data, err := m.section(m.Section(".gnu_debugdata"))
	if err != nil {
		return err
	}
	if n := xzDictionary(data); n > maxMiniDebug {
		return fmt.Errorf("%s: .gnu_debugdata: wants a dictionary of %d bytes, %d at most", m.name, n, maxMiniDebug)
	}
	var out []byte
	err = guard(m.name, func() error {
		const least = 4096
		r, err := xz.ReaderConfig{DictCap: least, SingleStream: true}.NewReader(bytes.NewReader(data))
		if err != nil {
			return err
		}
		out, err = io.ReadAll(io.LimitReader(r, maxMiniDebug))
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: .gnu_debugdata: %w", m.name, err)
	}
	inner, err := newImage(m.name+" (.gnu_debugdata)", bytes.NewReader(out))
	if err != nil {
		return err
	}
	return inner.functions(t, elf.SHT_SYMTAB)
}

// xzDictionary is the size of the dictionary that the first block of a stream
// wants, in bytes: it is allocated before anything is read (xz file format 1.2,
// sections 3.1 and 5.3.1). 0 if there is no such block.
func xzDictionary(b []byte) uint64 {
	const streamHeader, sizes, lzma2 = 12, 0xc0, 0x21
	if len(b) < streamHeader+8 {
		return 0
	}
	b = b[streamHeader:]
	flags, filter := b[1], b[2:]
	for f := flags & sizes; f != 0; f &= f - 1 { // optional sizes, a varint each
		for len(filter) > 0 && filter[0]&0x80 != 0 {
			filter = filter[1:]
		}
		if len(filter) == 0 {
			return 0
		}
		filter = filter[1:]
	}
	if len(filter) < 3 || filter[0] != lzma2 {
		return 0
	}
	bits := filter[2] & 0x3f
	return (2 | uint64(bits&1)) << (bits/2 + 11)
}
