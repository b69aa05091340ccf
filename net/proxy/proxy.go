package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

// Picker says where a connection goes; *lb.Dataplane is one.
type Picker interface {
	Pick(p lb.Packet) (netip.AddrPort, error)
	Established(p lb.Packet) error
	Ended(p lb.Packet) error
}

// Options change how a proxy works. The zero value is good.
type Options struct {
	// At is an address to listen on instead of the frontends' own, which need
	// not be addresses of this host.
	At netip.Addr
	// Timeout of connecting to a backend; 0 means 5 s.
	Timeout time.Duration
	// Listen and Dial; nil means net's.
	Listen       func(ctx context.Context, network, addr string) (net.Listener, error)
	ListenPacket func(ctx context.Context, network, addr string) (DatagramConn, error)
	Dial         func(ctx context.Context, network, addr string) (net.Conn, error)
	// Idle is how long the answers of a backend find a client that sent
	// datagrams, after the last either way; 0 means 60 s.
	Idle time.Duration
	// Report, if not nil, is told how a backend took a connection: err is nil
	// if it accepted it, or answered a client's datagrams. It is called from
	// many goroutines.
	Report func(f Frontend, backend netip.AddrPort, err error)
	// Log; nil means slog's default.
	Log *slog.Logger
}

// Frontend is an address to accept connections for, or datagrams.
type Frontend struct {
	Addr netip.AddrPort
	// Protocol is TCP or UDP; 0 means TCP.
	Protocol service.Protocol
	// Service is for Options.Report: whose frontend it is.
	Service string
	// Header is the PROXY protocol's version to tell backends the client's
	// address with; 0 means not.
	Header int
}

// Proxy accepts and forwards. It is safe for concurrent use.
type Proxy struct {
	pick   Picker
	opts   Options
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu        sync.Mutex
	listeners map[Frontend]io.Closer
}

// New returns a proxy that listens nowhere yet. The caller closes it.
func New(pick Picker, opts Options) *Proxy {
	if opts.Timeout == 0 {
		opts.Timeout = 5 * time.Second
	}
	if opts.Listen == nil {
		opts.Listen = new(net.ListenConfig).Listen
	}
	if opts.ListenPacket == nil {
		opts.ListenPacket = listenPacket
	}
	if opts.Idle == 0 {
		opts.Idle = time.Minute
	}
	if opts.Dial == nil {
		opts.Dial = new(net.Dialer).DialContext
	}
	opts.Log = cmp.Or(opts.Log, slog.Default())
	ctx, cancel := context.WithCancel(context.Background())
	return &Proxy{pick: pick, opts: opts, ctx: ctx, cancel: cancel, listeners: map[Frontend]io.Closer{}}
}

func listenPacket(ctx context.Context, network, addr string) (DatagramConn, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// Set listens for exactly these frontends. Those that stay are not touched, and
// TCP connections of those that go live on. It returns why some cannot be listened
// for; Set tries those again next time.
func (p *Proxy) Set(frontends []Frontend) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return []error{net.ErrClosed}
	}
	wanted := map[Frontend]bool{}
	for _, f := range frontends {
		wanted[f.normal()] = true
	}
	for f, ln := range p.listeners {
		if !wanted[f] {
			_ = ln.Close()
			delete(p.listeners, f)
		}
	}
	var errs []error
	for _, f := range frontends {
		f = f.normal()
		if p.listeners[f] != nil {
			continue
		}
		at := f.Addr
		if p.opts.At.IsValid() {
			at = netip.AddrPortFrom(p.opts.At, at.Port())
		}
		ln, err := p.listen(f, at)
		if err != nil {
			errs = append(errs, fmt.Errorf("listen for %v: %w", f.Addr, err))
			continue
		}
		p.listeners[f] = ln
	}
	return errs
}

func (f Frontend) normal() Frontend {
	if f.Protocol == 0 {
		f.Protocol = service.TCP
	}
	return f
}

func (p *Proxy) listen(f Frontend, at netip.AddrPort) (io.Closer, error) {
	switch f.Protocol {
	case service.UDP:
		return p.listenDatagrams(f, at)
	case service.TCP:
		ln, err := p.opts.Listen(p.ctx, "tcp", at.String())
		if err != nil {
			return nil, err
		}
		p.wait.Go(func() { p.accept(f, ln) })
		return ln, nil
	}
	return nil, fmt.Errorf("user space balances TCP and UDP, not %v", f.Protocol)
}

func (p *Proxy) accept(f Frontend, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || p.ctx.Err() != nil {
				return
			}
			// Out of descriptors, say: others may be closed meanwhile.
			p.opts.Log.Warn("accept", "frontend", f.Addr, "err", err)
			select {
			case <-p.ctx.Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		p.wait.Go(func() {
			if err := p.serve(f, conn); err != nil && p.ctx.Err() == nil {
				p.opts.Log.Warn("forward", "frontend", f.Addr, "client", conn.RemoteAddr(), "err", err)
			}
		})
	}
}

// serve forwards one connection until both sides are done.
func (p *Proxy) serve(f Frontend, client net.Conn) error {
	defer client.Close()
	from, err := addrPort(client.RemoteAddr())
	if err != nil {
		return err
	}
	packet := p.packet(f, from)
	to, err := p.pick.Pick(packet)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.opts.Timeout)
	backend, err := p.opts.Dial(ctx, "tcp", to.String())
	cancel()
	p.report(f, to, err)
	defer func() { _ = p.pick.Ended(packet) }() // the entry ages by itself otherwise
	if err != nil {
		return err
	}
	defer backend.Close()
	if err := p.pick.Established(packet); err != nil {
		return err
	}
	if f.Header != 0 {
		if _, err := backend.Write(header(f.Header, from, f.Addr)); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(p.ctx, func() { client.Close(); backend.Close() })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		relay(backend, client)
	}()
	relay(client, backend)
	<-done
	return nil
}

// stand is an address of the other family that stands for a client.
func stand(client, like netip.Addr) netip.Addr {
	a := client.As16()
	if like.Is4() {
		return netip.AddrFrom4([4]byte(a[12:]))
	}
	return netip.AddrFrom16(a)
}

// relay copies one way, and passes on that it ended.
func relay(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	// Broken, or of a kind that cannot end one way only.
	_ = to.Close()
	_ = from.Close()
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), err
}

// Close stops listening, ends all connections and waits for them.
func (p *Proxy) Close() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	p.cancel()
	for f, ln := range p.listeners {
		_ = ln.Close()
		delete(p.listeners, f)
	}
	p.mu.Unlock()
	p.wait.Wait()
	return nil
}
