package packet

import (
	"bytes"
	"testing"

	"github.com/skepdev/skep/abi"
)

// TestRoomBehindTheEnd: room behind an IP header that is not there whole. What
// lies behind the packet is not the program's to see, and neither is what lies
// behind the memory.
func TestRoomBehindTheEnd(t *testing.T) {
	for _, gap := range []int{0, 4, 64} {
		mem := bytes.Repeat([]byte{0xee}, BufferMemory)
		b := NewBuffer(mem)
		at := len(mem) - gap - 16
		copy(mem[at:], append([]byte{12: 0x86, 13: 0xdd}, 1, 2))
		b.data, b.meta, b.end, b.tail = at, at, len(mem)-gap, len(mem)-gap
		var s SKB
		if e := s.Begin(b, &Meta{}, abi.ProgSchedCLS); e != 0 {
			t.Fatal(e)
		}
		e := s.AdjustRoom(100, abi.AdjRoomNet, 0)
		if e == 0 && bytes.IndexByte(s.Bytes(), 0xee) >= 0 {
			t.Errorf("gap %d: memory that was not the packet's: %x", gap, s.Bytes())
		}
		if gap == 64 && (e != 0 || s.Len() != 116) {
			t.Errorf("gap %d: %v, %d bytes", gap, e, s.Len())
		}
	}
}
