package demo

import "time"

// A ping's fate, judged from what is known of it:
//
//   - when it was sent (before the system call, so that it met the filter later
//     than that),
//   - whether its reply came,
//   - the event the filter reported of it: when it met the filter, and which
//     variant of the filter it met, for the verdict is the variant's,
//   - when each replacement began and when it had returned.
//
// Between those two moments of a replacement either variant may answer. A ping
// that met the filter before the replacement began must have met the old one; a
// ping sent after it had returned must have met the new one. In between (met
// after it began, sent before it returned) it was in flight, and both verdicts
// are right. No other allowance is made, and this one excuses no loss: a ping in
// flight must still have met one variant or the other, which the event shows,
// and what that variant said must have happened. Without an event it never met
// the filter, and if it did not come back either, it was lost, whenever it was
// sent.
//
// Comparing the event's clock with this process's has an error, which is
// measured at the start ([clock]); it moves the beginning of a replacement by a
// few microseconds.
type fate int

const (
	received     fate = iota
	lostInside        // dropped by the filter, as it was to
	lostOutside       // dropped too early or too late, or vanished
	passedInside      // got through although the filter was to drop
	unseen            // came back, but the filter never met it
)

func (f fate) String() string {
	return [...]string{"received", "dropped", "lost outside the window", "passed inside the window", "not seen by the filter"}[f]
}

// moment is a time since the start of the run.
type moment = time.Duration

// ping is one echo request and what became of it.
type ping struct {
	family  int // index: 0 IPv4, 1 IPv6
	number  uint64
	sent    moment
	settled bool // reply or timeout came
	replied bool
	rtt     time.Duration
	// settledAt is when the reply came or was given up.
	settledAt moment
	seen      bool // an event came
	met       moment
	verdict   Verdict
}

// replacement is one flip that happened.
type replacement struct {
	to         Verdict
	began, end moment
}

// history is what the filter was to do, when.
type history struct {
	first Verdict
	flips []replacement
	// slack bounds the error of a met time.
	slack time.Duration
}

// allowed are the verdicts that a ping may have met between two moments;
// inFlight says that there are two.
type allowed struct{ pass, drop bool }

func (a allowed) inFlight() bool { return a.pass && a.drop }

func only(v Verdict) allowed { return allowed{pass: v == Pass, drop: v == Drop} }

// between says which verdicts a ping sent at that moment could meet that met
// the filter no later than the other.
func (h *history) between(sent, met moment) allowed {
	may := only(h.first)
	for _, f := range h.flips {
		switch {
		case met < f.began-h.slack:
			return may
		case sent >= f.end:
			may = only(f.to)
		default:
			may.pass = may.pass || f.to == Pass
			may.drop = may.drop || f.to == Drop
		}
	}
	return may
}

// judge says a settled ping's fate. eventsLost says that the ring buffer had no
// room for some events, by its own count: only then may an event be missing.
func (h *history) judge(p *ping, eventsLost bool) (f fate, inFlight bool) {
	if !p.seen {
		return h.judgeUnseen(p, eventsLost)
	}
	may := h.between(p.sent, p.met)
	switch {
	case p.verdict == Drop && p.replied:
		return passedInside, may.inFlight()
	case p.verdict == Drop && !may.drop:
		return lostOutside, false
	case p.verdict == Drop:
		return lostInside, may.inFlight()
	case !may.pass && p.replied:
		return passedInside, false
	case !p.replied:
		// Whatever the window: the filter let it go and it did not arrive.
		return lostOutside, may.inFlight()
	}
	return received, may.inFlight()
}

// judgeUnseen judges by the time between sending and the reply, or its end.
func (h *history) judgeUnseen(p *ping, eventsLost bool) (fate, bool) {
	may := h.between(p.sent, p.settledAt)
	switch {
	case p.replied && !may.pass:
		return passedInside, false
	case p.replied && eventsLost:
		return received, may.inFlight()
	case p.replied:
		return unseen, may.inFlight()
	case eventsLost && may.drop:
		return lostInside, may.inFlight()
	}
	return lostOutside, false
}
