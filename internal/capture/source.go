package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// source reads a stream, and knows how far it is.
type source struct {
	r      *bufio.Reader
	offset int64
	order  binary.ByteOrder
}

// fill reads exactly len(b) bytes. At the very end of the stream it returns
// io.EOF, in the middle of b io.ErrUnexpectedEOF.
func (s *source) fill(b []byte) error {
	n, err := io.ReadFull(s.r, b)
	s.offset += int64(n)
	return err
}

// step is how much more memory is taken at a time for a length that a file
// claims but may not hold.
const step = 64 << 10

// grow reads n bytes into buf's capacity, which grows with what arrives.
func (s *source) grow(buf []byte, n int) ([]byte, error) {
	if n <= cap(buf) {
		buf = buf[:n]
		return buf, noEOF(s.fill(buf))
	}
	buf = buf[:0]
	for len(buf) < n {
		more := min(n-len(buf), max(step, len(buf)))
		at := len(buf)
		if cap(buf) < at+more {
			bigger := make([]byte, at, at+more)
			copy(bigger, buf)
			buf = bigger
		}
		buf = buf[:at+more]
		if err := s.fill(buf[at:]); err != nil {
			return buf[:at], noEOF(err)
		}
	}
	return buf, nil
}

// skip passes over n bytes.
func (s *source) skip(n int64) error {
	for n > 0 {
		k, err := s.r.Discard(int(min(n, 1<<20)))
		s.offset += int64(k)
		n -= int64(k)
		if err != nil {
			return noEOF(err)
		}
	}
	return nil
}

// noEOF makes the end of the stream unexpected.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
