//go:build linux

package host

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// noReserve keeps large, sparsely used maps from counting against the
// system's commit limit: their pages come when touched.
const noReserve = unix.MAP_NORESERVE

// mapRing reserves twice the size and lays the same memory file over both
// halves.
func mapRing(size int) (*Ring, error) {
	fd, err := unix.MemfdCreate("ring", unix.MFD_CLOEXEC)
	if err != nil {
		// A sandbox may forbid memory files: plain memory serves too.
		b, err := mapMemory(2 * size)
		if err != nil {
			return nil, err
		}
		return &Ring{Data: b, Size: size}, nil
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, err
	}
	base, err := unix.MmapPtr(-1, 0, nil, uintptr(2*size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	for i := range 2 {
		at := unsafe.Add(base, i*size)
		_, err := unix.MmapPtr(fd, 0, at, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
		if err != nil {
			_ = unix.MunmapPtr(base, uintptr(2*size))
			return nil, err
		}
	}
	return &Ring{Data: unsafe.Slice((*byte)(base), 2*size), Size: size, Mirrored: true}, nil
}

func unmapRing(r *Ring) error {
	if !r.Mirrored {
		return unmapMemory(r.Data)
	}
	return unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(r.Data)), uintptr(len(r.Data)))
}
