package vm

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/skepdev/skep/abi"
)

// TestNativePrefixes looks addresses of every size that native code walks, and of
// one that it does not, up in random tries, with every length of prefix.
func TestNativePrefixes(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	for _, size := range []int{1, 2, 3, 4, 5, 7, 8, 16} {
		var tries [2][]*Map
		for i, m := range []*Machine{native, interpreted} {
			mp := newMap(t, m, MapSpec{Name: "trie", Type: abi.MapLPMTrie, KeySize: uint32(4 + size), ValueSize: 4, MaxEntries: 600, Flags: abi.FlagNoPrealloc})
			tries[i] = []*Map{mp}
			rnd := uint64(size)
			for n := range uint32(300) {
				rnd = rnd*6364136223846793005 + 1442695040888963407
				key := binary.NativeEndian.AppendUint32(nil, uint32(rnd>>40)%uint32(8*size+1))
				for k := range size {
					key = append(key, byte(rnd>>(20+8*(k%4)))&0x83)
				}
				if err := mp.Update(key, binary.NativeEndian.AppendUint32(nil, n), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		hits := 0
		for n := range 150 {
			length := n % (8*size + 3)
			code := fmt.Sprintf("*(u64 *)(r10 -24) = %d\n*(u64 *)(r10 -16) = %d\n*(u64 *)(r10 -8) = 0\n*(u32 *)(r10 -24) = %d\n", n*37, n*0x01830281&0x7fffffff, length)
			for k := range min(size, 4) {
				code += fmt.Sprintf("*(u8 *)(r10 %d) = %d\n", -20+k, (n>>(2*k))&0x83|n&3)
			}
			code += "r6 = 6\nr2 = r10\nr2 += -24\nr1 = map[idx:0]\ncall helper#1\nif r0 == 0 goto out\nr0 = *(u32 *)(r0 +0)\nr0 += r6\nout:\nexit"
			insns := assemble(t, code)
			a, b := outcome(t, native, insns, tries[0]...), outcome(t, interpreted, insns, tries[1]...)
			if a != b {
				t.Fatalf("%d bytes, length %d, number %d: native code says %s, the interpreter %s", size, length, n, a, b)
			}
			if a != "0" {
				hits++
			}
		}
		if hits < 8 {
			t.Errorf("%d bytes: only %d hits", size, hits)
		}
	}
}

// TestNativePrefixesWhileChanging looks up what is always there while Go adds and
// removes its neighbours.
func TestNativePrefixesWhileChanging(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 2})
	mp := newMap(t, native, MapSpec{Name: "trie", Type: abi.MapLPMTrie, KeySize: 8, ValueSize: 4, MaxEntries: 600, Flags: abi.FlagNoPrealloc})
	if err := mp.Update([]byte{16, 0, 0, 0, 10, 1, 0, 0}, []byte{42, 0, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	p := load(t, native, abi.ProgXDP, assemble(t, "*(u32 *)(r10 -8) = 32\nr1 = 0x0300010a ll\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -8\nr1 = map[idx:0]\ncall helper#1\nif r0 == 0 goto out\nr0 = *(u32 *)(r0 +0)\nout:\nexit"), mp)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 5000 {
			key := []byte{byte(8 + n%25), 0, 0, 0, 10, byte(n % 3), byte(n >> 3), byte(n)}
			if n%25 == 8 && n%3 == 1 {
				continue // the one that stays
			}
			_ = mp.Update(key, []byte{42, 0, 0, 0}, 0)
			_ = mp.Delete(key)
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		res, err := p.TestRun(&TestInput{Data: frame(), Repeat: 100})
		if err != nil || res.Return != 42 {
			t.Fatalf("%d, %v; want 42", res.Return, err)
		}
	}
}
