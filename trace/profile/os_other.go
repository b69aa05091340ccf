//go:build !linux

package profile

import (
	"errors"
	"runtime"
)

func monotonic() int64 { return 0 }

func pidNamespace() (dev, ino uint64, inner bool) { return 0, 0, false }

func cgroupID(string) (uint64, uint32, error) {
	return 0, 0, errors.New("there are no cgroups on " + runtime.GOOS)
}
