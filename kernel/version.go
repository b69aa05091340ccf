//go:build linux

package kernel

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// version of a kernel; zero if unreadable. It is only ever used to word
// messages and to skip what old kernels need: features are probed.
type version struct{ major, minor int }

func (v version) atLeast(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

func kernelVersion() version {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return version{}
	}
	return parseVersion(unix.ByteSliceToString(u.Release[:]))
}

func parseVersion(release string) version {
	part := strings.SplitN(release, ".", 3)
	if len(part) < 2 {
		return version{}
	}
	major, err := strconv.Atoi(part[0])
	if err != nil {
		return version{}
	}
	digits := strings.IndexFunc(part[1], func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(part[1])
	}
	minor, err := strconv.Atoi(part[1][:digits])
	if err != nil {
		return version{}
	}
	return version{major, minor}
}
