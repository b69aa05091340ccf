//go:build unix

package demo

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// readsEnd says that readSome returns soon after stop was closed.
const readsEnd = true

// readSome reads what there is, waiting for it until stop closes. Files of a
// terminal know no deadlines, so it looks twenty times a second.
func readSome(f *os.File, b []byte, stop <-chan struct{}) (int, error) {
	fd := int(f.Fd())
	for {
		select {
		case <-stop:
			return 0, io.EOF
		default:
		}
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 50)
		switch {
		case err == unix.EINTR || err == nil && n == 0:
			continue
		case err != nil:
			return 0, err
		}
		n, err = unix.Read(fd, b)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case n == 0 && err == nil:
			return 0, io.EOF
		}
		return n, err
	}
}
