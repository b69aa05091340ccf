// Package demo is the packet of death: a lab of two endpoints, pings between
// them over IPv4 and IPv6, and a filter in their way that is replaced while
// they flow.
//
//	l, err := lab.New(lab.Config{})
//	defer l.Close()
//	report, err := demo.Run(ctx, demo.Options{Lab: l, Script: demo.Once(), Out: os.Stdout})
//	if err == nil {
//		err = report.Err()
//	}
//
// The filter (package bpf, PacketOfDeath) stands on the server's device. It
// counts the pings and lets them pass, until a flip replaces it, through its
// link, by the variant that drops them; another flip puts the first one back.
// Maps outlive the flips, so counters go on and events of both variants come
// through one ring buffer.
//
// # What is promised, and how it is checked
//
// No packet is lost outside the DROP window and none gets through inside it.
// The filter reports every ping that it meets, with the time, the verdict and
// the sequence number, so each ping's fate is known and not guessed from the
// clock: judge.go says what counts as what. A [Report] holds the result;
// [Report.Err] says whether the promise was kept.
//
// # For maintainers
//
// One goroutine, [Run]'s, owns all state: pings, ring events, keys and timers
// reach it over channels. Views see it through a snapshot.
package demo
