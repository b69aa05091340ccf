//go:build linux

package maps

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/internal/host"
)

// kernelMap is a map of the running kernel, asked through bpf(2) itself so
// that every errno comes as it is.
type kernelMap struct {
	fd         int
	spec       Spec
	valueBytes int
}

const (
	cmdCreate = iota
	cmdLookup
	cmdUpdate
	cmdDelete
	cmdNextKey
)

const (
	cmdLookupAndDelete      = 21
	cmdFreeze               = 22
	cmdLookupBatch          = 24
	cmdLookupAndDeleteBatch = 25
	cmdUpdateBatch          = 26
	cmdDeleteBatch          = 27
)

func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, syscall.Errno) {
	fd, _, e := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
	return int(fd), e
}

type createAttr struct {
	mapType, keySize, valueSize, maxEntries, flags, innerFD, numaNode uint32
	name                                                              [16]byte
	ifindex, btfFD, btfKey, btfValue, btfVmlinux                      uint32
	extra                                                             uint64
}

func newKernelMap(s Spec) (*kernelMap, syscall.Errno) {
	attr := createAttr{
		mapType: uint32(s.Type), keySize: s.KeySize, valueSize: s.ValueSize, maxEntries: s.MaxEntries,
		flags: s.Flags, extra: s.Extra,
	}
	if s.Inner != nil {
		inner, e := newKernelMap(*s.Inner)
		if e != 0 {
			return nil, e
		}
		defer inner.close()
		attr.innerFD = uint32(inner.fd)
	} else {
		attr.innerFD = ^uint32(0)
	}
	fd, e := bpf(cmdCreate, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if e != 0 {
		return nil, e
	}
	cpus, _ := host.NumPossibleCPUs()
	return &kernelMap{fd: fd, spec: s, valueBytes: ValueBytes(&s, cpus)}, 0
}

func (m *kernelMap) close() { _ = unix.Close(m.fd) }

type elemAttr struct {
	fd                int32
	_                 uint32
	key, value, flags uint64
}

func slicePointer(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func (m *kernelMap) elem(cmd int, key, value []byte, flags uint64) syscall.Errno {
	attr := elemAttr{fd: int32(m.fd), key: slicePointer(key), value: slicePointer(value), flags: flags}
	_, e := bpf(cmd, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	return e
}

func (m *kernelMap) freeze() syscall.Errno {
	fd := int32(m.fd)
	_, e := bpf(cmdFreeze, unsafe.Pointer(&fd), 4)
	return e
}

type batchAttr struct {
	in, out, keys, values uint64
	count, fd             uint32
	elemFlags, flags      uint64
}

// batch keeps its position in pos, which is nil at the beginning.
func (m *kernelMap) batch(cmd int, pos *[]byte, keys, values []byte, count int, flags uint64) (int, syscall.Errno) {
	out := make([]byte, max(int(m.spec.KeySize), 4))
	attr := batchAttr{
		keys: slicePointer(keys), values: slicePointer(values), count: uint32(count), fd: uint32(m.fd),
		elemFlags: flags, out: slicePointer(out),
	}
	if pos != nil {
		attr.in = slicePointer(*pos)
	}
	_, e := bpf(cmd, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(keys)
	runtime.KeepAlive(values)
	runtime.KeepAlive(out)
	if pos != nil && (e == 0 || e == syscall.ENOENT) {
		*pos = out
	}
	return int(attr.count), e
}

// needKernelMaps skips where maps of the kernel cannot be made.
func needKernelMaps(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: compares with maps of the running kernel")
	}
	m, e := newKernelMap(Spec{Type: 1, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if e != 0 {
		t.Skipf("needs maps of the kernel: bpf(BPF_MAP_CREATE): %v", e)
	}
	m.close()
}
