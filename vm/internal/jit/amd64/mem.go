package amd64

// Load is dst = size bytes (1, 2, 4, 8) at [base+disp], zero-extended.
func (c *Code) Load(size int, dst, base Reg, disp int32) {
	switch size {
	case 1:
		c.rm(W32, dst, base, disp, false, 0x0f, 0xb6)
	case 2:
		c.rm(W32, dst, base, disp, false, 0x0f, 0xb7)
	case 4:
		c.rm(W32, dst, base, disp, false, 0x8b)
	default:
		c.rm(W64, dst, base, disp, false, 0x8b)
	}
}

// LoadSext is Load of 1, 2 or 4 bytes, sign-extended.
func (c *Code) LoadSext(size int, dst, base Reg, disp int32) {
	switch size {
	case 1:
		c.rm(W64, dst, base, disp, false, 0x0f, 0xbe)
	case 2:
		c.rm(W64, dst, base, disp, false, 0x0f, 0xbf)
	default:
		c.rm(W64, dst, base, disp, false, 0x63)
	}
}

// LoadAcquire is Load of 4 bytes: the processor keeps the order of loads.
func (c *Code) LoadAcquire(dst, base Reg, disp int32) { c.Load(4, dst, base, disp) }

// Store writes the low size bytes of src to [base+disp].
func (c *Code) Store(size int, base Reg, disp int32, src Reg) {
	switch size {
	case 1:
		c.rm(W32, src, base, disp, true, 0x88)
	case 2:
		c.emit(0x66)
		c.rm(W32, src, base, disp, false, 0x89)
	case 4:
		c.rm(W32, src, base, disp, false, 0x89)
	default:
		c.rm(W64, src, base, disp, false, 0x89)
	}
}

// StoreImm writes the low size bytes of imm, sign-extended to 8, to
// [base+disp].
func (c *Code) StoreImm(size int, base Reg, disp, imm int32) {
	switch size {
	case 1:
		c.rm(W32, 0, base, disp, false, 0xc6)
		c.emit(byte(imm))
	case 2:
		c.emit(0x66)
		c.rm(W32, 0, base, disp, false, 0xc7)
		c.emit(byte(imm), byte(imm>>8))
	case 4:
		c.rm(W32, 0, base, disp, false, 0xc7)
		c.imm32(imm)
	default:
		c.rm(W64, 0, base, disp, false, 0xc7)
		c.imm32(imm)
	}
}

// LoadIndexed is Load at [base+index+disp]. The index is not RSP.
func (c *Code) LoadIndexed(size int, dst, base, index Reg, disp int32) {
	switch size {
	case 1:
		c.rmx(W32, dst, base, index, disp, false, 0x0f, 0xb6)
	case 2:
		c.rmx(W32, dst, base, index, disp, false, 0x0f, 0xb7)
	case 4:
		c.rmx(W32, dst, base, index, disp, false, 0x8b)
	default:
		c.rmx(W64, dst, base, index, disp, false, 0x8b)
	}
}

// LoadSextIndexed is LoadSext at [base+index+disp]. The index is not RSP.
func (c *Code) LoadSextIndexed(size int, dst, base, index Reg, disp int32) {
	switch size {
	case 1:
		c.rmx(W64, dst, base, index, disp, false, 0x0f, 0xbe)
	case 2:
		c.rmx(W64, dst, base, index, disp, false, 0x0f, 0xbf)
	default:
		c.rmx(W64, dst, base, index, disp, false, 0x63)
	}
}

// StoreIndexed is Store at [base+index+disp]. The index is not RSP.
func (c *Code) StoreIndexed(size int, base, index Reg, disp int32, src Reg) {
	switch size {
	case 1:
		c.rmx(W32, src, base, index, disp, true, 0x88)
	case 2:
		c.emit(0x66)
		c.rmx(W32, src, base, index, disp, false, 0x89)
	case 4:
		c.rmx(W32, src, base, index, disp, false, 0x89)
	default:
		c.rmx(W64, src, base, index, disp, false, 0x89)
	}
}

// Lea is dst = base+disp.
func (c *Code) Lea(dst, base Reg, disp int32) { c.rm(W64, dst, base, disp, false, 0x8d) }

// AtomicAdd adds src to the word of 4 or 8 bytes at [base+disp].
func (c *Code) AtomicAdd(size int, base Reg, disp int32, src Reg) {
	c.emit(0xf0)
	c.rm(Width(size == 8), src, base, disp, false, 0x01)
}
