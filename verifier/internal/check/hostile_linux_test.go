package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// kernelLenient are hostile programs that Linux 6.18 takes, with the reason.
var kernelLenient = map[string]string{
	"bpf_csum_diff of what may be NULL": "the helper reads at NULL",
}

// TestHostileKernel asks the running kernel about the hostile programs: it must
// refuse them too, with the same words, but for those in kernelLenient. What cannot be asked is what
// is bound to the small kernel's types, to a user without rights, or to another
// version.
func TestHostileKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to load programs into the kernel")
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	if release := unix.ByteSliceToString(u.Release[:]); !strings.HasPrefix(release, "6.18.") {
		t.Skipf("needs Linux 6.18, whose verdicts these are; this is %s", release)
	}
	w := &kernelWorld{}
	w.kernel, w.prog = smallKernel(t)
	files, err := filepath.Glob("testdata/hostile/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, file := range files {
		for _, tc := range readCases(t, file) {
			p, o, err := w.program(&tc)
			if err != nil {
				t.Fatal(err)
			}
			if o.Unprivileged || o.Kernel != 0 || !askable(p) {
				continue
			}
			log, err := loadHostile(t, p)
			lenient := kernelLenient[tc.name] != ""
			switch {
			case strings.Contains(log, "missing btf") || strings.Contains(log, "without BTF"):
				continue
			case err == nil && !lenient:
				t.Errorf("%s:%d: %q: the kernel takes it\n%s", tc.file, tc.line, tc.name, log)
			case err != nil && lenient:
				t.Errorf("%s:%d: %q: the kernel refuses it now: %v\n%s", tc.file, tc.line, tc.name, err, log)
			case err != nil && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.E2BIG) && !errors.Is(err, unix.EBUSY):
				t.Errorf("%s:%d: %q: %v, which is no verdict\n%s", tc.file, tc.line, tc.name, err, log)
			}
			asked++
			var ours *Rejection
			if _, verdict := Verify(context.Background(), p, o); !errors.As(verdict, &ours) {
				t.Errorf("%s:%d: %q: ours says %v", tc.file, tc.line, tc.name, verdict)
			} else if words, _, _ := strings.Cut(ours.Message, "\n"); !lenient && !strings.Contains(log, words) {
				t.Errorf("%s:%d: %q: ours says %s, and the kernel\n%s", tc.file, tc.line, tc.name, words, log)
			}
		}
	}
	if asked < 40 {
		t.Errorf("only %d programs were asked for", asked)
	}
}

// askable: the kernel needs no types to judge it.
func askable(p *Program) bool {
	if len(p.Kfuncs) > 0 || p.AttachTo != "" {
		return false
	}
	return !slices.ContainsFunc(p.Maps, func(m *Map) bool { return m.Value != nil })
}

// loadHostile loads a program byte for byte and returns the end of the log.
func loadHostile(t *testing.T, p *Program) (log string, err error) {
	t.Helper()
	insns := slices.Clone(p.Instructions)
	fds := make([]int32, len(p.Maps))
	for i, m := range p.Maps {
		flags, extra := uint32(m.Flags), uint64(0)
		if m.Type == abi.MapArena {
			flags, extra = flags|unix.BPF_F_MMAPABLE, 1<<44 // where users see it
		}
		made, err := ebpf.NewMap(&ebpf.MapSpec{
			Type: ebpf.MapType(m.Type), KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries, Flags: flags, MapExtra: extra,
		})
		if err != nil {
			t.Fatalf("map %s: %v", m.Name, err)
		}
		defer made.Close()
		fds[i] = int32(made.FD())
	}
	for i := range insns {
		ins := &insns[i]
		switch {
		case ins.Op == isa.LdImm64 && ins.Src == isa.PseudoMapIdx:
			ins.Src, ins.Imm = isa.PseudoMapFD, fds[ins.Imm]
		case ins.Op == isa.LdImm64 && ins.Src == isa.PseudoMapIdxValue:
			ins.Src, ins.Imm = isa.PseudoMapValue, fds[ins.Imm]
		}
	}
	code, err := isa.Encode(insns, binary.NativeEndian)
	if err != nil {
		t.Fatal(err)
	}
	license, buf := append([]byte(p.License), 0), make([]byte, 1<<20)
	attr := struct { // the beginning of union bpf_attr for BPF_PROG_LOAD
		progType, insnCount uint32
		insns, license      uint64
		logLevel, logSize   uint32
		logBuf              uint64
		kernVersion, flags  uint32
		name                [16]byte
		ifindex, attach     uint32
	}{
		progType: uint32(p.Type), insnCount: uint32(len(insns)),
		insns: uint64(uintptr(unsafe.Pointer(&code[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
		logLevel: 1, logSize: uint32(len(buf)), logBuf: uint64(uintptr(unsafe.Pointer(&buf[0]))),
		flags: uint32(p.Flags), attach: uint32(p.AttachType),
	}
	errno := unix.EAGAIN
	for try := 0; errno == unix.EAGAIN && try < 50; try++ {
		var fd uintptr
		fd, _, errno = unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		if errno == 0 {
			unix.Close(int(fd))
		}
	}
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	log = string(buf[:max(bytes.IndexByte(buf, 0), 0)])
	if errno != 0 {
		return log, errno
	}
	return log, nil
}
