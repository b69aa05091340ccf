package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// hookContext is a context for a test run of a type at a socket, and the packet.
func hookContext(typ abi.ProgramType, family uint32) (ctx, data []byte) {
	if typ == abi.ProgFlowDissector {
		return nil, frame()
	}
	ctx = make([]byte, 72)
	for i := 16; i < 60; i++ {
		ctx[i] = byte(i)
	}
	ne := binary.NativeEndian
	ne.PutUint32(ctx[8:], family)
	ne.PutUint32(ctx[12:], 6)
	ne.PutUint16(ctx[38:], 0)
	ne.PutUint32(ctx[60:], 8080)
	return ctx, nil
}

// TestHookAccessAgainstKernel reads and writes every place of the contexts that
// test runs exist for.
func TestHookAccessAgainstKernel(t *testing.T) {
	needKernel618(t)
	m := newMachine(t, Config{CPUs: 1})
	for _, k := range []struct {
		typ    abi.ProgramType
		attach uint32
		size   int
	}{{abi.ProgSkLookup, uint32(abi.AttachSkLookup), 76}, {abi.ProgFlowDissector, 0, 196}} {
		for _, write := range []bool{false, true} {
			for _, size := range []uint8{isa.SizeB, isa.SizeH, isa.SizeW, isa.SizeDW} {
				for off := range k.size {
					checkHook(t, m, k.typ, k.attach, off, size, write)
				}
			}
		}
	}
}

// checkHook compares one access. Only two results may be returned: each bit of
// what was read is asked for in a run of its own by way of a mask.
func checkHook(t *testing.T, m *Machine, typ abi.ProgramType, attach uint32, off int, size uint8, write bool) {
	if !write && (typ == abi.ProgFlowDissector && (off == 76 || off == 80 || off == 144) || typ == abi.ProgSkLookup && off == 0) {
		return // pointers, with which the program below may not do what it does
	}
	what := fmt.Sprintf("%s: offset %d, size bits %#x, write %v", typ, off, size, write)
	for _, family := range []uint32{2, 10} {
		ctx, data := hookContext(typ, family)
		width := 8 << [4]int{isa.SizeW >> 3: 2, isa.SizeH >> 3: 1, isa.SizeB >> 3: 0, isa.SizeDW >> 3: 3}[size>>3]
		for _, bit := range []int{0, 1, 3, width - 1, width - 3} {
			insns := hookProgram(off, size, write, bit)
			kp, err := kernelLoadAttach(typ, attach, insns)
			var r *rejected
			if err != nil && !errors.As(err, &r) {
				t.Fatal(err)
			}
			p, lerr := m.Load(&ProgramSpec{Name: "access", Type: typ, AttachType: abi.AttachType(attach), Instructions: insns})
			if lerr != nil {
				t.Fatal(lerr)
			}
			res, rerr := p.TestRun(&TestInput{Data: data, Context: bytes.Clone(ctx)})
			p.Close()
			if err != nil {
				if !errors.Is(rerr, ErrFault) {
					t.Errorf("%s: the kernel refuses it, and the run gives %#x, %v", what, res.Return, rerr)
				}
				return
			}
			opts := ebpf.RunOptions{Data: data}
			if ctx != nil {
				opts.Context = ctx
			}
			ret, kerr := kp.Run(&opts)
			kp.Close()
			if kerr != nil || rerr != nil {
				t.Errorf("%s: %v, the kernel %v", what, rerr, kerr)
				return
			}
			if ret != res.Return {
				t.Errorf("%s, family %d, bit %d: %d, the kernel %d", what, family, bit, res.Return, ret)
			}
		}
	}
}

func hookProgram(off int, size uint8, write bool, bit int) []isa.Instruction {
	if write {
		return []isa.Instruction{
			{Op: isa.MovK, Dst: 2, Imm: 5},
			{Op: isa.ClassSTX | isa.ModeMEM | size, Dst: 1, Src: 2, Off: int16(off)},
			{Op: isa.MovK, Dst: 0, Imm: 1},
			{Op: isa.Exit},
		}
	}
	return []isa.Instruction{
		{Op: isa.ClassLDX | isa.ModeMEM | size, Dst: 2, Src: 1, Off: int16(off)},
		{Op: isa.MovK, Dst: 0, Imm: 1},
		{Op: isa.ClassALU64 | isa.OpRsh, Dst: 2, Imm: int32(bit)},
		{Op: isa.ClassALU64 | isa.OpAnd, Dst: 2, Imm: 1},
		{Op: isa.ClassJMP | isa.OpJEQ, Dst: 2, Imm: 1, Off: 1},
		{Op: isa.MovK, Dst: 0, Imm: 0},
		{Op: isa.Exit},
	}
}

// TestFlowKeysAgainstKernel: what a flow dissector starts with, what it writes,
// and what is made of it.
func TestFlowKeysAgainstKernel(t *testing.T) {
	needKernel618(t)
	m := newMachine(t, Config{CPUs: 1})
	const keys = "r7 = *(u64 *)(r1 +144)\n"
	for name, code := range map[string]string{
		"nothing":     "r0 = 0\nexit",
		"offsets":     keys + "*(u16 *)(r7 +0) = 20\n*(u16 *)(r7 +2) = 40\nr0 = 0\nexit",
		"before":      keys + "*(u16 *)(r7 +0) = 2\n*(u16 *)(r7 +2) = 1\nr0 = 0\nexit",
		"behind":      keys + "*(u16 *)(r7 +0) = 2000\n*(u16 *)(r7 +2) = 3000\nr0 = 2\nexit",
		"all":         keys + "*(u64 *)(r7 +16) = -1\n*(u64 *)(r7 +40) = -1\n*(u8 *)(r7 +9) = 17\n*(u32 *)(r7 +52) = 7\nr0 = 0\nexit",
		"flags":       keys + "r1 = *(u32 *)(r7 +48)\n*(u32 *)(r7 +20) = r1\nr0 = 0\nexit",
		"load bytes":  keys + "r2 = 12\nr3 = r10\nr3 += -8\nr4 = 4\n*(u64 *)(r10 -8) = 0\ncall helper#26\nr1 = *(u64 *)(r10 -8)\n*(u32 *)(r7 +20) = r1\nr0 = 0\nexit",
		"load beyond": keys + "r2 = 62\nr3 = r10\nr3 += -8\nr4 = 4\n*(u64 *)(r10 -8) = -1\ncall helper#26\nr1 = *(u64 *)(r10 -8)\n*(u32 *)(r7 +20) = r1\n*(u32 *)(r7 +24) = r0\nr0 = 0\nexit",
		"packet":      keys + "r2 = *(u32 *)(r1 +76)\nr3 = *(u32 *)(r1 +80)\nr4 = r2\nr4 += 34\nif r4 > r3 goto pc+2\nr4 = *(u32 *)(r2 +26)\n*(u32 *)(r7 +16) = r4\nr0 = 0\nexit",
	} {
		for _, flags := range []uint32{0, 1} {
			insns := assemble(t, code)
			kp, err := kernelLoad(abi.ProgFlowDissector, insns, 0)
			if err != nil {
				t.Errorf("%s: %.300v", name, err)
				continue
			}
			p := load(t, m, abi.ProgFlowDissector, insns)
			ctx := make([]byte, 56)
			binary.NativeEndian.PutUint32(ctx[48:], flags)
			opts := ebpf.RunOptions{Data: frame(), DataOut: make([]byte, 56), Context: ctx}
			ret, err := kp.Run(&opts)
			kp.Close()
			res, rerr := p.TestRun(&TestInput{Data: frame(), Context: ctx})
			if err != nil || rerr != nil || ret != res.Return || !bytes.Equal(res.Data, opts.DataOut) {
				t.Errorf("%s: %d, %v\n%x\nthe kernel %d, %v\n%x", name, res.Return, rerr, res.Data, ret, err, opts.DataOut)
			}
		}
	}
}

// TestHookInputAgainstKernel: what a test run refuses.
func TestHookInputAgainstKernel(t *testing.T) {
	needKernel618(t)
	m := newMachine(t, Config{CPUs: 1})
	insns := assemble(t, "r0 = 1\nexit")
	for _, typ := range []abi.ProgramType{abi.ProgSkLookup, abi.ProgFlowDissector} {
		attach := uint32(0)
		if typ == abi.ProgSkLookup {
			attach = uint32(abi.AttachSkLookup)
		}
		kp, err := kernelLoadAttach(typ, attach, insns)
		if err != nil {
			t.Fatal(err)
		}
		defer kp.Close()
		p := load(t, m, typ, insns)
		good, data := hookContext(typ, 2)
		for at := range 80 {
			ctx := make([]byte, max(len(good), at+1))
			copy(ctx, good)
			ctx[at] ^= 0x80
			opts := ebpf.RunOptions{Data: data, Context: ctx}
			ret, err := kp.Run(&opts)
			res, rerr := p.TestRun(&TestInput{Data: data, Context: ctx})
			var ke, oe syscall.Errno
			errors.As(err, &ke)
			errors.As(rerr, &oe)
			if uint32(ke) != uint32(oe) || err == nil && ret != res.Return {
				t.Errorf("%s: byte %d: %d, %v; the kernel %d, %v", typ, at, res.Return, rerr, ret, err)
			}
		}
	}
}

// TestRunHook runs programs that Linux has no test run for.
func TestRunHook(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	// connect4: to port 80 of another address, for port 53 a refusal.
	connect, err := m.Load(&ProgramSpec{
		Name: "connect", Type: abi.ProgCgroupSockAddr, AttachType: abi.AttachCgroupInet4Connect, License: "GPL",
		Instructions: assemble(t, `
			r6 = r1
			r1 = *(u32 *)(r6 +24)
			if r1 == 0x3500 goto no
			*(u32 *)(r6 +4) = 0x0200000a
			*(u32 *)(r6 +24) = 0x5000
			r0 = 1
			exit
			no:
			r1 = -111
			call helper#187
			r0 = 0
			exit`),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer connect.Close()
	ctx := make([]byte, 72)
	v, err := connect.RunHook(ctx, nil)
	if err != nil || v.Return != 1 || ctx[4] != 10 || ctx[7] != 2 || ctx[25] != 0x50 {
		t.Errorf("%+v, %v, %x", v, err, ctx)
	}
	binary.NativeEndian.PutUint32(ctx[24:], 0x3500)
	if v, err = connect.RunContext(ctx); err != nil || v.Return != 0 || v.Retval != -111 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := connect.RunHook(ctx[:70], nil); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a short context: %v", err)
	}
	// An option's value is memory that the program may change.
	option := load(t, m, abi.ProgCgroupSockopt, assemble(t, `
		r2 = *(u64 *)(r1 +8)
		r3 = *(u64 *)(r1 +16)
		r4 = r2
		r4 += 4
		r0 = 0
		if r4 > r3 goto pc+2
		*(u32 *)(r2 +0) = 9
		r0 = 1
		exit`))
	value := make([]byte, 4)
	if v, err := option.RunHook(make([]byte, 40), value); err != nil || v.Return != 1 || value[0]|value[3] != 9 {
		t.Errorf("%+v, %v, %x", v, err, value)
	}
	if v, err := option.RunHook(make([]byte, 40), value[:3]); err != nil || v.Return != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	var ns *NotSupportedError
	if _, err := option.TestRun(nil); !errors.As(err, &ns) {
		t.Errorf("test run: %v", err)
	}
}
