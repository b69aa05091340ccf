package lab

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Capture writes the frames of a link to a pcapng stream.
type Capture struct {
	lab  *Lab
	link *Link
	stop func() (uint64, error)

	mu      sync.Mutex
	out     frameWriter
	err     error // of the writer
	packets uint64
	lost    uint64
	closed  bool
}

// A frameWriter writes frames as a capture file.
type frameWriter interface {
	// write adds a frame of size bytes, of which data holds the first.
	write(at time.Time, data []byte, size int, outbound bool) error
	flush() error
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
// w is written from one goroutine at a time and is not closed. When a slow w
// makes the queue overflow, frames are left out and counted
// ([Capture.Lost]); traffic never waits.
func (l *Lab) Capture(k *Link, w io.Writer) (*Capture, error) {
	if k == nil || k.lab != l {
		return nil, errors.New("capture: the link is not of this lab")
	}
	out, err := newFrameWriter(w, k.Name())
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", k.Name(), err)
	}
	c := &Capture{lab: l, link: k, out: out}
	if l.ctx.Err() != nil {
		return nil, errClosed("capture", k.Name())
	}
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
	if c.err = c.out.write(f.at, f.data, f.size, f.from == 0); c.err == nil {
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
	if c.err == nil {
		c.err = c.out.flush()
	}
	if err = errors.Join(c.err, err); err != nil {
		return fmt.Errorf("capture %s: %w", c.link.Name(), err)
	}
	return nil
}
