package lab

import (
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

type ngWriter struct{ w *pcapgo.NgWriter }

func newFrameWriter(w io.Writer, name string) (frameWriter, error) {
	intf := pcapgo.DefaultNgInterface
	intf.Name, intf.LinkType = name, layers.LinkTypeEthernet
	ng, err := pcapgo.NewNgWriterInterface(w, intf, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		return nil, err
	}
	return ngWriter{ng}, nil
}

func (n ngWriter) write(at time.Time, data []byte, size int, outbound bool) error {
	return n.w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(data), Length: size}, data)
}

func (n ngWriter) flush() error { return n.w.Flush() }
