package demo

import (
	"fmt"
	"strings"
	"time"
)

// Report is what happened. Times are the machine's, durations say their unit.
type Report struct {
	Engine string `json:"engine"`
	// Why this engine, and what the other one would take.
	Why   string `json:"why"`
	Other string `json:"other,omitempty"`

	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`

	// Sum of both families, then each.
	Total    Tally    `json:"total"`
	Families []Family `json:"families"`

	Flips []FlipReport `json:"flips"`
	// Filter is what the filter itself counted.
	Filter Counted `json:"filter"`
	// ClockSlackMicroseconds bounds the error between the events' clock and
	// this process's.
	ClockSlackMicroseconds float64 `json:"clock_slack_us"`

	// Problems are broken promises, in words; none if the demo went well.
	Problems []string `json:"problems"`
	// OK says that no packet was lost outside the window, none passed inside
	// it, and all books agree.
	OK bool `json:"ok"`
}

// Tally counts pings by their fate.
type Tally struct {
	Sent     int `json:"sent"`
	Received int `json:"received"`
	// LostInside were dropped by the filter while it was to drop.
	LostInside int `json:"lost_inside"`
	// LostOutside vanished, or were dropped while the filter was to pass.
	LostOutside int `json:"lost_outside"`
	// PassedInside got through while the filter was to drop.
	PassedInside int `json:"passed_inside"`
	// Unseen came back without the filter having met them.
	Unseen int `json:"unseen"`
	// InFlight met the filter during a replacement: either verdict was right.
	// They are counted above too.
	InFlight int `json:"in_flight"`
}

// Family is one address family's share.
type Family struct {
	Name   string `json:"name"`
	Target string `json:"target"`
	Tally
	RTT  RTT   `json:"rtt_us"`
	Gaps []Gap `json:"gaps"`
}

// RTT are round trip times in microseconds.
type RTT struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	Max  float64 `json:"max"`
}

// Gap is a run of pings in a row that got no reply.
type Gap struct {
	// First and Last number of the pings, counted from 0.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Seconds after the start at which the first was sent.
	At float64 `json:"at_s"`
	// Dropped says that the filter was to drop every one of them.
	Dropped bool `json:"dropped"`
}

// Length is the number of pings in the gap.
func (g Gap) Length() uint64 { return g.Last - g.First + 1 }

// FlipReport is one replacement of the filter.
type FlipReport struct {
	To string `json:"to"`
	// Program now attached, and its id.
	Program   string    `json:"program"`
	ProgramID uint32    `json:"program_id"`
	At        time.Time `json:"at"`
	// Seconds after the start.
	Offset float64 `json:"at_s"`
	// Microseconds that Link.Update took.
	Microseconds float64 `json:"took_us"`
}

// Counted are the filter's own counters and the account of its events.
type Counted struct {
	Passed       uint64 `json:"passed"`
	PassedBytes  uint64 `json:"passed_bytes"`
	Dropped      uint64 `json:"dropped"`
	DroppedBytes uint64 `json:"dropped_bytes"`
	// Met are all packets that met the filter, pings or not.
	Met uint64 `json:"met"`
	// Events that the filter reported, that the ring had no room for, and that
	// were read here.
	EventsReported uint64 `json:"events_reported"`
	EventsLost     uint64 `json:"events_lost"`
	EventsRead     uint64 `json:"events_read"`
}

// Err is nil if the demo kept its promise, and otherwise says what went wrong.
func (r *Report) Err() error {
	if r.OK {
		return nil
	}
	return fmt.Errorf("demo: %s", strings.Join(r.Problems, "; "))
}

// add counts one ping's fate; t's Sent grows with it.
func (t *Tally) add(f fate, inFlight bool) {
	t.Sent++
	switch f {
	case received:
		t.Received++
	case lostInside:
		t.LostInside++
	case lostOutside:
		t.LostOutside++
	case passedInside:
		t.Received++
		t.PassedInside++
	case unseen:
		t.Received++
		t.Unseen++
	}
	if inFlight {
		t.InFlight++
	}
}

func (t *Tally) addAll(o Tally) {
	t.Sent += o.Sent
	t.Received += o.Received
	t.LostInside += o.LostInside
	t.LostOutside += o.LostOutside
	t.PassedInside += o.PassedInside
	t.Unseen += o.Unseen
	t.InFlight += o.InFlight
}
