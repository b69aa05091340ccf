//go:build windows

package host

import "golang.org/x/sys/windows"

func monotonic() uint64        { return uint64(windows.DurationSinceBoot()) }
func boottime() (uint64, bool) { return 0, false }
func tai() (uint64, bool)      { return 0, false }
