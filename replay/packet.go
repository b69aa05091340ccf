package replay

import "time"

// Packet is one recorded Ethernet frame.
type Packet struct {
	// Data is the frame from its Ethernet header on, as far as it was captured.
	Data []byte
	// Length is the frame's length on the wire in bytes; 0 means len(Data).
	Length int
	// Time of capture.
	Time time.Time
	// Interface is the number of the capture's interface, from 0.
	Interface int
	// Err says why the packet cannot be run, if it cannot.
	Err error
}

// A Source gives packets in order.
type Source interface {
	// Next fills p with the next packet; io.EOF after the last. The data is
	// valid until the following call.
	Next(p *Packet) error
}

// A Sink takes the packets that come out. The packet's data is valid during
// the call only.
type Sink interface {
	Write(p *Packet) error
}

// Packets is a Source of packets in memory.
func Packets(packets ...Packet) Source { return &memory{packets} }

type memory struct{ rest []Packet }

func (m *memory) Next(p *Packet) error {
	if len(m.rest) == 0 {
		return errEnd
	}
	*p, m.rest = m.rest[0], m.rest[1:]
	return nil
}
