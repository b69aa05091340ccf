package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/skepdev/skep/replay"
)

// captureFile is a capture that is read from a file or from standard input.
type captureFile struct {
	*replay.Capture
	name string
	file io.Closer
}

// openCapture opens a capture; "-" is standard input.
func openCapture(s *streams, path string) (*captureFile, error) {
	c := &captureFile{name: path}
	r := s.in
	if path == "-" {
		c.name = "standard input"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		r, c.file = f, f
	}
	var err error
	if c.Capture, err = replay.ReadCapture(r); err != nil {
		return nil, errors.Join(c.explain(err), c.Close())
	}
	return c, nil
}

// Next names the file in errors.
func (c *captureFile) Next(p *replay.Packet) error {
	err := c.Capture.Next(p)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return c.explain(err)
}

func (c *captureFile) explain(err error) error { return fmt.Errorf("%s: %w", c.name, err) }

func (c *captureFile) notes() []string {
	if c == nil {
		return nil
	}
	return c.Notes()
}

// Close closes the file. It is safe twice.
func (c *captureFile) Close() error {
	if c.file == nil {
		return nil
	}
	f := c.file
	c.file = nil
	return f.Close()
}

// captureOut writes the packets that go on.
type captureOut struct {
	*replay.CaptureWriter
	w *bufio.Writer
	f *os.File
}

// createCapture makes a pcapng file if it is called so, else a pcap file.
func createCapture(path string, like *captureFile) (*captureOut, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	c := &captureOut{w: bufio.NewWriter(f), f: f}
	if c.CaptureWriter, err = replay.WriteCapture(c.w, strings.HasSuffix(path, ".pcapng"), like.Capture); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

func (c *captureOut) Close() error { return errors.Join(c.w.Flush(), c.f.Close()) }
