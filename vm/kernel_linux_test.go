package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// The kernel as a second opinion: the same instructions are loaded there, byte
// for byte, and test-run.

// needKernel skips where programs cannot be loaded into the kernel.
func needKernel(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to load programs into the kernel")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Skipf("memlock limit: %v", err)
	}
	p, err := kernelLoad(abi.ProgSocketFilter, assemble(t, "r0 = 0\nexit"), 0)
	if err != nil {
		t.Skipf("the kernel does not load programs here: %v", err)
	}
	p.Close()
}

// needKernel618 is needKernel for tests of details that older kernels answer
// differently.
func needKernel618(t testing.TB) {
	t.Helper()
	needKernel(t)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	release := unix.ByteSliceToString(u.Release[:])
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil || major*1000+minor < 6018 {
		t.Skipf("needs Linux 6.18; this is %s", release)
	}
}

// progLoadAttr is the beginning of union bpf_attr for BPF_PROG_LOAD.
type progLoadAttr struct {
	progType, insnCount uint32
	insns, license      uint64
	logLevel, logSize   uint32
	logBuf              uint64
	kernVersion, flags  uint32
	name                [16]byte
	ifindex, attachType uint32
}

type rejected struct {
	err error
	log string
}

func (r *rejected) Error() string { return r.err.Error() + ": " + r.log }

func kernelLoad(typ abi.ProgramType, insns []isa.Instruction, flags uint32) (*ebpf.Program, error) {
	return kernelLoadWith(typ, insns, flags, 0)
}

// kernelLoadAttach is kernelLoad for types that name what they attach to.
func kernelLoadAttach(typ abi.ProgramType, attach uint32, insns []isa.Instruction) (*ebpf.Program, error) {
	return kernelLoadWith(typ, insns, 0, attach)
}

func kernelLoadWith(typ abi.ProgramType, insns []isa.Instruction, flags, attach uint32) (*ebpf.Program, error) {
	code, err := isa.Encode(insns, binary.NativeEndian)
	if err != nil {
		return nil, err
	}
	license := []byte("GPL\x00")
	log := make([]byte, 1<<16)
	attr := progLoadAttr{
		progType: uint32(typ), insnCount: uint32(len(insns)), flags: flags, attachType: attach,
		insns:    uint64(uintptr(unsafe.Pointer(&code[0]))),
		license:  uint64(uintptr(unsafe.Pointer(&license[0]))),
		logLevel: 1, logSize: uint32(len(log)), logBuf: uint64(uintptr(unsafe.Pointer(&log[0]))),
	}
	const progLoad = 5
	fd, _, errno := unix.Syscall(unix.SYS_BPF, progLoad, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	for range 50 {
		if errno != unix.EAGAIN {
			break
		}
		// A signal, such as Go's for preemption, interrupts the verifier.
		fd, _, errno = unix.Syscall(unix.SYS_BPF, progLoad, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	}
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if errno != 0 {
		text := strings.TrimRight(string(log), "\x00")
		if len(text) > 600 {
			text = text[len(text)-600:]
		}
		return nil, &rejected{errno, text}
	}
	return ebpf.NewProgramFromFD(int(fd))
}

// kernelRun loads and test-runs; ok is false if the verifier refuses the
// program.
func kernelRun(t testing.TB, typ abi.ProgramType, insns []isa.Instruction, data []byte) (ret uint32, out []byte, ok bool) {
	t.Helper()
	p, err := kernelLoad(typ, insns, 0)
	var r *rejected
	if errors.As(err, &r) {
		t.Logf("the kernel refuses: %v", r)
		return 0, nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	opts := ebpf.RunOptions{Data: data, DataOut: make([]byte, len(data)+512)}
	ret, err = p.Run(&opts)
	if err != nil {
		t.Fatalf("test run in the kernel: %v", err)
	}
	return ret, opts.DataOut, true
}
