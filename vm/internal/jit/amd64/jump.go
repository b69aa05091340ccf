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

// Patch makes the jump whose distance is at place go to target.
func (c *Code) Patch(place, target int) {
	binary.LittleEndian.PutUint32(c.Bytes[place:], uint32(target-place-4))
}
