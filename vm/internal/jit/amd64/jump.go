package amd64

import "encoding/binary"

// Cond is the condition of a jump, by its number in the encoding.
type Cond uint8

// The conditions: unsigned (Below, Above), signed (Less, Greater), Sign for a
// negative result.
const (
	Below        Cond = 0x2
	AboveEqual   Cond = 0x3
	Equal        Cond = 0x4
	NotEqual     Cond = 0x5
	BelowEqual   Cond = 0x6
	Above        Cond = 0x7
	Sign         Cond = 0x8
	Less         Cond = 0xc
	GreaterEqual Cond = 0xd
	LessEqual    Cond = 0xe
	Greater      Cond = 0xf
)

// Not is the opposite condition.
func (x Cond) Not() Cond { return x ^ 1 }

// Jcc jumps if the condition holds. It returns the place of the distance, for
// [Code.Patch].
func (c *Code) Jcc(x Cond) int {
	c.emit(0x0f, 0x80|byte(x))
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
