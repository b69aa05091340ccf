//go:build linux

package embedded_test

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine/enginetest"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
)

// TestArenaKernel runs the arena stories' programs in Linux, whose answers the
// stories have. The kernel engine's library does not encode casts of addresses,
// so that the programs are loaded here by hand.
func TestArenaKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: bpf(2)")
	}
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("needs the kernel's types; make test-vm: %v", err)
	}
	for name, want := range map[string][]int64{
		"pages":   {4096, 0, 5, 1, 1, 1, 1, 1, 0, 0, 1, 0, 6},
		"reserve": {-16, 0, -16, 0, -22, 12288, 4096},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := enginetest.Object("arena")
			if err != nil {
				t.Fatal(err)
			}
			code, err := object.Instructions(spec.Programs[name], spec)
			if err != nil {
				t.Fatal(err)
			}
			out := spec.Variables["out"]
			live := map[string]*ebpf.Map{}
			for _, m := range code.Maps {
				ms := spec.Maps[m].Copy()
				if ms.Type == ebpf.Arena {
					ms.Contents, ms.MapExtra = nil, 1<<44
				}
				ms.Key, ms.Value = nil, nil
				if live[m], err = ebpf.NewMap(ms); err != nil {
					t.Skipf("this kernel does not know it; make test-vm runs it on others: %v", err)
				}
				defer live[m].Close()
			}
			insns := code.Instructions
			for i := range insns {
				in := &insns[i]
				switch {
				case in.Op == isa.LdImm64 && (in.Src == isa.PseudoMapIdx || in.Src == isa.PseudoMapIdxValue):
					in.Imm = int32(live[code.Maps[in.Imm]].FD())
					in.Src -= isa.PseudoMapIdx - isa.PseudoMapFD
				case in.Op == isa.Call && in.Src == isa.PseudoKfuncCall:
					var f *btf.Func
					if err := kernel.TypeByName(code.Kfuncs[in.Imm].Name, &f); err != nil {
						t.Skipf("this kernel does not know it; make test-vm runs it on others: %v", err)
					}
					id, err := kernel.TypeID(f)
					if err != nil {
						t.Fatal(err)
					}
					in.Imm = int32(id)
				}
			}
			fd := loadByHand(t, insns)
			defer unix.Close(fd)
			run := struct{ fd, ret, dataIn, dataOut, in, outp, n uint32 }{fd: uint32(fd)}
			if _, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_TEST_RUN, uintptr(unsafe.Pointer(&run)), unsafe.Sizeof(run)); e != 0 || run.ret != 0 {
				t.Fatalf("run: %d, %v", run.ret, e)
			}
			value := make([]byte, live[out.SectionName].ValueSize())
			if err := live[out.SectionName].Lookup(uint32(0), value); err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if got := int64(binary.NativeEndian.Uint64(value[int(out.Offset)+8*i:])); got != w {
					t.Errorf("out[%d] is %d in Linux, %d in the story", i, got, w)
				}
			}
		})
	}
}

func loadByHand(t *testing.T, insns []isa.Instruction) int {
	t.Helper()
	raw := make([]byte, 0, 8*len(insns))
	for _, in := range insns {
		raw = append(raw, in.Op, in.Src<<4|in.Dst)
		raw = binary.NativeEndian.AppendUint16(raw, uint16(in.Off))
		raw = binary.NativeEndian.AppendUint32(raw, uint32(in.Imm))
	}
	license := []byte("GPL\x00")
	log := make([]byte, 1<<16)
	attr := struct {
		typ, count       uint32
		insns, license   unsafe.Pointer
		level, size      uint32
		log              unsafe.Pointer
		version, flags   uint32
		_                [16]byte
		ifindex, attachT uint32
	}{
		typ: unix.BPF_PROG_TYPE_SYSCALL, count: uint32(len(insns)), insns: unsafe.Pointer(&raw[0]), license: unsafe.Pointer(&license[0]),
		level: 1, size: uint32(len(log)), log: unsafe.Pointer(&log[0]), flags: unix.BPF_F_SLEEPABLE,
	}
	fd, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if e != 0 {
		t.Fatalf("load: %v\n%s", e, log)
	}
	return int(fd)
}
