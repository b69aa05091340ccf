package abi_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/abi"
)

// loadAttr is the head of union bpf_attr for BPF_PROG_LOAD.
type loadAttr struct {
	progType, count    uint32
	insns, license     uint64
	logLevel, logSize  uint32
	log                uint64
	version, flags     uint32
	name               [16]byte
	ifindex, attach    uint32
	btfFD, funcRecSize uint32
	funcs              uint64
	funcCount, lineRec uint32
	lines              uint64
	lineCount, btfID   uint32
}

// ask loads a program that only calls a helper and returns what the verifier
// says of it.
func ask(t *testing.T, a loadAttr, id abi.HelperID, license string) string {
	t.Helper()
	return load(t, a, []byte{0x85, 0, 0, 0, byte(id), 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}, license)
}

// load loads a program and returns the error and the verifier's log, or "".
func load(t *testing.T, a loadAttr, code []byte, license string) string {
	t.Helper()
	text := append([]byte(license), 0)
	log := make([]byte, 8192)
	a.count = uint32(len(code) / 8)
	a.insns = uint64(uintptr(unsafe.Pointer(&code[0])))
	a.license = uint64(uintptr(unsafe.Pointer(&text[0])))
	a.logLevel, a.logSize = 1, uint32(len(log))
	a.log = uint64(uintptr(unsafe.Pointer(&log[0])))
	const progLoad = 5
	fd, _, errno := unix.Syscall(unix.SYS_BPF, progLoad, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
	for errno == unix.EAGAIN { // a signal came while the verifier was at work
		fd, _, errno = unix.Syscall(unix.SYS_BPF, progLoad, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
	}
	runtime.KeepAlive(code)
	runtime.KeepAlive(text)
	runtime.KeepAlive(log)
	if errno == 0 {
		unix.Close(int(fd))
		return ""
	}
	if errors.Is(errno, unix.EPERM) {
		t.Skip("needs the right to load programs")
	}
	s, _, _ := strings.Cut(string(log), "\x00")
	return errno.Error() + ": " + s
}

// asked are the program types the kernel can be asked about with a bare
// program. Infrared decoders, LSM hooks and extensions need more than most
// machines have.
func asked(t *testing.T) map[abi.ProgramType][]loadAttr {
	out := map[abi.ProgramType][]loadAttr{}
	add := func(typ abi.ProgramType, attach ...abi.AttachType) {
		for _, a := range attach {
			out[typ] = append(out[typ], loadAttr{progType: uint32(typ), attach: uint32(a)})
		}
	}
	for _, typ := range []abi.ProgramType{
		abi.ProgSocketFilter, abi.ProgSchedCLS, abi.ProgSchedACT, abi.ProgTracepoint, abi.ProgXDP,
		abi.ProgPerfEvent, abi.ProgLWTIn, abi.ProgLWTOut, abi.ProgLWTXmit, abi.ProgSkSKB, abi.ProgSkMsg,
		abi.ProgRawTracepoint, abi.ProgLWTSeg6local, abi.ProgSkReuseport, abi.ProgFlowDissector,
		abi.ProgRawTracepointWritable,
	} {
		add(typ, 0)
	}
	add(abi.ProgKprobe, 0, abi.AttachTraceUprobeMulti)
	add(abi.ProgCgroupSKB, abi.AttachCgroupInetIngress, abi.AttachCgroupInetEgress)
	add(abi.ProgCgroupSock, abi.AttachCgroupInetSockCreate, abi.AttachCgroupInet4PostBind)
	add(abi.ProgSockOps, abi.AttachCgroupSockOps)
	add(abi.ProgCgroupDevice, abi.AttachCgroupDevice)
	add(abi.ProgCgroupSockAddr, abi.AttachCgroupInet4Connect, abi.AttachCgroupInet4Bind, abi.AttachCgroupUDP4Sendmsg, abi.AttachCgroupInet4Getpeername)
	add(abi.ProgCgroupSysctl, abi.AttachCgroupSysctl)
	add(abi.ProgCgroupSockopt, abi.AttachCgroupGetsockopt, abi.AttachCgroupSetsockopt)
	add(abi.ProgSkLookup, abi.AttachSkLookup)
	add(abi.ProgNetfilter, abi.AttachNetfilter)
	out[abi.ProgSyscall] = []loadAttr{{progType: uint32(abi.ProgSyscall), flags: abi.FlagSleepable}}
	if id := kernelType(t, "btf_trace_sched_switch"); id != 0 {
		out[abi.ProgTracing] = []loadAttr{{progType: uint32(abi.ProgTracing), attach: uint32(abi.AttachTraceRawTP), btfID: id}}
	}
	return out
}

func kernelType(t *testing.T, name string) uint32 {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Logf("without BTF tracing programs are not asked about: %v", err)
		return 0
	}
	types, err := spec.AnyTypesByName(name)
	if err != nil || len(types) == 0 {
		return 0
	}
	id, err := spec.TypeID(types[0])
	if err != nil {
		return 0
	}
	return uint32(id)
}

// optional are helpers that exist only in some configurations of the kernel,
// or with attach types that cannot be asked about.
var optional = map[abi.HelperID]bool{
	abi.FnProbeWriteUser: true, abi.FnOverrideReturn: true, abi.FnSeqPrintf: true, abi.FnSeqWrite: true,
	abi.FnSeqPrintfBtf: true, abi.FnGetFuncArg: true, abi.FnGetFuncRet: true, abi.FnGetFuncArgCnt: true,
	abi.FnSkbGetXfrmState: true, abi.FnGetRouteRealm: true, abi.FnSkbUnderCgroup: true, abi.FnLwtSeg6StoreBytes: true,
	abi.FnLwtSeg6Action: true, abi.FnLwtSeg6AdjustSrh: true, abi.FnTcpCheckSyncookie: true, abi.FnTcpGenSyncookie: true,
}

// needLinux618 skips on kernels that the tables are not of.
func needLinux618(t *testing.T) {
	t.Helper()
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	if release := unix.ByteSliceToString(uts.Release[:]); !strings.HasPrefix(release, "6.18.") {
		t.Skipf("needs Linux 6.18, whose tables these are; this is %s", release)
	}
}

// The running kernel must offer its program types the helpers that the tables
// say, under the licence they say.
func TestKernelOffersTheHelpers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to ask the verifier")
	}
	needLinux618(t)
	for typ, attrs := range asked(t) {
		for _, h := range abi.Helpers() {
			if typ == abi.ProgKprobe && h.ID == abi.FnGetFuncIp {
				continue // free of the GPL for multi-probes only
			}
			compareHelper(t, typ, attrs, &h)
		}
	}
}

func compareHelper(t *testing.T, typ abi.ProgramType, attrs []loadAttr, h *abi.Helper) {
	t.Helper()
	offered, gpl, sleeps := false, false, false
	for _, a := range attrs {
		answer := ask(t, a, h.ID, "GPL")
		if !strings.Contains(answer, "cannot use helper") {
			offered = true
			sleeps = sleeps || strings.Contains(answer, "might sleep")
			gpl = gpl || strings.Contains(ask(t, a, h.ID, "Apache-2.0"), "GPL-restricted")
		}
	}
	_, flags, ok := h.Prototype(typ)
	switch {
	case offered && !ok:
		t.Errorf("%v: %v is offered by the kernel, not by the table", typ, h.ID)
	case ok && !offered:
		if !optional[h.ID] {
			t.Errorf("%v: %v is offered by the table, not by the kernel", typ, h.ID)
		}
	case ok && gpl != (flags&abi.HelperGPL != 0):
		t.Errorf("%v: %v: GPL only is %v in the kernel", typ, h.ID, gpl)
	case ok && sleeps && flags&abi.HelperSleeps == 0:
		t.Errorf("%v: %v might sleep in the kernel", typ, h.ID)
	}
}
