package host

import "time"

// Clock tells the times that programs ask for, in nanoseconds. Safe for
// concurrent use; reading it does not allocate.
type Clock struct {
	start time.Time // carries Go's monotonic reading
	base  uint64    // the system's monotonic clock at start
}

// NewClock returns a clock in step with the system's.
func NewClock() *Clock {
	return &Clock{start: time.Now(), base: monotonic()}
}

// Nanotime is the time since some point near the boot of the system, not
// counting sleep: CLOCK_MONOTONIC on Linux, as bpf_ktime_get_ns.
func (c *Clock) Nanotime() uint64 { return c.base + uint64(time.Since(c.start)) }

// Boottime is Nanotime with sleep counted: CLOCK_BOOTTIME on Linux, as
// bpf_ktime_get_boot_ns. Elsewhere it is Nanotime.
func (c *Clock) Boottime() uint64 {
	if t, ok := boottime(); ok {
		return t
	}
	return c.Nanotime()
}

// TAI is international atomic time since 1970: CLOCK_TAI on Linux, as
// bpf_ktime_get_tai_ns. Elsewhere it is the wall clock, which runs behind TAI
// by the leap seconds.
func (c *Clock) TAI() uint64 {
	if t, ok := tai(); ok {
		return t
	}
	return uint64(time.Now().UnixNano())
}
