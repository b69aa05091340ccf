package demo

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// A window from 100 to 200 ms; replacements take 2 ms.
func window100to200() history {
	return history{
		first: Pass, slack: 10 * time.Microsecond,
		flips: []replacement{{Drop, 100 * ms, 102 * ms}, {Pass, 200 * ms, 202 * ms}},
	}
}

func TestJudge(t *testing.T) {
	// sent, met (0: no event), by which variant, and settled after.
	seenBy := func(sent, met moment, v Verdict, replied bool) ping {
		return ping{sent: sent, seen: true, met: met, verdict: v, settled: true, replied: replied, settledAt: met + ms}
	}
	silent := func(sent, settled moment, replied bool) ping {
		return ping{sent: sent, settled: true, settledAt: settled, replied: replied}
	}
	for _, c := range []struct {
		name       string
		ping       ping
		eventsLost bool
		want       fate
		inFlight   bool
	}{
		{"ordinary", seenBy(50*ms, 51*ms, Pass, true), false, received, false},
		{"inside", seenBy(150*ms, 151*ms, Drop, false), false, lostInside, false},
		{"after", seenBy(250*ms, 251*ms, Pass, true), false, received, false},

		{"dropped before the window", seenBy(50*ms, 51*ms, Drop, false), false, lostOutside, false},
		{"dropped after the window", seenBy(250*ms, 251*ms, Drop, false), false, lostOutside, false},
		{"passed in the window", seenBy(150*ms, 151*ms, Pass, true), false, passedInside, false},
		{"passed in the window, then lost", seenBy(150*ms, 151*ms, Pass, false), false, lostOutside, false},
		{"lost behind the filter", seenBy(50*ms, 51*ms, Pass, false), false, lostOutside, false},
		{"lost before the filter", silent(50*ms, 1050*ms, false), false, lostOutside, false},
		{"lost before the filter in the window", silent(150*ms, 1150*ms, false), false, lostOutside, false},
		{"answered although dropped", seenBy(150*ms, 151*ms, Drop, true), false, passedInside, false},
		{"around the filter", silent(50*ms, 51*ms, true), false, unseen, false},
		{"around the filter in the window", silent(150*ms, 151*ms, true), false, passedInside, false},

		// In flight: met after the replacement began, sent before it returned.
		{"old variant during the flip", seenBy(99*ms, 101*ms, Pass, true), false, received, true},
		{"new variant during the flip", seenBy(99*ms, 101*ms, Drop, false), false, lostInside, true},
		{"old variant after the flip, sent before", seenBy(101*ms, 103*ms, Pass, true), false, received, true},
		{"sent during the flip, never met", silent(101*ms, 1101*ms, false), false, lostOutside, false},
		{"sent during the flip, passed, lost", seenBy(101*ms, 101*ms, Pass, false), false, lostOutside, true},
		{"sent when the flip had returned", seenBy(102*ms, 103*ms, Pass, true), false, passedInside, false},
		{"met before the flip began", seenBy(98*ms, 99*ms, Drop, false), false, lostOutside, false},
		{"within the clocks' error", seenBy(98*ms, 100*ms-5*time.Microsecond, Drop, false), false, lostInside, true},
		{"beyond the clocks' error", seenBy(98*ms, 100*ms-15*time.Microsecond, Drop, false), false, lostOutside, false},
		{"back to pass, old variant", seenBy(199*ms, 201*ms, Drop, false), false, lostInside, true},
		{"back to pass, sent after", seenBy(202*ms, 203*ms, Drop, false), false, lostOutside, false},
		{"over both flips", seenBy(50*ms, 300*ms, Drop, false), false, lostInside, true},

		// A full ring excuses a missing event, not a missing packet.
		{"event lost, answered", silent(50*ms, 51*ms, true), true, received, false},
		{"event lost, in the window", silent(150*ms, 160*ms, false), true, lostInside, false},
		{"event lost, before the window", silent(20*ms, 90*ms, false), true, lostOutside, false},
		{"event lost, got through in the window", silent(150*ms, 151*ms, true), true, passedInside, false},
	} {
		h := window100to200()
		if got, inFlight := h.judge(&c.ping, c.eventsLost); got != c.want || inFlight != c.inFlight {
			t.Errorf("%s: %v (in flight %v), want %v (%v)", c.name, got, inFlight, c.want, c.inFlight)
		}
	}
}

func TestHistoryForgetsOldFlips(t *testing.T) {
	h := history{first: Pass}
	for i := range 3*maxFlips + 1 {
		to := Drop
		if i%2 == 1 {
			to = Pass
		}
		at := moment(i) * ms
		h.add(replacement{to, at, at})
	}
	if len(h.flips) > maxFlips {
		t.Fatalf("%d flips are remembered", len(h.flips))
	}
	end := moment(3*maxFlips+1) * ms
	if may := h.between(end, end); may.pass || !may.drop {
		t.Errorf("the last flip went to DROP; allowed is %+v", may)
	}
	// Just before the oldest that is remembered, its opposite held.
	before := h.flips[0].began - ms/2
	if may := h.between(before, before); may == only(h.flips[0].to) || may.inFlight() {
		t.Errorf("before %+v: allowed is %+v", h.flips[0], may)
	}
}

func TestFamilySettlesInOrder(t *testing.T) {
	f := newFamily("IPv4", 0)
	h := history{first: Pass}
	never := func() bool { return false }
	for i := range 4 {
		f.next(moment(i) * ms)
	}
	answered := func(n uint64, replied bool) {
		p := f.find(n)
		p.settled, p.settledAt, p.replied, p.rtt = true, 10*ms, replied, ms
	}
	answered(2, true)
	f.find(2).seen, f.find(2).verdict = true, Pass
	if open := f.settle(&h, 10*ms, never); open != 4 {
		t.Errorf("%d open, want 4: the oldest is not settled", open)
	}
	answered(0, true)
	f.find(0).seen, f.find(0).verdict = true, Pass
	answered(1, false) // no event yet
	if open := f.settle(&h, 10*ms, never); open != 3 {
		t.Errorf("%d open, want 3: an event may still come", open)
	}
	if open := f.settle(&h, 10*ms+grace, never); open != 1 {
		t.Errorf("%d open, want 1: the event did not come", open)
	}
	if want := (Tally{Sent: 3, Received: 2, LostOutside: 1}); f.tally != want {
		t.Errorf("tally %+v, want %+v", f.tally, want)
	}
	if len(f.gaps) != 1 || f.gaps[0].First != 1 || f.gaps[0].Last != 1 || f.gaps[0].Dropped {
		t.Errorf("gaps %+v, want one of ping 1", f.gaps)
	}
}

// Sequence numbers on the wire have 16 bits, pings more.
func TestSequenceNumbersWrap(t *testing.T) {
	f := newFamily("IPv6", 1)
	f.sent = 1<<16 + 5
	p := f.next(0)
	if got := f.findSeq(5); got != p {
		t.Errorf("sequence number 5 finds %+v", got)
	}
	if f.findSeq(6) != nil {
		t.Error("found a ping that was not sent")
	}
}
