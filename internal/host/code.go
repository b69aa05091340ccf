package host

import (
	"errors"
	"fmt"
)

// MapCode is [Map] for machine code: the memory holds a copy of code and can
// be executed and read, not written. It goes back with [Unmap].
func MapCode(code []byte) ([]byte, error) {
	mem, err := Map(len(code))
	if err != nil {
		return nil, err
	}
	copy(mem, code)
	if err := makeExecutable(mem[:cap(mem)]); err != nil {
		return nil, errors.Join(fmt.Errorf("make %d bytes executable: %w", len(code), err), Unmap(mem))
	}
	return mem, nil
}

// MapCode is the function [MapCode] with the bytes, in whole pages, taken from
// the budget.
func (b *Budget) MapCode(code []byte) ([]byte, error) {
	return b.hold(len(code), func() ([]byte, error) { return MapCode(code) })
}
