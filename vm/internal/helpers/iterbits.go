package helpers

import (
	"encoding/binary"
	"math/bits"
	"syscall"

	"github.com/skepdev/skep/vm/internal/interp"
)

// A struct bpf_iter_bits is 16 bytes of the program's stack: the bits, or the
// address of a copy of them if they are more than 64; how many there are; and
// the current one, whose address next returns.
var bitsKfuncs = map[string]interp.Helper{
	"bpf_iter_bits_new":     iterBitsNew,
	"bpf_iter_bits_next":    iterBitsNext,
	"bpf_iter_bits_destroy": iterBitsDestroy,
}

const (
	bitsSize     = 16
	bitsCount    = 8
	bitsCurrent  = 12
	maxBitsWords = 511 // BITS_ITER_NR_WORDS_MAX
)

func iterBitsNew(t *interp.Thread) uint64 {
	it := t.Write(t.R[1], bitsSize)
	if it == nil {
		return 0
	}
	words := uint64(uint32(t.R[3]))
	clear(it)
	binary.NativeEndian.PutUint32(it[bitsCurrent:], 1<<32-1)
	switch {
	case words == 0:
		return fail(syscall.EINVAL)
	case words > maxBitsWords:
		return fail(syscall.E2BIG)
	}
	from, ok := t.Probe(t.R[2], words*8, false)
	if !ok {
		return fail(syscall.EFAULT)
	}
	if words == 1 {
		copy(it, from)
	} else {
		mem, addr, ok := t.Borrow(len(from))
		if !ok {
			return fail(syscall.ENOMEM)
		}
		copy(mem, from)
		putUint64(it, addr)
	}
	binary.NativeEndian.PutUint32(it[bitsCount:], uint32(words*64))
	return 0
}

// bitsOf are the bits of an iterator; nil if it has none, or is forged.
func bitsOf(t *interp.Thread, it []byte) []byte {
	switch n := binary.NativeEndian.Uint32(it[bitsCount:]); n {
	case 0:
		return nil
	case 64:
		return it[:8]
	default:
		b, _ := t.Probe(binary.NativeEndian.Uint64(it), uint64(n)/8&^7, false)
		return b
	}
}

func iterBitsNext(t *interp.Thread) uint64 {
	it := t.Write(t.R[1], bitsSize)
	if it == nil {
		return 0
	}
	words := bitsOf(t, it)
	at := int64(int32(binary.NativeEndian.Uint32(it[bitsCurrent:]))) + 1
	if at < 0 {
		return 0
	}
	for w := at / 64; w < int64(len(words)/8); w++ {
		v := binary.NativeEndian.Uint64(words[w*8:])
		if w == at/64 {
			v &= ^uint64(0) << (at % 64)
		}
		if v != 0 {
			binary.NativeEndian.PutUint32(it[bitsCurrent:], uint32(w*64)+uint32(bits.TrailingZeros64(v)))
			return t.R[1] + bitsCurrent
		}
	}
	binary.NativeEndian.PutUint32(it[bitsCurrent:], binary.NativeEndian.Uint32(it[bitsCount:]))
	return 0
}

func iterBitsDestroy(t *interp.Thread) uint64 {
	it := t.Write(t.R[1], bitsSize)
	if it == nil {
		return 0
	}
	if binary.NativeEndian.Uint32(it[bitsCount:]) > 64 {
		if b := bitsOf(t, it); b != nil {
			t.GiveBack(b)
		}
	}
	clear(it)
	return 0
}
