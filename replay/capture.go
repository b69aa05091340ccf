package replay

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/capture"
)

// Capture is a Source of the packets of a pcap or pcapng file.
type Capture struct {
	r      *capture.Reader
	packet capture.Packet
	frame  []byte
	// rebuilt are the link types whose packets got an Ethernet header.
	rebuilt []capture.LinkType
}

var _ Source = (*Capture)(nil)

// ReadCapture reads the packets of a capture, pcap or pcapng, from r. Packets
// that were captured without an Ethernet header (raw IP, Linux cooked,
// loopback) get one; those of other links end the reading with an error.
//
// r is not trusted: memory stays bounded, and a damaged file is an error that
// says where, after the packets before that place.
func ReadCapture(r io.Reader) (*Capture, error) {
	c, err := capture.NewReader(r)
	if err != nil {
		return nil, err
	}
	return &Capture{r: c}, nil
}

// Next fills p with the next packet. Its data is valid until the following call.
func (c *Capture) Next(p *Packet) error {
	if err := c.r.Next(&c.packet); err != nil {
		return err
	}
	*p = Packet{Data: c.packet.Data, Length: c.packet.Length, Interface: c.packet.Interface}
	if c.packet.Time != 0 {
		p.Time = time.Unix(0, c.packet.Time)
	}
	link := c.packet.LinkType
	if link == capture.LinkEthernet {
		return nil
	}
	if !slices.Contains(convertible(), link) {
		return &engine.NotSupportedError{
			Feature: fmt.Sprintf("replaying packets of link type %s", link),
			Reason:  "they are neither Ethernet, raw IP, Linux cooked nor loopback packets",
		}
	}
	frame, err := capture.ToEthernet(link, p.Data, c.frame)
	if err != nil {
		p.Err = err
		return nil
	}
	c.frame = frame
	p.Length += len(frame) - len(p.Data)
	p.Data = frame
	if !slices.Contains(c.rebuilt, link) {
		c.rebuilt = append(c.rebuilt, link)
	}
	return nil
}

// convertible are the link types whose packets can be given an Ethernet header.
func convertible() []capture.LinkType {
	return []capture.LinkType{
		capture.LinkNull, capture.LinkRawBSD, capture.LinkRawOBSD, capture.LinkRaw, capture.LinkLoop,
		capture.LinkLinuxSLL, capture.LinkIPv4, capture.LinkIPv6, capture.LinkLinuxSLL2,
	}
}

// Notes say, in sentences, what was changed about the packets read so far.
func (c *Capture) Notes() []string {
	var out []string
	for _, l := range c.rebuilt {
		out = append(out, fmt.Sprintf("packets were captured without Ethernet headers (%s) and were given some", l))
	}
	return out
}

// interfaceName is what the capture calls an interface.
func (c *Capture) interfaceName(i int) string {
	if c == nil {
		return ""
	}
	if list := c.r.Interfaces(); i < len(list) {
		return list[i].Name
	}
	return ""
}

// CaptureWriter is a Sink that writes a capture file of Ethernet frames.
type CaptureWriter struct {
	w    *capture.Writer
	like *Capture
	ng   bool
	// index of the written interface by that of the source.
	index map[int]int
}

var _ Sink = (*CaptureWriter)(nil)

// WriteCapture writes packets to w as pcapng, or as pcap, which knows nothing of
// interfaces. like is the capture that the packets come from, whose interfaces'
// names are taken over; it may be nil. Packets are written unbuffered.
func WriteCapture(w io.Writer, pcapng bool, like *Capture) (*CaptureWriter, error) {
	c := &CaptureWriter{like: like, ng: pcapng, index: map[int]int{}}
	var err error
	if pcapng {
		c.w, err = capture.NewWriter(w, capture.Pcapng)
	} else {
		c.w, err = capture.NewWriter(w, capture.Pcap, capture.Interface{LinkType: capture.LinkEthernet})
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Write writes a packet with its time stamp and length.
func (c *CaptureWriter) Write(p *Packet) error {
	out := capture.Packet{Data: p.Data, Length: max(p.Length, len(p.Data)), LinkType: capture.LinkEthernet}
	if !p.Time.IsZero() {
		out.Time = p.Time.UnixNano()
	}
	if c.ng {
		i, ok := c.index[p.Interface]
		if !ok {
			var err error
			if i, err = c.w.AddInterface(capture.Interface{Name: c.like.interfaceName(p.Interface), LinkType: capture.LinkEthernet}); err != nil {
				return err
			}
			c.index[p.Interface] = i
		}
		out.Interface = i
	}
	return c.w.Write(&out)
}
