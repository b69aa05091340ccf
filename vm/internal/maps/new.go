package maps

import (
	"fmt"
	"math"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/heap"
)

// UnsupportedError says that a map type does not exist here.
type UnsupportedError struct{ Type abi.MapType }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("map type %s is not supported by the embedded engine", e.Type)
}

// CreateError is a refusal to make a map: what the kernel answers with Errno,
// and why.
type CreateError struct {
	Name  string
	Type  abi.MapType
	Errno syscall.Errno
	Why   string
	// Err is the underlying error, or nil.
	Err error
}

func (e *CreateError) Error() string {
	s := fmt.Sprintf("create map %q of type %s: %s", e.Name, e.Type, e.Why)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the errno and the underlying error.
func (e *CreateError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Errno}
	}
	return []error{e.Errno, e.Err}
}

func (s *Spec) refuse(errno syscall.Errno, format string, args ...any) error {
	return &CreateError{Name: s.Name, Type: s.Type, Errno: errno, Why: fmt.Sprintf(format, args...)}
}

func (s *Spec) noMemory(err error) error {
	return &CreateError{Name: s.Name, Type: s.Type, Errno: syscall.ENOMEM, Why: "no memory", Err: err}
}

// New makes a map. The error is a [*CreateError] with the errno of Linux, or an
// [*UnsupportedError]. env is kept, and must not change.
func New(spec Spec, env *Env) (Map, error) {
	create := constructor(spec.Type)
	if create == nil {
		return nil, &UnsupportedError{spec.Type}
	}
	if env == nil || env.CPUs <= 0 {
		return nil, spec.refuse(syscall.EINVAL, "the machine has no CPUs")
	}
	if err := checkCommon(&spec); err != nil {
		return nil, err
	}
	return create(&spec, env)
}

// Missing says why there are no maps of a type, or "".
func Missing(t abi.MapType) string {
	if constructor(t) != nil {
		return ""
	}
	return "not available in the embedded engine"
}

// constructor is the table of map types.
func constructor(t abi.MapType) func(*Spec, *Env) (Map, error) {
	switch t {
	case abi.MapArray, abi.MapPerCPUArray:
		return newArray
	case abi.MapHash, abi.MapPerCPUHash, abi.MapLRUHash, abi.MapLRUPerCPUHash:
		return newHash
	case abi.MapArena:
		return newArena
	case abi.MapLPMTrie:
		return newLPM
	case abi.MapQueue, abi.MapStack:
		return newStream
	case abi.MapBloomFilter:
		return newBloom
	case abi.MapProgArray, abi.MapArrayOfMaps:
		return newObjectArray
	case abi.MapHashOfMaps:
		return newHashOfMaps
	case abi.MapDevMap, abi.MapCPUMap:
		return newTargets
	case abi.MapDevMapHash:
		return newDeviceHash
	case abi.MapXSKMap:
		return newXSKMap
	case abi.MapSockMap, abi.MapSockhash:
		return newSockMap
	case abi.MapRingBuf:
		return newRing
	case abi.MapCgroupStorage, abi.MapPerCPUCgroupStorage:
		return newCgroupStorage
	case abi.MapUserRingBuf:
		return newUserRing
	case abi.MapPerfEventArray:
		return newPerfArray
	case abi.MapReuseportSockArray:
		return newReuseportArray
	case abi.MapStackTrace:
		return newStackTrace
	case abi.MapCgroupArray:
		return newCgroupArray
	case abi.MapTaskStorage, abi.MapCgrpStorage, abi.MapInodeStorage, abi.MapSkStorage:
		return newLocalStorage
	}
	return nil
}

// Limits of Linux on 64-bit machines with 4 KiB pages.
const (
	// kmallocMax is KMALLOC_MAX_SIZE: keys and values together stay below.
	kmallocMax = 4 << 20
	// percpuMax is PCPU_MIN_UNIT_SIZE: the largest value of one CPU.
	percpuMax = 32 << 10
)

const accessFlags = abi.FlagRdonly | abi.FlagWronly | abi.FlagRdonlyProg | abi.FlagWronlyProg

const flagWronlyProg = abi.FlagWronlyProg

// checkCommon is what bpf(2) checks before it asks the map type.
func checkCommon(s *Spec) error {
	if s.Flags&(abi.FlagRdonly|abi.FlagWronly) == abi.FlagRdonly|abi.FlagWronly {
		return s.refuse(syscall.EINVAL, "BPF_F_RDONLY and BPF_F_WRONLY exclude each other")
	}
	if s.Type != abi.MapBloomFilter && s.Type != abi.MapArena && s.Extra != 0 {
		return s.refuse(syscall.EINVAL, "map_extra is %#x but this type takes none", s.Extra)
	}
	if s.SpinLock && (uint64(s.SpinLockOffset)+4 > uint64(s.ValueSize) || s.SpinLockOffset%4 != 0) {
		return s.refuse(syscall.EINVAL, "bpf_spin_lock at byte %d does not fit a value of %d bytes", s.SpinLockOffset, s.ValueSize)
	}
	if err := checkFields(s); err != nil {
		return err
	}
	if s.Timer {
		return checkTimer(s)
	}
	return nil
}

// checkTimer is map_check_btf for a bpf_timer.
func checkTimer(s *Spec) error {
	switch {
	case uint64(s.TimerOffset)+timerSize > uint64(s.ValueSize) || s.TimerOffset%8 != 0:
		return s.refuse(syscall.EINVAL, "bpf_timer at byte %d does not fit a value of %d bytes", s.TimerOffset, s.ValueSize)
	case s.Flags&(abi.FlagRdonlyProg|abi.FlagWronlyProg) != 0:
		return s.refuse(syscall.EACCES, "values with a timer must be readable and writable for programs")
	case s.Type != abi.MapHash && s.Type != abi.MapLRUHash && s.Type != abi.MapArray:
		return s.refuse(syscall.EOPNOTSUPP, "values of this type cannot hold a timer")
	}
	return nil
}

// checkFields is map_check_btf for fields that own objects.
func checkFields(s *Spec) error {
	for _, f := range s.Fields {
		own := f.Kind == heap.List || f.Kind == heap.Tree
		switch {
		case uint64(f.Offset)+uint64(f.Kind.Size()) > uint64(s.ValueSize) || f.Offset%4 != 0:
			return s.refuse(syscall.EINVAL, "the field at byte %d does not fit a value of %d bytes", f.Offset, s.ValueSize)
		case s.Flags&(abi.FlagRdonlyProg|abi.FlagWronlyProg) != 0:
			return s.refuse(syscall.EACCES, "values that own objects must be readable and writable for programs")
		case s.Type == abi.MapHash, s.Type == abi.MapLRUHash, s.Type == abi.MapArray:
		case own, !perCPU(s.Type):
			return s.refuse(syscall.EOPNOTSUPP, "values of this type cannot own objects")
		default:
			return s.refuse(syscall.EOPNOTSUPP, "values of each CPU cannot own objects in the embedded engine")
		}
	}
	return nil
}

// accessOK is bpf_map_flags_access_ok: both restrictions of the program side
// together would leave nothing to do.
func accessOK(flags uint32) bool {
	return flags&(abi.FlagRdonlyProg|abi.FlagWronlyProg) != abi.FlagRdonlyProg|abi.FlagWronlyProg
}

// checkFlags refuses flags outside allowed, as every map type does first.
func (s *Spec) checkFlags(allowed uint32) error {
	if bad := s.Flags &^ allowed; bad != 0 {
		return s.refuse(syscall.EINVAL, "flags %#x are not for this type", bad)
	}
	if !accessOK(s.Flags) {
		return s.refuse(syscall.EINVAL, "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other")
	}
	return nil
}

func perCPU(t abi.MapType) bool {
	switch t {
	case abi.MapPerCPUHash, abi.MapPerCPUArray, abi.MapLRUPerCPUHash, abi.MapPerCPUCgroupStorage:
		return true
	}
	return false
}

func roundUp8(n int) int { return (n + 7) &^ 7 }

// mul multiplies sizes, and gives -1 if the product does not fit an int.
func mul(a, b int) int {
	if a < 0 || b < 0 || (b != 0 && a > math.MaxInt/b) {
		return -1
	}
	return a * b
}

// mapArena maps size bytes for the map, against the budget.
func (e *Env) mapArena(s *Spec, size int) ([]byte, error) {
	if size < 0 {
		return nil, s.refuse(syscall.E2BIG, "the entries do not fit the address space")
	}
	mem, err := e.Memory.Map(size)
	if err != nil {
		return nil, s.noMemory(err)
	}
	return mem, nil
}

// unmap gives an arena back. The system refuses only what was never mapped.
func (e *Env) unmap(mem []byte) {
	if err := e.Memory.Unmap(mem); err != nil {
		panic("BUG: " + err.Error())
	}
}
