package scalar

import (
	"encoding/binary"
	"testing"

	"github.com/skepdev/skep/isa"
)

// FuzzSequence runs operations read from bytes on numbers and, beside them, on
// what is known of those numbers: after each step every register must be among
// what is known of it, and that must not be contradictory.
func FuzzSequence(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x80\x00\x00\x00\x00\x00\x00\x80\x41\x92\xe3\x34\x85\xd6\x27\x78"))
	f.Add([]byte("\x00\x00\x00\x80\x00\x00\x00\x00\xff\xff\xff\x7f\xff\xff\xff\xff\x11\x82\x53\xa4\x05\xf6\x17\xb8\x69\xca"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 400 {
			return
		}
		var x [4]uint64
		known := [4]Range{Unknown(), Unknown(), Unknown(), Unknown()}
		for i := range x {
			if len(data) >= 8 {
				x[i], data = binary.LittleEndian.Uint64(data), data[8:]
			}
		}
		for ; len(data) >= 3; data = data[3:] {
			what, which := data[0], data[1]
			d, s := which&3, which>>2&3
			was, by := known[d], known[s]
			y := x[s]
			if which&16 != 0 {
				y = uint64(int64(int8(data[2])))
				by = Const(y)
				s = d // the constant takes no part
			}
			is64 := which&32 == 0
			switch n := int(data[2] >> 4); what % 6 {
			case 0, 1:
				op := aluOps[n%len(aluOps)]
				x[d], known[d] = concrete(op, is64, x[d], y), Alu(op, is64, was, by)
			case 2, 3:
				op := jumpOps[n%len(jumpOps)]
				taken := holds(op, !is64, x[d], y)
				if got := Taken(op, !is64, was, by); got == Always && !taken || got == Never && taken {
					t.Fatalf("%s of %#x in %v and %#x in %v: Taken = %d", jumpNames[op], x[d], was, y, by, got)
				}
				ra, rb, fa, fb := Refine(op, !is64, was, by)
				if !taken {
					ra, rb = fa, fb
				}
				if s != d {
					known[s] = rb
				}
				if which&16 != 0 || s != d {
					known[d] = ra
				}
			case 4:
				size := 1 << (n % 3)
				x[d] = x[d] << (64 - 8*size) >> (64 - 8*size)
				known[d].Truncate(size)
				if which&64 != 0 {
					x[d] = uint64(int64(x[d]<<(64-8*size)) >> (64 - 8*size))
					known[d].SignExtend(size)
				}
				if !is64 {
					x[d] = uint64(uint32(x[d]))
					known[d].ZeroExtend32()
				}
			case 5:
				op := []uint8{isa.ToLE, isa.ToBE, isa.Bswap}[n%3]
				width := 16 << (data[2] % 3)
				x[d], known[d] = swapped(op, width, x[d]), Swap(op, width, known[d])
			}
			for i := range x {
				if !known[i].Has(x[i]) || !known[i].Valid() {
					t.Fatalf("%#x %#x %#x: %#x is not in %v (%s), from %v and %v", what, which, data[2], x[i], known[i], known[i].Broken(), was, by)
				}
			}
		}
	})
}
