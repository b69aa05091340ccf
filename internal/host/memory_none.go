//go:build !unix && !windows

package host

import "errors"

func mapMemory(int) ([]byte, error) {
	return nil, errors.New("this operating system has no memory mapping that is known here")
}

func makeExecutable([]byte) error { return errors.ErrUnsupported }

func unmapMemory([]byte) error { return nil }
