//go:build linux

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// printkReader reads trace_pipe, of which a machine has one: a line goes to
// one of its readers.
type printkReader struct {
	f *os.File

	// mu lets one read at a time in.
	mu  sync.Mutex
	buf []byte // what was read and not yet given out
	tmp [4096]byte
}

var _ engine.PrintkReader = (*printkReader)(nil)

// OpenPrintk reads the lines of bpf_trace_printk from now on: what stood in the
// buffer is dropped.
func (e *Engine) OpenPrintk() (engine.PrintkReader, error) {
	dir, err := openTracefs()
	if err != nil {
		return nil, fmt.Errorf("open printk: %w", err)
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), "trace_pipe", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case isPermission(err):
		return nil, permission("open trace_pipe", err, capSysAdmin)
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("open trace_pipe: somebody else reads it: %w", err)
	case err != nil:
		return nil, fmt.Errorf("open trace_pipe: %w", err)
	}
	r := &printkReader{}
	for {
		n, err := unix.Read(fd, r.tmp[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 {
			break
		}
	}
	r.f = os.NewFile(uintptr(fd), "trace_pipe")
	return r, nil
}

// maxPrintkLine bounds a line: the helper's own limit is 1024 bytes.
const maxPrintkLine = 1 << 16

// Read blocks for the next line.
func (r *printkReader) Read() (engine.PrintkLine, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for {
			i := bytes.IndexByte(r.buf, '\n')
			if i < 0 {
				break
			}
			line, ok := parsePrintk(string(r.buf[:i]))
			r.buf = r.buf[i+1:]
			if ok {
				return line, nil
			}
		}
		if len(r.buf) > maxPrintkLine {
			r.buf = nil // not text that a program printed
		}
		n, err := r.f.Read(r.tmp[:])
		r.buf = append(r.buf, r.tmp[:n]...)
		switch {
		case n > 0 || err == nil:
		case errors.Is(err, io.EOF):
			// Tracing was switched off (tracing_on): it may come back.
			time.Sleep(pipeRetry)
		case errors.Is(err, unix.EINTR):
		default:
			return engine.PrintkLine{}, fmt.Errorf("read trace_pipe: %w", err)
		}
	}
}

// pipeRetry is the pause before a pipe that ended is looked at again.
const pipeRetry = 50 * time.Millisecond

// SetDeadline bounds Read, also one under way.
func (r *printkReader) SetDeadline(t time.Time) {
	_ = r.f.SetReadDeadline(t) // fails only when closed, where nobody waits
}

// Close ends a Read under way.
func (r *printkReader) Close() error {
	if r == nil {
		return nil
	}
	err := r.f.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
