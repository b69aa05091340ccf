package check

import (
	"bytes"
	"fmt"
)

// logger writes the kernel's verifier log. At level 0 it does nothing.
type logger struct {
	level   uint32
	max     int
	buf     bytes.Buffer
	muted   bool
	scratch uint16
	slots   uint64
	line    int // last line printed, index plus one
	// Where the last instruction was printed.
	insnAt, insnEnd int
}

func (l *logger) on() bool { return l.level&3 != 0 && !l.muted }

func (l *logger) printf(format string, args ...any) {
	if l.level != 0 && !l.muted && l.buf.Len() < l.max {
		fmt.Fprintf(&l.buf, format, args...)
	}
}

func (l *logger) String() string { return l.buf.String() }

func (l *logger) pos() int { return l.buf.Len() }

func (l *logger) truncate(n int) {
	if n < l.buf.Len() {
		l.buf.Truncate(n)
	}
}

func (l *logger) mute() bool {
	was := l.muted
	l.muted = true
	return was
}

func (l *logger) unmute(was bool) { l.muted = was }

func (l *logger) scratchReg(r uint8) { l.scratch |= 1 << r }

func (l *logger) scratchSlot(f *Frame, slot int) { l.slots |= 1 << slot }

func (l *logger) scratchAll() { l.scratch, l.slots = 1<<11-1, 1<<63-1 }

func (l *logger) clean() { l.scratch, l.slots = 0, 0 }

func (l *logger) begin(c *Checker) { l.clean(); l.scratchAll(); l.line = 0 }
