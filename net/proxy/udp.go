package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

const (
	maxDatagram = 65535
	// recheck is how often a session asks where its datagrams go: so long one
	// may still go to a backend that takes no more.
	recheck = time.Second
	// maxSessions bounds the clients of one frontend that are remembered.
	maxSessions = 4096
)

// DatagramConn is the socket of a frontend; *net.UDPConn is one.
type DatagramConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Close() error
}

// datagrams forwards what clients send to one frontend. A client has a socket of
// its own towards its backend, by which answers find back.
type datagrams struct {
	p    *Proxy
	f    Frontend
	conn DatagramConn

	mu       sync.Mutex
	closed   bool
	sessions map[netip.AddrPort]*session
}

type session struct {
	packet   lb.Packet
	client   netip.AddrPort
	to       netip.AddrPort
	backend  net.Conn
	checked  time.Time    // by the goroutine that receives only
	last     atomic.Int64 // datagram either way, in ns since 1970
	answered atomic.Bool
}

func (p *Proxy) listenDatagrams(f Frontend, at netip.AddrPort) (*datagrams, error) {
	conn, err := p.opts.ListenPacket(p.ctx, "udp", at.String())
	if err != nil {
		return nil, err
	}
	d := &datagrams{p: p, f: f, conn: conn, sessions: map[netip.AddrPort]*session{}}
	p.wait.Go(d.receive)
	return d, nil
}

// Close ends the frontend's socket and its sessions: without it no answer would
// find back.
func (d *datagrams) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, s := range d.sessions {
		_ = s.backend.Close()
	}
	clear(d.sessions)
	return d.conn.Close()
}

func (d *datagrams) receive() {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := d.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || d.p.ctx.Err() != nil {
				return
			}
			// An error that an earlier answer met; the socket goes on.
			d.p.opts.Log.Debug("receive", "frontend", d.f.Addr, "err", err)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
		if err := d.forward(from, b[:n]); err != nil && d.p.ctx.Err() == nil {
			d.p.opts.Log.Debug("forward", "frontend", d.f.Addr, "client", from, "err", err)
		}
	}
}

// forward sends one datagram on. A session whose backend refuses is given up and
// another choice made, once.
func (d *datagrams) forward(from netip.AddrPort, b []byte) error {
	for try := 0; ; try++ {
		s, err := d.session(from)
		if err != nil {
			return err
		}
		s.last.Store(time.Now().UnixNano())
		_, err = s.backend.Write(b)
		if err == nil {
			return nil
		}
		d.end(s)
		if try > 0 {
			return err
		}
		d.p.report(d.f, s.to, err)
	}
}

// session returns the client's session, a new one if there is none or if its
// backend takes no more.
func (d *datagrams) session(from netip.AddrPort) (*session, error) {
	d.mu.Lock()
	s := d.sessions[from]
	d.mu.Unlock()
	now := time.Now()
	if s != nil && now.Sub(s.checked) < recheck {
		return s, nil
	}
	packet := d.p.packet(d.f, from)
	to, err := d.p.pick.Pick(packet)
	if s != nil {
		if err == nil && s.to == to {
			s.checked = now
			return s, nil
		}
		d.end(s)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(d.p.ctx, d.p.opts.Timeout)
	backend, err := d.p.opts.Dial(ctx, "udp", to.String())
	cancel()
	if err != nil {
		return nil, err
	}
	s = &session{packet: packet, client: from, to: to, backend: backend, checked: now}
	s.last.Store(now.UnixNano())
	if err := d.add(s); err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	d.p.wait.Go(func() { d.answers(s) })
	return s, nil
}

var errSessions = fmt.Errorf("%d clients of this frontend have answers already", maxSessions)

// add remembers a session. Where there are too many, the one goes that has been
// idle longest of those that never had an answer; none that had one, so that a
// flood from forged addresses ends nothing that works.
func (d *datagrams) add(s *session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	if len(d.sessions) >= maxSessions {
		var victim *session
		for _, o := range d.sessions {
			if !o.answered.Load() && (victim == nil || o.last.Load() < victim.last.Load()) {
				victim = o
			}
		}
		if victim == nil {
			return errSessions
		}
		_ = victim.backend.Close()
		delete(d.sessions, victim.client)
	}
	d.sessions[s.client] = s
	return nil
}

func (d *datagrams) end(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = s.backend.Close()
	if d.sessions[s.client] == s {
		delete(d.sessions, s.client)
	}
}

// answers sends back what the backend sends, until nothing went either way for
// the idle time.
func (d *datagrams) answers(s *session) {
	defer d.end(s)
	b := make([]byte, maxDatagram)
	for {
		left := time.Until(time.Unix(0, s.last.Load()).Add(d.p.opts.Idle))
		if left <= 0 {
			return
		}
		if err := s.backend.SetReadDeadline(time.Now().Add(left)); err != nil {
			return
		}
		n, err := s.backend.Read(b)
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			continue
		case errors.Is(err, net.ErrClosed):
			return
		default: // refused: nobody listens there
			d.p.report(d.f, s.to, err)
			return
		}
		s.last.Store(time.Now().UnixNano())
		if !s.answered.Swap(true) {
			d.p.report(d.f, s.to, nil)
			_ = d.p.pick.Established(s.packet) // the entry ages earlier otherwise
		}
		if _, err := d.conn.WriteToUDPAddrPort(b[:n], s.client); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// packet is what the table knows a client by.
func (p *Proxy) packet(f Frontend, from netip.AddrPort) lb.Packet {
	packet := lb.Packet{Protocol: f.Protocol, Client: from, Target: f.Addr, Begins: f.Protocol == service.TCP}
	if from.Addr().Is4() != f.Addr.Addr().Is4() {
		// Through another address (Options.At) a client of the other family may
		// come; the table knows its service by the service's.
		packet.Client = netip.AddrPortFrom(stand(from.Addr(), f.Addr.Addr()), from.Port())
	}
	return packet
}

func (p *Proxy) report(f Frontend, backend netip.AddrPort, err error) {
	if p.opts.Report != nil && p.ctx.Err() == nil {
		p.opts.Report(f, backend, err)
	}
}
