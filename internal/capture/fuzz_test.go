package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// FuzzReader: whatever the file, reading ends, in order or with an Error, and
// what was read can be written and read again.
func FuzzReader(f *testing.F) {
	files, err := filepath.Glob("testdata/*.pcap")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		f.Add(pcapFile(o, magicMicro, 101, []byte("abc")))
		f.Add(bytes.Join([][]byte{
			section(o), iface(o, 1, option(o, optIfName, []byte("eth0")), option(o, optIfResolution, []byte{0x8a}), option(o, optIfOffset, make([]byte, 8))),
			enhanced(o, 0, 77, "data", option(o, optComment, []byte("c")), option(o, optPacketFlags, make([]byte, 4))),
			block(o, blockSimple, []byte{0, 0, 0, 0}), block(o, 77, nil), section(o),
		}, nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		var out bytes.Buffer
		var w *Writer
		var p Packet
		n := 0
		for err == nil {
			if err = r.Next(&p); err != nil {
				break
			}
			n++
			if len(p.Data) > len(b) || n > len(b) {
				t.Fatalf("packet %d has %d bytes in a file of %d", n, len(p.Data), len(b))
			}
			if frame, err := ToEthernet(p.LinkType, p.Data, nil); err == nil && len(frame) < ethernetHeader {
				t.Fatalf("frame of %d bytes", len(frame))
			}
			if w == nil {
				if w, err = NewWriter(&out, Pcapng, Interface{LinkType: p.LinkType}); err != nil {
					t.Fatal(err)
				}
			}
			p.Interface = 0
			p.Time = max(p.Time, 0)
			if err := w.Write(&p); err != nil {
				t.Fatal(err)
			}
		}
		var e *Error
		if err != io.EOF && !errors.As(err, &e) {
			t.Fatalf("error is %v", err)
		}
		if n == 0 {
			return
		}
		again, _, err := readAll(&out)
		if err != nil || len(again) != n {
			t.Fatalf("%d packets written, %d read: %v", n, len(again), err)
		}
	})
}
