//go:build linux

package kernel

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of bpf(2) that are called here directly (include/uapi/linux/bpf.h).
const (
	cmdMapLookup          = 1
	cmdMapUpdate          = 2
	cmdMapDelete          = 3
	cmdMapNextKey         = 4
	cmdProgLoad           = 5
	cmdObjPin             = 6
	cmdObjGet             = 7
	cmdProgAttach         = 8
	cmdProgDetach         = 9
	cmdProgTestRun        = 10
	cmdObjGetInfo         = 15
	cmdProgQuery          = 16
	cmdRawTracepointOpen  = 17
	cmdMapLookupDelete    = 21
	cmdMapFreeze          = 22
	cmdMapLookupBatch     = 24
	cmdMapLookupDelBatch  = 25
	cmdMapUpdateBatch     = 26
	cmdMapDeleteBatch     = 27
	cmdLinkCreate         = 28
	cmdLinkUpdate         = 29
	cmdIterCreate         = 33
	cmdLinkDetach         = 34
	errnoNotSupp          = syscall.Errno(524) // ENOTSUPP of the kernel, not in user space's errno.h
	objNameLen            = 16
	flagMmapable          = 1 << 10
	flagLink              = 1 << 13 // BPF_F_LINK of struct_ops maps
	flagNetfilterIPDefrag = 1
)

// Flags that order programs in one place (BPF_F_* of bpf(2), Linux 6.6).
const (
	orderReplace = 1 << 2
	orderBefore  = 1 << 3
	orderAfter   = 1 << 4
	orderLink    = 1 << 13
)

// Flags of BPF_PROG_ATTACH to a cgroup.
const (
	cgroupOverride = 1 << 0
	cgroupMulti    = 1 << 1
)

type mapElemAttr struct {
	mapFD uint32
	_     uint32
	key   pointer
	value pointer // or the next key
	flags uint64
}

type mapBatchAttr struct {
	in, out      pointer
	keys, values pointer
	count        uint32
	mapFD        uint32
	elemFlags    uint64
	flags        uint64
}

type objAttr struct {
	path pointer
	fd   uint32
	_    uint32 // flags
}

type infoAttr struct {
	fd   uint32
	size uint32
	info pointer
}

type progAttachAttr struct {
	target     uint32
	program    uint32
	attachType uint32
	flags      uint32
	replace    uint32
	_          [3]uint32 // what to stand beside, and the revision that is expected
}

// progLoadAttr is BPF_PROG_LOAD's part of union bpf_attr up to line_info_cnt and
// the attach target.
type progLoadAttr struct {
	progType, count      uint32
	insns, license       pointer
	logLevel, logSize    uint32
	log                  pointer
	_, flags             uint32 // the kernel's version, asked for until 5.0
	name                 [objNameLen]byte
	_, attachType        uint32 // a device's index
	btfFD, funcSize      uint32
	funcs                pointer
	funcCount, lineSize  uint32
	lines                pointer
	lineCount, attachBTF uint32
}

type testRunAttr struct {
	program               uint32
	retval                uint32
	dataSizeIn, dataSize  uint32
	dataIn, dataOut       pointer
	repeat                uint32
	duration              uint32
	ctxSizeIn, ctxSizeOut uint32
	ctxIn, ctxOut         pointer
	flags, cpu            uint32
	_                     [2]uint32 // the size of live batches; padding
}

type rawTracepointAttr struct {
	name    pointer
	program uint32
	_       uint32
	cookie  uint64
}

// linkHead begins every member of BPF_LINK_CREATE's part of union bpf_attr.
type linkHead struct {
	program    uint32 // or the map, for struct_ops
	target     uint32 // a file descriptor or an interface index
	attachType uint32
	flags      uint32
}

// The members, one per family of attach kinds.
type (
	linkPlain struct {
		linkHead
		btfID uint32
		_     uint32
	}
	linkOrdered struct { // tcx, netkit, cgroup
		linkHead
		relative uint32
		_        uint32
		_        uint64 // the revision that is expected
	}
	linkIter struct {
		linkHead
		info pointer
		size uint32
		_    uint32
	}
	linkPerf struct {
		linkHead
		cookie uint64
	}
	linkTracing struct {
		linkHead
		_      [2]uint32 // a BTF type, for links to programs
		cookie uint64
	}
	linkKprobeMulti struct {
		linkHead
		multiFlags     uint32
		count          uint32
		symbols, addrs pointer
		cookies        pointer
	}
	linkUprobeMulti struct {
		linkHead
		path, offsets     pointer
		refCtrs, cookies  pointer
		count, multiFlags uint32
		pid               uint32
		_                 uint32
	}
	linkNetfilter struct {
		linkHead
		protocol, hook uint32
		priority       int32
		hookFlags      uint32
	}
)

// probeAttr is struct perf_event_attr up to config2 (PERF_ATTR_SIZE_VER1), with
// a pointer where kprobes and uprobes have one.
type probeAttr struct {
	typ, size  uint32
	config     uint64
	sample     uint64
	sampleType uint64
	readFormat uint64
	bits       uint64
	wakeup     uint32
	bpType     uint32
	config1    pointer
	config2    uint64
}

type linkUpdateAttr struct {
	link, program uint32
	_             [2]uint32 // flags and the program that is expected
}

type fdAttr struct{ fd, _ uint32 }

// bpf makes the system call. attr must point to one of the structs above.
func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, syscall.Errno) {
	r, _, e := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
	return int(r), e
}

// bpfCall is bpf for commands off the hot path: it retries what a signal cut
// short.
func bpfCall[T any](cmd int, attr *T) (int, error) {
	for {
		r, e := bpf(cmd, unsafe.Pointer(attr), unsafe.Sizeof(*attr))
		if e == 0 {
			return r, nil
		}
		if e != unix.EINTR && e != unix.EAGAIN {
			return -1, e
		}
	}
}

// bytesPtr points to b's first byte, or nowhere if it has none.
func bytesPtr(b []byte) pointer {
	if len(b) == 0 {
		return pointer{}
	}
	return pointer{p: unsafe.Pointer(&b[0])}
}

func slicePtr[T any](s []T) pointer {
	if len(s) == 0 {
		return pointer{}
	}
	return pointer{p: unsafe.Pointer(&s[0])}
}

// stringPtr points to a NUL-terminated copy of s.
func stringPtr(s string) (pointer, error) {
	p, err := unix.BytePtrFromString(s)
	if err != nil {
		return pointer{}, err
	}
	return pointer{p: unsafe.Pointer(p)}, nil
}

// stringsPtr points to an array of NUL-terminated copies.
func stringsPtr(list []string) (pointer, error) {
	ptrs := make([]*byte, len(list))
	for i, s := range list {
		p, err := unix.BytePtrFromString(s)
		if err != nil {
			return pointer{}, err
		}
		ptrs[i] = p
	}
	return slicePtr(ptrs), nil
}

// objectInfo fills buf with BPF_OBJ_GET_INFO_BY_FD and returns its length.
func objectInfo(fd int, buf []byte) (int, error) {
	attr := infoAttr{fd: uint32(fd), size: uint32(len(buf)), info: bytesPtr(buf)}
	_, err := bpfCall(cmdObjGetInfo, &attr)
	return int(attr.size), err
}

func elem(cmd, fd int, key, value []byte, flags uint64) syscall.Errno {
	attr := mapElemAttr{mapFD: uint32(fd), key: bytesPtr(key), value: bytesPtr(value), flags: flags}
	_, e := bpf(cmd, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	return e
}

// perfEventOpen opens a perf event; pid -1 means all processes, cpu -1 all CPUs.
func perfEventOpen(attr *probeAttr, pid, cpu int) (int, error) {
	attr.size = uint32(unsafe.Sizeof(*attr))
	fd, _, e := unix.Syscall6(unix.SYS_PERF_EVENT_OPEN, uintptr(unsafe.Pointer(attr)),
		uintptr(pid), uintptr(cpu), ^uintptr(0), unix.PERF_FLAG_FD_CLOEXEC, 0)
	if e != 0 {
		return -1, e
	}
	return int(fd), nil
}

// batchCall runs a batch command once: a retry after a signal would repeat what
// is already done.
func batchCall(cmd int, attr *mapBatchAttr) syscall.Errno {
	_, e := bpf(cmd, unsafe.Pointer(attr), unsafe.Sizeof(*attr))
	return e
}

// progQueryAttr is BPF_PROG_QUERY's part of union bpf_attr.
type progQueryAttr struct {
	target, attachType uint32
	_                  [2]uint32 // flags of the query and the answer
	_                  [48]byte  // arrays to be filled, their length, the revision
}
