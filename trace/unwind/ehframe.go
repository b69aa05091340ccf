package unwind

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
)

// cie is what frame descriptions share.
type cie struct {
	codeAlign  uint64
	dataAlign  int64
	ra         uint64 // register that stands for the return address
	enc        uint8  // of pointers
	augmented  bool   // descriptions have augmentation data
	signal     bool
	program    []byte
	unreadable bool
}

// ehFrame adds the rows of .eh_frame.
func ehFrame(f *elf.File, b *builder) error {
	sec := f.Section(".eh_frame")
	d, err := data(sec)
	if err != nil {
		return err
	}
	return readEHFrame(d, sec.Addr, b)
}

// readEHFrame walks the entries of a section that lies at addr. An entry that
// cannot be read is left out; a length that leads nowhere ends the section.
func readEHFrame(d []byte, addr uint64, b *builder) error {
	cies := map[int]*cie{}
	c := &cursor{b: d}
	for c.left() >= 4 {
		length := uint64(c.u32())
		switch length {
		case 0:
			return nil // the terminator
		case 0xffffffff:
			length = c.u64()
		}
		if length > uint64(c.left()) || length < 4 {
			return fmt.Errorf(".eh_frame: entry at %#x has %d bytes", c.at, length)
		}
		end := c.at + int(length)
		idAt := c.at
		id := c.u32()
		e := &cursor{b: d[:end], at: c.at}
		c.at = end
		if id == 0 {
			continue // read when a description asks for it
		}
		at := idAt - int(id)
		if at < 0 {
			continue
		}
		common := cies[at]
		if common == nil {
			common = readCIE(d, at)
			cies[at] = common
		}
		if common.unreadable {
			continue
		}
		if err := readFDE(e, common, addr, b); err != nil {
			return err
		}
	}
	return nil
}

// readCIE reads a common information entry whose id field is at, or whose
// length is: the back-pointers of descriptions lead to the length.
func readCIE(d []byte, at int) *cie {
	bad := &cie{unreadable: true}
	c := &cursor{b: d, at: at}
	length := uint64(c.u32())
	if length == 0xffffffff {
		length = c.u64()
	}
	if c.bad || length > uint64(c.left()) {
		return bad
	}
	c.b = d[:c.at+int(length)]
	if c.u32() != 0 {
		return bad
	}
	version := c.u8()
	i := bytes.IndexByte(c.b[c.at:], 0)
	if (version != 1 && version != 3 && version != 4) || i < 0 {
		return bad
	}
	augmentation := string(c.take(i))
	c.u8()
	if version == 4 {
		c.u16() // sizes of addresses and segments
	}
	out := &cie{codeAlign: c.uleb(), dataAlign: c.sleb()}
	if version == 1 {
		out.ra = uint64(c.u8())
	} else {
		out.ra = c.uleb()
	}
	if augmentation != "" && augmentation[0] != 'z' {
		return bad
	}
	if augmentation != "" {
		out.augmented = true
		aug := &cursor{b: c.block()}
		for _, a := range augmentation[1:] {
			switch a {
			case 'R':
				out.enc = aug.u8()
			case 'P':
				aug.form(aug.u8())
			case 'L':
				aug.u8()
			case 'S':
				out.signal = true
			default:
				return bad
			}
		}
		if aug.bad {
			return bad
		}
	}
	if c.bad {
		return bad
	}
	out.program = c.b[c.at:]
	return out
}

// readFDE adds the rows of one function.
func readFDE(c *cursor, common *cie, addr uint64, b *builder) error {
	start := c.pointer(common.enc, addr)
	size := c.form(common.enc)
	if common.augmented {
		c.block()
	}
	if c.bad || size == 0 || start+size < start || start < b.base {
		return nil
	}
	m := &machine{cie: common, pc: start, b: b}
	m.state.rule = rules{}
	if err := m.run(common.program); err != nil {
		return nil
	}
	m.initial = m.state
	m.emitting, m.end = true, start+size
	if err := m.run(c.b[c.at:]); err != nil {
		if errors.Is(err, errProgram) {
			m.unsupported()
			b.end(start + size)
			return nil
		}
		return err
	}
	if err := m.emit(); err != nil {
		return err
	}
	b.end(start + size)
	return nil
}
