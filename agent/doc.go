// Package agent keeps a host's load balancing as its resources say: it watches
// files, takes resources over a local socket, checks backends, and writes what
// changed to the dataplane. It is what "skep up" runs.
//
//	a, err := agent.Open(ctx, eng, agent.Config{Files: []string{"services/"}, LB: lb.Config{…}})
//	err = a.Run(ctx)   // until ctx ends; the dataplane goes on
//	err = a.Close()
//
// # For maintainers
//
// files.go reads files and notices changes, agent.go holds the resources and brings
// services to the dataplane, one at a time and under one lock; api.go answers on
// the socket, views.go and metrics.go make what it shows. A file that cannot be
// read keeps what it said last: a slip while editing stops no service.
package agent
