// Package proxy balances TCP connections and UDP datagrams in user space: an
// ordinary process accepts them and connects to backends, without privilege. Which backend it is
// the load balancer's program decides, run on the embedded engine over the same
// tables as anywhere else.
//
//	p := proxy.New(plane, proxy.Options{})
//	problems := p.Set(frontends)   // opens and closes listeners
//	err := p.Close()               // and ends connections
//
// A client that sends datagrams keeps a socket of its own towards its backend
// until neither sent anything for a while; which backend it is the program is
// asked again every second, so that draining and removal count.
//
// Bytes go from socket to socket in the kernel where Go's io.Copy can have it so
// (splice on Linux). Backends see the proxy's address; with the PROXY protocol
// (versions 1 and 2, haproxy.org/download/3.0/doc/proxy-protocol.txt) they are
// told the client's.
package proxy
