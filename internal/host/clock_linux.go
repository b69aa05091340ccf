//go:build linux

package host

import "golang.org/x/sys/unix"

func readClock(id int32) (uint64, bool) {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0, false
	}
	return uint64(ts.Nano()), true
}

func monotonic() uint64 {
	t, _ := readClock(unix.CLOCK_MONOTONIC)
	return t
}

func boottime() (uint64, bool) { return readClock(unix.CLOCK_BOOTTIME) }
func tai() (uint64, bool)      { return readClock(unix.CLOCK_TAI) }
