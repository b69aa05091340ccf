package host

import (
	"errors"
	"fmt"
	"math"
	"os"
)

// ErrMemory says that memory could not be had: the system refused, or a
// [Budget] is used up.
var ErrMemory = errors.New("out of memory")

// PageSize is the size of a page in bytes.
func PageSize() int { return os.Getpagesize() }

// RoundUpPage rounds n up to a multiple of the page size. It returns -1 if the
// result does not fit an int.
func RoundUpPage(n int) int {
	p := PageSize()
	if n < 0 || n > math.MaxInt-p {
		return -1
	}
	return (n + p - 1) &^ (p - 1)
}

// Map returns size bytes of zeroed, page-aligned memory outside Go's heap.
// Pages are taken from the system when first touched. The caller gives the
// slice, whole as it was returned, back with [Unmap].
func Map(size int) ([]byte, error) {
	if size <= 0 || RoundUpPage(size) < 0 {
		return nil, fmt.Errorf("map %d bytes: size must be positive and fit the address space: %w", size, ErrMemory)
	}
	b, err := mapMemory(RoundUpPage(size))
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, errors.Join(ErrMemory, err))
	}
	return b[:size:len(b)], nil
}

// Unmap gives memory from [Map] back. Nobody may use it afterwards. Nil is
// fine.
func Unmap(b []byte) error {
	if cap(b) == 0 {
		return nil
	}
	if err := unmapMemory(b[:cap(b)]); err != nil {
		return fmt.Errorf("unmap %d bytes: %w", cap(b), err)
	}
	return nil
}

// Ring is memory that can be read and written past its end as if it began
// again there, so that a record that wraps lies in one piece.
type Ring struct {
	// Data is the ring followed by its mirror: 2*Size bytes.
	Data []byte
	// Size of the ring in bytes.
	Size int
	// Mirrored says that Data[Size:] is the same memory as Data[:Size]. Where
	// the system cannot do that it is separate memory: a record that starts
	// before Size and ends behind it must be read from where it was written.
	Mirrored bool
}

// MapRing returns a zeroed ring of size bytes, a multiple of the page size,
// outside Go's heap. The caller gives it back with [Ring.Unmap].
func MapRing(size int) (*Ring, error) {
	if size <= 0 || size%PageSize() != 0 || size > math.MaxInt/4 {
		return nil, fmt.Errorf("map ring of %d bytes: size must be a positive multiple of the page size %d", size, PageSize())
	}
	r, err := mapRing(size)
	if err != nil {
		return nil, fmt.Errorf("map ring of %d bytes: %w", size, errors.Join(ErrMemory, err))
	}
	return r, nil
}

// Unmap gives the ring's memory back. Nobody may use it afterwards. It is safe
// on nil and twice.
func (r *Ring) Unmap() error {
	if r == nil || r.Data == nil {
		return nil
	}
	if err := unmapRing(r); err != nil {
		return fmt.Errorf("unmap ring of %d bytes: %w", r.Size, err)
	}
	r.Data = nil
	return nil
}
