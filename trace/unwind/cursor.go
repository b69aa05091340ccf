package unwind

import "encoding/binary"

// cursor reads a section, little-endian. bad says that it was asked for more
// than there is; what it returned then is 0.
type cursor struct {
	b   []byte
	at  int
	bad bool
}

func (c *cursor) left() int { return len(c.b) - c.at }

func (c *cursor) take(n int) []byte {
	if n < 0 || n > c.left() {
		c.bad, c.at = true, len(c.b)
		return make([]byte, min(max(n, 0), 8))
	}
	c.at += n
	return c.b[c.at-n : c.at]
}

func (c *cursor) u8() uint8   { return c.take(1)[0] }
func (c *cursor) u16() uint16 { return binary.LittleEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return binary.LittleEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.LittleEndian.Uint64(c.take(8)) }

func (c *cursor) uleb() uint64 {
	v, n := binary.Uvarint(c.b[c.at:])
	if n <= 0 {
		c.bad, c.at = true, len(c.b)
		return 0
	}
	c.at += n
	return v
}

func (c *cursor) sleb() int64 {
	var v int64
	for shift := 0; ; shift += 7 {
		b := c.u8()
		if c.bad || shift > 63 {
			c.bad = true
			return 0
		}
		v |= int64(b&0x7f) << shift
		if b&0x80 == 0 {
			if b&0x40 != 0 && shift+7 < 64 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

// block is as many bytes as a leading number says.
func (c *cursor) block() []byte {
	n := c.uleb()
	if n > uint64(c.left()) {
		c.bad, c.at = true, len(c.b)
		return nil
	}
	return c.take(int(n))
}

// Pointer encodings (Linux Standard Base Core 5.0, 10.5.1).
const (
	encOmit  = 0xff
	encForm  = 0x0f
	encPCRel = 0x10
	encBase  = 0x70
)

// pointer reads an encoded pointer; addr is where the section lies in memory.
// Bases other than none and the pointer's own place do not occur in .eh_frame.
func (c *cursor) pointer(enc uint8, addr uint64) uint64 {
	if enc == encOmit {
		return 0
	}
	here := addr + uint64(c.at)
	v := c.form(enc)
	switch enc & encBase {
	case 0:
		return v
	case encPCRel:
		return v + here
	}
	c.bad = true
	return 0
}

// form reads a number as the low bits of an encoding say.
func (c *cursor) form(enc uint8) uint64 {
	switch enc & encForm {
	case 0x00, 0x04, 0x0c: // absptr, udata8, sdata8
		return c.u64()
	case 0x01:
		return c.uleb()
	case 0x02:
		return uint64(c.u16())
	case 0x03:
		return uint64(c.u32())
	case 0x09:
		return uint64(c.sleb())
	case 0x0a:
		return uint64(int64(int16(c.u16())))
	case 0x0b:
		return uint64(int64(int32(c.u32())))
	}
	c.bad = true
	return 0
}
