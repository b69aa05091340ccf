package amd64

// TryLock makes the word at [base] 1 if it is 0. It changes RAX and RDX.
func (c *Code) TryLock(base Reg) (taken []int) {
	c.Arith(Xor, W32, RAX, RAX)
	c.MovImm(RDX, 1)
	c.emit(0xf0) // lock
	c.rm(W32, RDX, base, 0, false, 0x0f, 0xb1)
	return []int{c.Jcc(NotEqual)}
}

// StoreRelease is Store: the processor keeps the order of stores.
func (c *Code) StoreRelease(size int, base Reg, disp int32, src Reg) { c.Store(size, base, disp, src) }

// StoreFenced exchanges src with the 4 bytes at [base+disp].
func (c *Code) StoreFenced(base Reg, disp int32, src Reg) {
	c.rm(W32, src, base, disp, false, 0x87)
}
