package arm64

import "math/bits"

// The ways to say where: with a scaled offset, a small one of any sign, and a
// register. The size goes to the upper two bits.
type ways struct{ scaled, small, register uint32 }

var (
	loads       = ways{0x39400000, 0x38400000, 0x38606800}
	signedLoads = ways{0x39800000, 0x38800000, 0x38a06800}
	stores      = ways{0x39000000, 0x38000000, 0x38206800}
)

func (c *Code) memory(op ways, size int, t, base Reg, off int32) {
	log := uint32(bits.TrailingZeros(uint(size)))
	rest := log<<30 | uint32(base)<<5 | uint32(t)
	switch {
	case off >= 0 && off&(int32(size)-1) == 0 && off>>log < 4096:
		c.emit(op.scaled | rest | uint32(off)>>log<<10)
	case off >= -256 && off < 256:
		c.emit(op.small | rest | uint32(off)&0x1ff<<12)
	default:
		c.MovImm(disp, uint64(int64(off)))
		c.emit(op.register | rest | uint32(disp)<<16)
	}
}

// Load is dst = size bytes (1, 2, 4, 8) at [base+off], zero-extended.
func (c *Code) Load(size int, dst, base Reg, off int32) { c.memory(loads, size, dst, base, off) }

// LoadSext is Load of 1, 2 or 4 bytes, sign-extended.
func (c *Code) LoadSext(size int, dst, base Reg, off int32) {
	c.memory(signedLoads, size, dst, base, off)
}

// indexed is memory at [base+index+off].
func (c *Code) indexed(op ways, size int, t, base, index Reg, off int32) {
	if off == 0 {
		log := uint32(bits.TrailingZeros(uint(size)))
		c.emit(op.register | log<<30 | uint32(index)<<16 | uint32(base)<<5 | uint32(t))
		return
	}
	c.emit(0x8b000000 | uint32(index)<<16 | uint32(base)<<5 | uint32(word))
	c.memory(op, size, t, word, off)
}

// LoadIndexed is Load at [base+index+off].
func (c *Code) LoadIndexed(size int, dst, base, index Reg, off int32) {
	c.indexed(loads, size, dst, base, index, off)
}

// LoadSextIndexed is LoadSext at [base+index+off].
func (c *Code) LoadSextIndexed(size int, dst, base, index Reg, off int32) {
	c.indexed(signedLoads, size, dst, base, index, off)
}

// StoreIndexed is Store at [base+index+off].
func (c *Code) StoreIndexed(size int, base, index Reg, off int32, src Reg) {
	c.indexed(stores, size, src, base, index, off)
}

// LoadAcquire is Load of 4 bytes before everything that comes later.
func (c *Code) LoadAcquire(dst, base Reg, off int32) {
	c.Lea(disp, base, off)
	c.rr(0x88dffc00, dst, disp)
}

// Store writes the low size bytes of src to [base+off].
func (c *Code) Store(size int, base Reg, off int32, src Reg) {
	c.memory(stores, size, src, base, off)
}

// StoreImm writes the low size bytes of v, sign-extended to 8, to [base+off].
func (c *Code) StoreImm(size int, base Reg, off, v int32) {
	if v == 0 {
		c.Store(size, base, off, zero)
		return
	}
	c.MovImm(imm, uint64(int64(v)))
	c.Store(size, base, off, imm)
}

// Lea is dst = base+off, without flags.
func (c *Code) Lea(dst, base Reg, off int32) {
	switch {
	case off >= 0 && off < 4096:
		c.rr(0x91000000|uint32(off)<<10, dst, base)
	case off < 0 && off > -4096:
		c.rr(0xd1000000|uint32(-off)<<10, dst, base)
	default:
		c.MovImm(disp, uint64(int64(off)))
		c.rr(0x8b000000|uint32(disp)<<16, dst, base)
	}
}

// AtomicAdd adds src to the word of 4 or 8 bytes at [base+off].
func (c *Code) AtomicAdd(size int, base Reg, off int32, src Reg) {
	wide := uint32(size) >> 3 << 30
	c.Lea(word, base, off)
	c.rr(0x885ffc00|wide, imm, word)                               // ldaxr
	c.rr(0x0b000000|uint32(size)>>3<<31|uint32(src)<<16, imm, imm) // add
	c.rr(0x8800fc00|wide|uint32(disp)<<16, imm, word)              // stlxr
	c.emit(0x35000000 | uint32(0x7ffff&-3)<<5 | uint32(disp))      // cbnz, to the ldaxr
}
