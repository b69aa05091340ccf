//go:build linux

package gen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// Kernel loads programs into the running kernel as they are, byte for byte. It is
// for one goroutine.
type Kernel struct {
	maps []*ebpf.Map
	fds  map[abi.ProgramType][]int32 // in the order of Maps
	btf  map[int]int                 // type information for that many functions
	log  []byte
	ids  []int32 // of Kfuncs in the kernel's types; 0 where it has none
}

// OpenKernel makes the maps that programs refer to. It needs root.
func OpenKernel() (*Kernel, error) {
	k := &Kernel{btf: map[int]int{}, fds: map[abi.ProgramType][]int32{}, log: make([]byte, logSize)}
	var shared []int32
	for _, m := range Maps() {
		fd, err := k.newMap(m)
		if err != nil {
			return nil, errors.Join(err, k.Close())
		}
		shared = append(shared, fd)
	}
	for _, t := range Types() {
		fds := slices.Clone(shared)
		// A program array belongs to the type of the first program that refers to it.
		fd, err := k.newMap(Maps()[progMap])
		if err != nil {
			return nil, errors.Join(err, k.Close())
		}
		fds[progMap] = fd
		k.fds[t] = fds
	}
	k.findKfuncs()
	return k, nil
}

func (k *Kernel) findKfuncs() {
	k.ids = make([]int32, len(Kfuncs()))
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return // programs that call them have no verdict
	}
	for i, name := range Kfuncs() {
		var fn *btf.Func
		if types.TypeByName(name, &fn) != nil {
			continue
		}
		if id, err := types.TypeID(fn); err == nil {
			k.ids[i] = int32(id)
		}
	}
}

// withKfuncs are the instructions with the kernel's numbers for its functions.
func (k *Kernel) withKfuncs(insns []isa.Instruction) ([]isa.Instruction, error) {
	out := slices.Clone(insns)
	for i := 0; i < len(out); i += out[i].Width() {
		if !out[i].IsKfuncCall() {
			continue
		}
		n := int(out[i].Imm)
		if n < 0 || n >= len(k.ids) || k.ids[n] == 0 {
			return nil, fmt.Errorf("gen: %w: the kernel has no such function", ErrTypes)
		}
		out[i].Imm = k.ids[n]
	}
	return out, nil
}

func (k *Kernel) newMap(m Map) (int32, error) {
	made, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.MapType(m.Type), KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries, Flags: m.Flags()})
	if err != nil {
		return -1, fmt.Errorf("gen: map %s: %w", m.Name, err)
	}
	k.maps = append(k.maps, made)
	if m.Constants != nil {
		if err := errors.Join(made.Put(uint32(0), m.Constants), made.Freeze()); err != nil {
			return -1, fmt.Errorf("gen: map %s: %w", m.Name, err)
		}
	}
	return int32(made.FD()), nil
}

// Close lets the maps go.
func (k *Kernel) Close() error {
	var errs []error
	for _, m := range k.maps {
		errs = append(errs, m.Close())
	}
	for _, fd := range k.btf {
		errs = append(errs, unix.Close(fd))
	}
	k.maps, k.btf = nil, nil
	return errors.Join(errs...)
}

// logSize holds the logs of nearly all programs; of others their end.
const logSize = 1 << 20

// Rejection is the kernel's refusal of a program.
type Rejection struct {
	Errno unix.Errno
	Log   string // as far as it was asked for
}

func (r *Rejection) Error() string { return "the kernel rejects it: " + r.Errno.Error() }

// Unwrap makes the errno known to errors.Is.
func (r *Rejection) Unwrap() error { return r.Errno }

// Levels of logs, as bpf(2) counts.
const (
	LogNone  = 0
	LogPaths = 1 // every instruction, state at branches
	LogAll   = 2 // state at every instruction
	LogStats = 4
)

// ErrVerifierBug is returned when the kernel's verifier finds a fault in itself, and
// so has no verdict.
var ErrVerifierBug = errors.New("the kernel's verifier reports a bug of its own")

// ErrTypes is returned when type information may not be loaded, which programs need
// that hand out functions.
var ErrTypes = errors.New("type information cannot be loaded")

// Accepts asks for a verdict. An error means that there is none.
func (k *Kernel) Accepts(p *Program, level uint32) (accepted bool, log string, err error) {
	fd, log, err := k.load(p, level)
	var r *Rejection
	switch {
	case err == nil:
		return true, log, unix.Close(fd)
	case errors.As(err, &r):
		return false, r.Log, nil
	}
	return false, "", err
}

// Load loads a program to be run. The caller closes it.
func (k *Kernel) Load(p *Program) (*ebpf.Program, error) {
	fd, _, err := k.load(p, LogNone)
	if err != nil {
		return nil, err
	}
	return ebpf.NewProgramFromFD(fd)
}

// progLoadAttr is the head of union bpf_attr for BPF_PROG_LOAD (linux/bpf.h, 6.18).
type progLoadAttr struct {
	progType, insnCnt           uint32
	insns, license              uint64
	logLevel, logSize           uint32
	logBuf                      uint64
	kernVersion, progFlags      uint32
	progName                    [16]byte
	ifindex, attachType         uint32
	btfFD, funcInfoSize         uint32
	funcInfo                    uint64
	funcInfoCnt, lineInfoSize   uint32
	lineInfo                    uint64
	lineInfoCnt, attachBTFID    uint32
	attachProgFD, coreRelocsCnt uint32
	fdArray                     uint64
}

// btfLoadAttr is the same for BPF_BTF_LOAD.
type btfLoadAttr struct {
	data, logBuf               uint64
	size, logSize, logLevel, _ uint32
}

const (
	cmdProgLoad = 5
	cmdBTFLoad  = 18
)

func (k *Kernel) load(p *Program, level uint32) (fd int, log string, err error) {
	insns, err := k.withKfuncs(p.Insns)
	if err != nil {
		return -1, "", err
	}
	code, err := isa.Encode(insns, binary.NativeEndian)
	if err != nil {
		return -1, "", fmt.Errorf("gen: %w", err)
	}
	fds := k.fds[p.Type]
	if fds == nil {
		return -1, "", fmt.Errorf("gen: programs of type %s are not generated", p.Type)
	}
	license := []byte("GPL\x00")
	attr := progLoadAttr{
		progType: uint32(p.Type), insnCnt: uint32(len(p.Insns)), insns: address(code), license: address(license),
		fdArray: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(fds)))),
	}
	var info []byte
	if funcs := p.Funcs(); len(funcs) > 1 {
		types, err := k.types(len(funcs))
		if err != nil {
			return -1, "", err
		}
		for i, slot := range funcs {
			info = binary.NativeEndian.AppendUint32(info, uint32(slot))
			info = binary.NativeEndian.AppendUint32(info, uint32(firstFuncID+i))
		}
		attr.btfFD, attr.funcInfoSize, attr.funcInfoCnt, attr.funcInfo = uint32(types), 8, uint32(len(funcs)), address(info)
	}
	if level != 0 {
		k.log[0] = 0
		attr.logLevel, attr.logSize, attr.logBuf = level, uint32(len(k.log)), address(k.log)
	}
	fd, err = bpf(cmdProgLoad, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if level != 0 {
		text, _, _ := bytes.Cut(k.log, []byte{0})
		log = string(text)
	}
	if errors.Is(err, unix.ENOSPC) && level != 0 {
		// The log is too long and holds its end only; the verdict is still to be had.
		attr.logLevel, attr.logSize, attr.logBuf = 0, 0, 0
		fd, err = bpf(cmdProgLoad, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	}
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	runtime.KeepAlive(info)
	runtime.KeepAlive(fds)
	switch {
	case err == nil:
		return fd, log, nil
	case errors.Is(err, unix.EFAULT):
		return -1, log, fmt.Errorf("gen: load: %w", ErrVerifierBug)
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EAGAIN):
		return -1, log, fmt.Errorf("gen: load: %w", err)
	}
	var errno unix.Errno
	errors.As(err, &errno)
	return -1, log, &Rejection{errno, log}
}

// types loads type information for n functions.
func (k *Kernel) types(n int) (int, error) {
	if fd, ok := k.btf[n]; ok {
		return fd, nil
	}
	data := funcTypes(n)
	attr := btfLoadAttr{data: address(data), size: uint32(len(data))}
	fd, err := bpf(cmdBTFLoad, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(data)
	if err != nil {
		return -1, fmt.Errorf("gen: %w: %w", ErrTypes, err)
	}
	k.btf[n] = fd
	return fd, nil
}

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	last := unix.EAGAIN
	for range 20 {
		fd, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR, unix.EAGAIN: // a signal came while it was verified
			continue
		case unix.ENOMEM: // what was closed before is given back with a delay
			last = errno
			time.Sleep(50 * time.Millisecond)
			continue
		}
		return -1, errno
	}
	return -1, last
}
