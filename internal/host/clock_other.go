//go:build !linux && !windows

package host

// monotonic starts at 1: programs take 0 for "no time".
func monotonic() uint64        { return 1 }
func boottime() (uint64, bool) { return 0, false }
func tai() (uint64, bool)      { return 0, false }
