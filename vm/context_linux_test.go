package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// TestContextAccessAgainstKernel reads and writes every place of every context
// in every size. What the verifier refuses must be a fault, and what it allows
// must give the same value, except where the value is an address or the
// kernel's own.
func TestContextAccessAgainstKernel(t *testing.T) {
	needKernel618(t)
	kinds := []struct {
		typ  abi.ProgramType
		size int
	}{{abi.ProgXDP, 32}, {abi.ProgSchedCLS, 200}, {abi.ProgSocketFilter, 200}, {abi.ProgCgroupSKB, 200}}
	for _, k := range kinds {
		t.Run(k.typ.String(), func(t *testing.T) {
			m := newMachine(t, Config{CPUs: 1})
			for _, write := range []bool{false, true} {
				for _, size := range []uint8{isa.SizeB, isa.SizeH, isa.SizeW, isa.SizeDW} {
					for off := range k.size {
						checkAccess(t, m, k.typ, off, size, write)
					}
				}
			}
		})
	}
}

// accessProgram reads the place into r0, or writes to it.
func accessProgram(typ abi.ProgramType, off int, size uint8, write bool) []isa.Instruction {
	if write {
		return []isa.Instruction{
			{Op: isa.MovK, Dst: 2, Imm: 0x1234567},
			{Op: isa.ClassSTX | isa.ModeMEM | size, Dst: 1, Src: 2, Off: int16(off)},
			{Op: isa.MovK, Dst: 0},
			{Op: isa.Exit},
		}
	}
	p := []isa.Instruction{{Op: isa.ClassLDX | isa.ModeMEM | size, Dst: 0, Src: 1, Off: int16(off)}}
	if typ == abi.ProgCgroupSKB {
		// Only 0 to 3 may be returned: the value goes to cb[0].
		p = append(p,
			isa.Instruction{Op: isa.ClassSTX | isa.ModeMEM | isa.SizeW, Dst: 1, Off: 48},
			isa.Instruction{Op: isa.MovK, Dst: 0, Imm: 1})
	}
	return append(p, isa.Instruction{Op: isa.Exit})
}

func checkAccess(t *testing.T, m *Machine, typ abi.ProgramType, off int, size uint8, write bool) {
	insns := accessProgram(typ, off, size, write)
	what := fmt.Sprintf("offset %d, size bits %#x, write %v", off, size, write)
	ctx := make([]byte, 192)
	binary.NativeEndian.PutUint32(ctx[8:], 0xa1b2c3d4)   // mark
	binary.NativeEndian.PutUint32(ctx[32:], 0x01020304)  // priority
	binary.NativeEndian.PutUint32(ctx[52:], 0x55667788)  // cb[1]
	binary.NativeEndian.PutUint64(ctx[152:], 0x99887766) // tstamp
	binary.NativeEndian.PutUint32(ctx[164:], 7)          // gso_segs
	binary.NativeEndian.PutUint32(ctx[176:], 900)        // gso_size
	binary.NativeEndian.PutUint64(ctx[184:], 0x1122334455)
	if typ == abi.ProgXDP {
		ctx = nil
	}
	kp, err := kernelLoad(typ, insns, 0)
	var r *rejected
	if err != nil && !errors.As(err, &r) {
		t.Fatal(err)
	}
	p, lerr := m.Load(&ProgramSpec{Name: "access", Type: typ, Instructions: insns})
	if lerr != nil {
		t.Fatal(lerr)
	}
	defer p.Close()
	res, rerr := p.TestRun(&TestInput{Data: frame(), Context: ctx, WantContext: ctx != nil})
	if err != nil {
		if !errors.Is(rerr, ErrFault) {
			t.Errorf("%s: the kernel refuses it, and the run gives %#x, %v", what, res.Return, rerr)
		}
		return
	}
	defer kp.Close()
	if rerr != nil {
		t.Errorf("%s: the kernel allows it: %v", what, rerr)
		return
	}
	opts := ebpf.RunOptions{Data: frame()}
	if ctx != nil {
		opts.Context, opts.ContextOut = ctx, make([]byte, 192)
	}
	ret, err := kp.Run(&opts)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	switch {
	case typ == abi.ProgXDP && off < 12, off >= 76 && off < 84, off >= 140 && off < 144: // addresses
		return
	case off >= 168 && off < 176: // the socket
		return
	}
	if ret != res.Return {
		t.Errorf("%s: %#x, the kernel gives %#x", what, res.Return, ret)
	}
	if ctx != nil {
		got, want := res.Context, opts.ContextOut.([]byte)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: context afterwards differs at byte %d: %#x, the kernel's %#x", what, i, got[i:min(i+8, 192)], want[i:min(i+8, 192)])
				break
			}
		}
	}
}
