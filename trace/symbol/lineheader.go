package symbol

import (
	"encoding/binary"
	"errors"
)

// lineHeaderFits says whether the counts in a unit's line header fit its
// section. The library allocates what a header of DWARF 5 says before it reads
// on (DWARF 5, section 6.2.4), which in a broken file is anything.
func lineHeaderFits(section []byte, at int64, o binary.ByteOrder) error {
	if at < 0 || at >= int64(len(section)) {
		return errors.New("line header outside of .debug_line")
	}
	c := cursor{b: section[at:], o: o}
	wide := false
	if c.uint(4) == 0xffffffff {
		wide = true
		c.skip(8)
	}
	if version := c.uint(2); version != 5 {
		return nil // earlier lists end with an empty entry
	}
	c.skip(2) // sizes of addresses and segment selectors
	if wide {
		c.skip(4)
	}
	c.skip(4 + 5) // header_length … line_range
	c.skip(max(c.uint(1), 1) - 1)
	for range 2 { // directories, files
		var forms []uint64
		for n := c.uint(1); n > 0; n-- {
			c.uleb()
			forms = append(forms, c.uleb())
		}
		count := c.uleb()
		if count > uint64(len(c.b)) {
			return errors.New("line header: more files than bytes")
		}
		for ; count > 0 && !c.bad; count-- {
			for _, f := range forms {
				c.form(f, wide)
			}
		}
		if c.bad {
			return errors.New("line header: ends too early")
		}
	}
	return nil
}

// cursor reads bytes one after the other; bad says that it was asked for more
// than there are.
type cursor struct {
	b   []byte
	o   binary.ByteOrder
	bad bool
}

func (c *cursor) skip(n uint64) {
	if n > uint64(len(c.b)) {
		c.b, c.bad = nil, true
		return
	}
	c.b = c.b[n:]
}

// uint reads an integer of 1, 2, 4 or 8 bytes.
func (c *cursor) uint(size int) uint64 {
	if size > len(c.b) {
		c.b, c.bad = nil, true
		return 0
	}
	b := c.b
	c.b = b[size:]
	switch size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(c.o.Uint16(b))
	case 4:
		return uint64(c.o.Uint32(b))
	}
	return c.o.Uint64(b)
}

func (c *cursor) uleb() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// form skips a value of one of the forms that line headers use (DWARF 5,
// sections 6.2.4.1 and 7.5.6).
func (c *cursor) form(f uint64, wide bool) {
	const (
		block2, block4, data2, data4, data8, str = 0x03, 0x04, 0x05, 0x06, 0x07, 0x08
		block, block1, data1, strp, udata        = 0x09, 0x0a, 0x0b, 0x0e, 0x0f
		data16, lineStrp                         = 0x1e, 0x1f
	)
	switch f {
	case data1:
		c.skip(1)
	case data2:
		c.skip(2)
	case data4:
		c.skip(4)
	case data8:
		c.skip(8)
	case data16:
		c.skip(16)
	case block1:
		c.skip(c.uint(1))
	case block2:
		c.skip(c.uint(2))
	case block4:
		c.skip(c.uint(4))
	case block:
		c.skip(c.uleb())
	case udata:
		c.uleb()
	case strp, lineStrp:
		c.skip(4)
		if wide {
			c.skip(4)
		}
	case str:
		for len(c.b) > 0 && c.b[0] != 0 {
			c.b = c.b[1:]
		}
		c.skip(1)
	default:
		c.b, c.bad = nil, true
	}
}
