// Package health checks backends: over TCP, HTTP and gRPC, or by a command,
// with thresholds, and with a slow start for those that come back.
//
//	m := health.New(func(service string) { … resolve it again … })
//	m.Set("default/web", targets)
//	state, percent := m.State("default/web", backend)
//	m.Close()
//
// A backend counts as healthy until checks have failed as often in a row as its
// threshold says: what has just started, or is checked by an agent that has just
// started, is not taken out for that.
//
// # For maintainers
//
// monitor.go keeps one goroutine a target and what is known of it; probe.go has a
// function for each kind of check. Checks of all targets together run at most
// [MaxConcurrent] at a time.
package health
