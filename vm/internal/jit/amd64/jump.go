package amd64

import "encoding/binary"

// Jcc jumps if the condition holds. It returns the place of the distance, for
// [Code.Patch].
func (c *Code) Jcc(x Cond) int {
	c.emit(0x0f, 0x80|byte(x)&15)
	c.imm32(0)
	return len(c.Bytes) - 4
}

// Jmp is Jcc without a condition.
func (c *Code) Jmp() int {
	c.emit(0xe9)
	c.imm32(0)
	return len(c.Bytes) - 4
}

// nops are instructions of one to eight bytes that do nothing (Intel SDM, NOP).
var nops = [...]string{
	"\x90", "\x66\x90", "\x0f\x1f\x00", "\x0f\x1f\x40\x00", "\x0f\x1f\x44\x00\x00",
	"\x66\x0f\x1f\x44\x00\x00", "\x0f\x1f\x80\x00\x00\x00\x00", "\x0f\x1f\x84\x00\x00\x00\x00\x00",
}

// Align goes on at a multiple of 64 bytes: a loop of that length lies in one line
// of the cache, and so in what the processor decodes at once.
func (c *Code) Align() {
	for n := -len(c.Bytes) & 63; n > 0; {
		nop := nops[min(n, len(nops))-1]
		c.Bytes = append(c.Bytes, nop...)
		n -= len(nop)
	}
}

// Patch makes the jump whose distance is at place go to target.
func (c *Code) Patch(place, target int) {
	binary.LittleEndian.PutUint32(c.Bytes[place:], uint32(target-place-4))
}
