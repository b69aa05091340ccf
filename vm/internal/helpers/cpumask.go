package helpers

import (
	"encoding/binary"
	"math/bits"
	"syscall"

	"github.com/skepdev/skep/vm/internal/heap"
	"github.com/skepdev/skep/vm/internal/interp"
)

// A struct bpf_cpumask is the bits of all CPUs that Linux can be built for, and
// a count of holders. Bits from the machine's number of CPUs on are never set
// but by bpf_cpumask_populate, and not looked at.
const (
	maskBytes = 1024
	maskSize  = maskBytes + 8
)

var cpumaskType = &heap.Type{Name: "bpf_cpumask", Size: maskSize, Fields: []heap.Field{{Kind: heap.Refcount, Offset: maskBytes}}}

var cpumaskKfuncs = map[string]interp.Helper{
	"bpf_cpumask_create":  func(t *interp.Thread) uint64 { return t.Env.Heap.New(cpumaskType) },
	"bpf_cpumask_acquire": objectAcquire,
	"bpf_cpumask_release": objectDrop,
	"bpf_cpumask_first":   func(t *interp.Thread) uint64 { return maskFirst(t, func(a, _ uint64) uint64 { return a }, 1) },
	"bpf_cpumask_first_zero": func(t *interp.Thread) uint64 {
		return maskFirst(t, func(a, _ uint64) uint64 { return ^a }, 1)
	},
	"bpf_cpumask_first_and":      func(t *interp.Thread) uint64 { return maskFirst(t, and, 2) },
	"bpf_cpumask_any_distribute": func(t *interp.Thread) uint64 { return maskAny(t, 1) },
	"bpf_cpumask_any_and_distribute": func(t *interp.Thread) uint64 {
		return maskAny(t, 2)
	},
	"bpf_cpumask_set_cpu":            func(t *interp.Thread) uint64 { maskBit(t, func(w, b uint64) uint64 { return w | b }); return 0 },
	"bpf_cpumask_clear_cpu":          func(t *interp.Thread) uint64 { maskBit(t, func(w, b uint64) uint64 { return w &^ b }); return 0 },
	"bpf_cpumask_test_and_set_cpu":   func(t *interp.Thread) uint64 { return maskBit(t, func(w, b uint64) uint64 { return w | b }) },
	"bpf_cpumask_test_and_clear_cpu": func(t *interp.Thread) uint64 { return maskBit(t, func(w, b uint64) uint64 { return w &^ b }) },
	"bpf_cpumask_test_cpu":           maskTest,
	"bpf_cpumask_setall":             func(t *interp.Thread) uint64 { return maskFill(t, ^uint64(0)) },
	"bpf_cpumask_clear":              func(t *interp.Thread) uint64 { return maskFill(t, 0) },
	"bpf_cpumask_and":                func(t *interp.Thread) uint64 { return maskCombine(t, and) },
	"bpf_cpumask_or":                 func(t *interp.Thread) uint64 { return maskCombine(t, func(a, b uint64) uint64 { return a | b }) },
	"bpf_cpumask_xor":                func(t *interp.Thread) uint64 { return maskCombine(t, func(a, b uint64) uint64 { return a ^ b }) },
	"bpf_cpumask_copy":               maskCopy,
	"bpf_cpumask_equal":              func(t *interp.Thread) uint64 { return maskAll(t, func(a, b uint64) bool { return a == b }, 2) },
	"bpf_cpumask_intersects":         func(t *interp.Thread) uint64 { return 1 - maskAll(t, func(a, b uint64) bool { return a&b == 0 }, 2) },
	"bpf_cpumask_subset":             func(t *interp.Thread) uint64 { return maskAll(t, func(a, b uint64) bool { return a&^b == 0 }, 2) },
	"bpf_cpumask_empty":              func(t *interp.Thread) uint64 { return maskAll(t, func(a, _ uint64) bool { return a == 0 }, 1) },
	"bpf_cpumask_full":               func(t *interp.Thread) uint64 { return maskFull(t) },
	"bpf_cpumask_weight":             maskWeight,
	"bpf_cpumask_populate":           maskPopulate,
}

func and(a, b uint64) uint64 { return a & b }

// maskWords is how many words of a mask stand for CPUs.
func maskWords(t *interp.Thread) int { return (t.Env.CPUs + 63) / 64 }

// lastWord has a bit for each CPU of word i.
func lastWord(t *interp.Thread, i int) uint64 {
	if n := t.Env.CPUs - 64*i; n < 64 {
		return 1<<n - 1
	}
	return ^uint64(0)
}

// mask is the bits at a; nil and the end of the run if there are none.
func mask(t *interp.Thread, a uint64) []byte { return t.Write(a, uint64(maskWords(t)*8)) }

func maskWord(b []byte, i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }

// maskPair is the masks in registers from reg on, one or two.
func maskPair(t *interp.Thread, reg, n int) (a, b []byte) {
	if a = mask(t, t.R[reg]); n == 1 || a == nil {
		return a, a
	}
	if b = mask(t, t.R[reg+1]); b == nil {
		return nil, nil
	}
	return a, b
}

// maskFirst is the first CPU whose bit f leaves, or the number of CPUs.
func maskFirst(t *interp.Thread, f func(a, b uint64) uint64, n int) uint64 {
	a, b := maskPair(t, 1, n)
	for i := 0; a != nil && i < maskWords(t); i++ {
		if w := f(maskWord(a, i), maskWord(b, i)) & lastWord(t, i); w != 0 {
			return uint64(64*i + bits.TrailingZeros64(w))
		}
	}
	return uint64(t.Env.CPUs)
}

// maskAny is one of the CPUs that are set, each in its turn as seen from a
// virtual CPU.
func maskAny(t *interp.Thread, n int) uint64 {
	a, b := maskPair(t, 1, n)
	if a == nil {
		return 0
	}
	cpus := t.Env.CPUs
	for k := 1; k <= cpus; k++ {
		cpu := (t.LastCPU + k) % cpus
		if maskWord(a, cpu/64)&maskWord(b, cpu/64)>>(cpu%64)&1 != 0 {
			t.LastCPU = cpu
			return uint64(cpu)
		}
	}
	return uint64(cpus)
}

// maskBit changes the bit of CPU R1 in the mask R2 and tells what it was.
func maskBit(t *interp.Thread, f func(w, bit uint64) uint64) uint64 {
	b := mask(t, t.R[2])
	cpu := uint64(uint32(t.R[1]))
	if b == nil || cpu >= uint64(t.Env.CPUs) {
		return 0
	}
	w := b[cpu/64*8:]
	old, bit := binary.NativeEndian.Uint64(w), uint64(1)<<(cpu%64)
	putUint64(w, f(old, bit))
	return old >> (cpu % 64) & 1
}

func maskTest(t *interp.Thread) uint64 {
	b := mask(t, t.R[2])
	cpu := uint64(uint32(t.R[1]))
	if b == nil || cpu >= uint64(t.Env.CPUs) {
		return 0
	}
	return maskWord(b, int(cpu/64)) >> (cpu % 64) & 1
}

func maskFill(t *interp.Thread, v uint64) uint64 {
	b := mask(t, t.R[1])
	for i := 0; b != nil && i < maskWords(t); i++ {
		putUint64(b[8*i:], v&lastWord(t, i))
	}
	return 0
}

// maskCombine puts f of the masks R2 and R3 into R1, and says whether anything
// is set.
func maskCombine(t *interp.Thread, f func(a, b uint64) uint64) uint64 {
	dst := mask(t, t.R[1])
	a, b := maskPair(t, 2, 2)
	if dst == nil || a == nil {
		return 0
	}
	some := uint64(0)
	for i := range maskWords(t) {
		w := f(maskWord(a, i), maskWord(b, i)) & lastWord(t, i)
		putUint64(dst[8*i:], w)
		some |= w
	}
	if some != 0 {
		return 1
	}
	return 0
}

func maskCopy(t *interp.Thread) uint64 {
	dst, src := mask(t, t.R[1]), mask(t, t.R[2])
	if dst != nil && src != nil {
		copy(dst, src)
	}
	return 0
}

// maskAll says whether f holds for all words.
func maskAll(t *interp.Thread, f func(a, b uint64) bool, n int) uint64 {
	a, b := maskPair(t, 1, n)
	if a == nil {
		return 0
	}
	for i := range maskWords(t) {
		if last := lastWord(t, i); !f(maskWord(a, i)&last, maskWord(b, i)&last) {
			return 0
		}
	}
	return 1
}

func maskFull(t *interp.Thread) uint64 {
	b := mask(t, t.R[1])
	if b == nil {
		return 0
	}
	for i := range maskWords(t) {
		if last := lastWord(t, i); maskWord(b, i)&last != last {
			return 0
		}
	}
	return 1
}

func maskWeight(t *interp.Thread) uint64 {
	b := mask(t, t.R[1])
	n := 0
	for i := 0; b != nil && i < maskWords(t); i++ {
		n += bits.OnesCount64(maskWord(b, i) & lastWord(t, i))
	}
	return uint64(n)
}

func maskPopulate(t *interp.Thread) uint64 {
	dst, n := mask(t, t.R[1]), t.R[3]
	if dst == nil {
		return 0
	}
	src := t.Read(t.R[2], n)
	switch {
	case src == nil:
		return 0
	case len(src) < maskWords(t)*8:
		return fail(syscall.EACCES)
	case t.R[2]%8 != 0:
		return fail(syscall.EINVAL)
	}
	copy(dst, src)
	return 0
}
