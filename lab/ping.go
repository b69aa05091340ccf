package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/skepdev/skep/engine"
)

// PingOptions describe one echo request. The zero value is good.
type PingOptions struct {
	// Seq is the sequence number in the request.
	Seq uint16
	// Payload after the 8-byte ICMP header; nil means 56 bytes that count up.
	// Replies must carry it back unchanged.
	Payload []byte
	// Timeout for the reply; 0 means one second. The context may end it sooner.
	Timeout time.Duration
}

// PingReply is the answer to one echo request.
type PingReply struct {
	From netip.Addr
	Seq  uint16
	// Payload is the number of bytes after the ICMP header.
	Payload int
	RTT     time.Duration
}

// ErrUnreachable: a router or the target answered a ping with an ICMP error.
var ErrUnreachable = errors.New("destination unreachable")

// Ping sends one ICMP echo request (ICMPv6 for an IPv6 address) and waits for
// its reply. No reply in time is os.ErrDeadlineExceeded; an ICMP error about
// the request is [ErrUnreachable]. Pings may run at the same time, also with
// the same sequence number: each has an identifier of its own. Requests larger
// than the MTU travel in fragments; in the embedded world over IPv4 only.
func (h *Host) Ping(ctx context.Context, to netip.Addr, opts PingOptions) (PingReply, error) {
	to = to.Unmap()
	if !to.IsValid() {
		return PingReply{}, fmt.Errorf("ping from %s: no address", h.name)
	}
	p := &h.ping[0]
	if to.Is6() {
		p = &h.ping[1]
	}
	r, err := p.ping(ctx, to, opts)
	if err != nil {
		return r, fmt.Errorf("ping %s from %s: seq %d: %w", to, h.name, opts.Seq, h.lab.cause(err))
	}
	return r, nil
}

// pinger sends a host's echo requests of one family over one raw socket, made
// when first needed, and hands replies to those who wait.
type pinger struct {
	host *Host
	v6   bool
	icmpTypes

	mu      sync.Mutex
	conn    icmpConn
	ended   error
	done    chan struct{} // closed when the reader has ended
	waiting map[uint16]*echo
	id      uint16
}

// icmpTypes are the message types a ping sends and understands: RFC 792 and
// RFC 4443. Errors carry the offending packet after 8 bytes.
type icmpTypes struct{ request, reply, unreachable, tooBig, exceeded byte }

// echo is a request that waits for its reply, in a channel for one.
type echo struct {
	to      netip.Addr
	seq     uint16
	payload []byte
	answer  chan answer
}

type answer struct {
	at   time.Time
	from netip.Addr
	err  error
}

func (p *pinger) init(h *Host, v6 bool) {
	p.host, p.v6 = h, v6
	p.icmpTypes = icmpTypes{request: 8, reply: 0, unreachable: 3, tooBig: 3, exceeded: 11}
	if v6 {
		p.icmpTypes = icmpTypes{request: 128, reply: 129, unreachable: 1, tooBig: 2, exceeded: 3}
	}
}

func (p *pinger) ping(ctx context.Context, to netip.Addr, opts PingOptions) (PingReply, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = time.Second
	}
	payload := opts.Payload
	if payload == nil {
		payload = make([]byte, 56)
		for i := range payload {
			payload[i] = byte(i)
		}
	}
	if len(payload) > 65535-28 {
		return PingReply{}, fmt.Errorf("payload of %d bytes: at most %d fit a packet", len(payload), 65535-28)
	}
	e := &echo{to: to, seq: opts.Seq, payload: payload, answer: make(chan answer, 1)}
	conn, id, err := p.register(e)
	if err != nil {
		return PingReply{}, err
	}
	defer p.forget(id)

	timer := time.NewTimer(opts.Timeout)
	defer timer.Stop()
	start := time.Now()
	if err := conn.write(p.message(id, e), to); err != nil {
		return PingReply{}, err
	}
	select {
	case a := <-e.answer:
		return PingReply{From: a.from, Seq: e.seq, Payload: len(payload), RTT: a.at.Sub(start)}, a.err
	case <-timer.C:
		return PingReply{}, fmt.Errorf("no reply in %v: %w", opts.Timeout, os.ErrDeadlineExceeded)
	case <-ctx.Done():
		return PingReply{}, context.Cause(ctx)
	case <-p.host.lab.ctx.Done():
		return PingReply{}, engine.ErrClosed
	}
}

// register opens the socket if need be and gives e an identifier.
func (p *pinger) register(e *echo) (icmpConn, uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return nil, 0, p.ended
	}
	if p.conn == nil {
		if err := p.openLocked(); err != nil {
			return nil, 0, err
		}
	}
	if len(p.waiting) >= 1<<15 {
		return nil, 0, errors.New("too many pings wait for replies")
	}
	for p.id++; p.waiting[p.id] != nil || p.id == 0; p.id++ {
	}
	p.waiting[p.id] = e
	return p.conn, p.id, nil
}

func (p *pinger) openLocked() error {
	conn, err := p.host.stack.icmp(p.v6)
	if err != nil {
		return err
	}
	p.conn, p.done, p.waiting = conn, make(chan struct{}), map[uint16]*echo{}
	go p.readAll(conn)
	return nil
}

func (p *pinger) forget(id uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, id)
}

// close ends the reader and waits for it; the lab's Close calls it.
func (p *pinger) close() error {
	p.mu.Lock()
	if p.ended == nil {
		p.ended = engine.ErrClosed
	}
	conn, done := p.conn, p.done
	p.mu.Unlock()
	if conn == nil {
		return nil
	}
	err := conn.close()
	<-done
	return err
}

func (p *pinger) message(id uint16, e *echo) []byte {
	b := make([]byte, 8, 8+len(e.payload))
	b[0] = p.request
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], e.seq)
	b = append(b, e.payload...)
	if !p.v6 {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// checksum is the Internet checksum of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func (p *pinger) readAll(conn icmpConn) {
	defer close(p.done)
	buf := make([]byte, 65536)
	for {
		n, from, err := conn.read(buf)
		if err != nil {
			p.mu.Lock()
			if p.ended == nil {
				p.ended = err
			}
			p.mu.Unlock()
			return
		}
		p.dispatch(buf[:n], from, time.Now())
	}
}

// dispatch hands a message to whom it concerns. Anything else that a raw
// socket sees is ignored.
func (p *pinger) dispatch(b []byte, from netip.Addr, at time.Time) {
	if len(b) < 8 {
		return
	}
	switch b[0] {
	case p.reply:
		p.answer(b, from, answer{at: at, from: from}, true)
	case p.unreachable, p.tooBig, p.exceeded:
		if inner, ok := p.offending(b[8:]); ok {
			err := fmt.Errorf("%w: ICMP type %d code %d from %s", ErrUnreachable, b[0], b[1], from)
			p.answer(inner, netip.Addr{}, answer{at: at, from: from, err: err}, false)
		}
	}
}

// offending finds the echo request inside the packet that an ICMP error
// quotes.
func (p *pinger) offending(b []byte) ([]byte, bool) {
	size := 40
	if p.v6 {
		if len(b) < size+8 || b[0]>>4 != 6 || b[6] != 58 {
			return nil, false
		}
	} else {
		if len(b) < 20 || b[0]>>4 != 4 || b[9] != 1 {
			return nil, false
		}
		size = int(b[0]&0xf) * 4
		if size < 20 || len(b) < size+8 {
			return nil, false
		}
	}
	if b = b[size:]; b[0] != p.request {
		return nil, false
	}
	return b, true
}

func (p *pinger) answer(b []byte, from netip.Addr, a answer, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.waiting[binary.BigEndian.Uint16(b[4:])]
	if e == nil || e.seq != binary.BigEndian.Uint16(b[6:]) {
		return
	}
	if whole && (string(b[8:]) != string(e.payload) || !e.to.IsMulticast() && from.WithZone("") != e.to.WithZone("")) {
		return
	}
	select {
	case e.answer <- a:
	default: // a duplicate
	}
}
