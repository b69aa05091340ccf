package lab

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/skepdev/skep/internal/capture"
)

// Capture writes the frames of a link to a pcapng stream.
type Capture struct {
	lab  *Lab
	link *Link
	stop func() (uint64, error)

	mu      sync.Mutex
	out     *capture.Writer
	err     error // of the writer
	packets uint64
	lost    uint64
	closed  bool
}

// Capture starts to write the frames of link k to w as pcapng, from now until
// Close: each frame once, as it leaves a device, after that device's egress
// programs and before XDP at the other end, so that it can be seen what was
// dropped there. Direction flags are from the view of end 0: for an
// endpoint's link "outbound" is what the endpoint sends.
//
// In the kernel world frames that an XDP program sends (XDP_TX, redirect) do
// not pass packet sockets and are missing.
//
// w gets the file's header before Capture returns and then each frame in one
// Write, from one goroutine at a time; it is not closed. When a slow w makes
// the queue overflow, frames are left out and counted ([Capture.Lost]); traffic
// never waits.
func (l *Lab) Capture(k *Link, w io.Writer) (*Capture, error) {
	if k == nil || k.lab != l {
		return nil, errors.New("capture: the link is not of this lab")
	}
	if l.ctx.Err() != nil {
		return nil, errClosed("capture", k.Name())
	}
	out, err := capture.NewWriter(w, capture.Pcapng, capture.Interface{Name: k.Name(), LinkType: capture.LinkEthernet})
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", k.Name(), err)
	}
	c := &Capture{lab: l, link: k, out: out}
	if c.stop, err = k.wire.tap(c.deliver); err != nil {
		return nil, fmt.Errorf("capture %s: %w", k.Name(), l.cause(err))
	}
	if !l.open.add(c) {
		return nil, errClosed("capture", k.Name())
	}
	return c, nil
}

func (c *Capture) deliver(f tapped) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		c.lost++
		return
	}
	p := capture.Packet{Data: f.data, Time: f.at.UnixNano(), Length: f.size, Direction: capture.Inbound}
	if f.from == 0 {
		p.Direction = capture.Outbound
	}
	if c.err = c.out.Write(&p); c.err == nil {
		c.packets++
	}
}

// Packets is the number of frames written so far.
func (c *Capture) Packets() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packets
}

// Lost is the number of frames left out; it is complete after Close.
func (c *Capture) Lost() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// Close ends the capture after writing every frame that crossed the link
// before the call. It returns the writer's first error. It is safe twice.
func (c *Capture) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.lab.open.remove(c)
	lost, err := c.stop()

	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost += lost
	if err = errors.Join(c.err, err); err != nil {
		return fmt.Errorf("capture %s: %w", c.link.Name(), err)
	}
	return nil
}
