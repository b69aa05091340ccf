package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Reader reads the packets of a capture in the order they are in the file. Not
// safe for concurrent use.
type Reader struct {
	src    source
	format Format
	ifaces []Interface
	// section is the index of the first interface of the current section:
	// pcapng counts interfaces anew in each.
	section int
	next    func(*Packet) error
	buf     []byte
	err     error // ends the reading
	pcap    pcapHeader
}

// Magic numbers at the beginning of a file, as they are in the writer's byte
// order.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34
	magicSection  = 0x0a0d0d0a // the same in both byte orders
)

// NewReader recognizes the format of the capture by its first bytes and reads
// its header. r is read through a buffer, so further than the packets returned.
func NewReader(r io.Reader) (*Reader, error) {
	c := &Reader{src: source{r: bufio.NewReaderSize(r, 64<<10)}}
	first, err := c.src.r.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			what := "the file is empty"
			if len(first) > 0 {
				what = fmt.Sprintf("the file has only %d bytes", len(first))
			}
			return nil, &Error{What: what, Remedy: remedyFormat, Err: io.ErrUnexpectedEOF}
		}
		return nil, &Error{What: "the first bytes cannot be read", Err: err}
	}
	c.src.order = binary.LittleEndian
	if open := c.opener(first); open != nil {
		return c, open()
	}
	c.src.order = binary.BigEndian
	if open := c.opener(first); open != nil {
		return c, open()
	}
	return nil, &Error{What: fmt.Sprintf("no capture begins with the bytes % x%s", first, guess(first)), Remedy: remedyFormat}
}

// opener returns what reads a file with that beginning, or nil.
func (c *Reader) opener(first []byte) func() error {
	switch c.src.order.Uint32(first) {
	case magicMicro:
		return func() error { return c.openPcap(1000) }
	case magicNano:
		return func() error { return c.openPcap(1) }
	case magicModified:
		return func() error {
			return &Error{What: "the file is in the modified pcap format of old Linux kernels", Remedy: "convert it with editcap -F pcapng"}
		}
	case magicSection:
		return c.openPcapng
	}
	return nil
}

// guess names files that are often taken for captures.
func guess(b []byte) string {
	switch {
	case b[0] == 0x1f && b[1] == 0x8b:
		return " (gzip: unpack it with gunzip)"
	case string(b) == "\x28\xb5\x2f\xfd":
		return " (zstd: unpack it with unzstd)"
	case string(b) == "\xfd7zX":
		return " (xz: unpack it with unxz)"
	case string(b) == "snoo":
		return " (snoop)"
	case string(b) == "\x7fELF":
		return " (an ELF object)"
	}
	return ""
}

// Format is pcap or pcapng.
func (c *Reader) Format() Format { return c.format }

// Interfaces that packets were captured on, as far as the file was read. The
// slice is the caller's.
func (c *Reader) Interfaces() []Interface { return slices.Clone(c.ifaces) }

// Next reads the next packet into p. At the end it returns io.EOF; a damaged
// file gives an [*Error], and again at each further call.
func (c *Reader) Next(p *Packet) error {
	if c.err != nil {
		return c.err
	}
	*p = Packet{}
	if err := c.next(p); err != nil {
		c.err = err
		*p = Packet{}
		return err
	}
	return nil
}

// damaged is an error about the record that begins at offset.
func damaged(offset int64, format string, args ...any) error {
	return &Error{Offset: offset, What: fmt.Sprintf(format, args...), Remedy: remedyDamaged}
}

// cut is an error about a record at offset that could not be read whole.
func cut(offset int64, what string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &Error{Offset: offset, What: what + " is cut off", Remedy: remedyCut, Err: io.ErrUnexpectedEOF}
	}
	return &Error{Offset: offset, What: what + " cannot be read", Err: err}
}
