package arm64

import "github.com/skepdev/skep/vm/internal/jit/asm"

// TryLock makes the word at [base] 1 if it is 0.
func (c *Code) TryLock(base Reg) (taken []int) {
	c.rr(0x885ffc00, imm, base) // ldaxr
	c.ArithImm(asm.Cmp, asm.W32, imm, 0)
	taken = append(taken, c.Jcc(asm.NotEqual))
	c.MovImm(word, 1)
	c.rr(0x88007c00|uint32(disp)<<16, word, base) // stxr
	c.ArithImm(asm.Cmp, asm.W32, disp, 0)
	return append(taken, c.Jcc(asm.NotEqual))
}

// StoreRelease stores behind everything that came earlier.
func (c *Code) StoreRelease(size int, base Reg, off int32, src Reg) {
	c.Lea(word, base, off)
	c.rr(0x889ffc00|uint32(size)>>3<<30, src, word) // stlr
}

// StoreFenced stores in order with everything else.
func (c *Code) StoreFenced(base Reg, off int32, src Reg) {
	c.StoreRelease(4, base, off, src)
	c.emit(0xd5033bbf) // dmb ish
}
