//go:build linux

package kernel

import (
	"fmt"
	"io"
	"os"

	"github.com/skepdev/skep/engine"
)

// iterLink is an iterator's link.
type iterLink struct{ *bpfLink }

var _ engine.IterLink = (*iterLink)(nil)

// Open runs the iterator from its beginning. The program runs while the reader
// is read; the reader stays good after the link is closed.
func (l *iterLink) Open() (io.ReadCloser, error) {
	var f *os.File
	err := l.withFD("open", func(fd int) error {
		it, err := bpfCall(cmdIterCreate, &fdAttr{fd: uint32(fd)})
		if err != nil {
			return fmt.Errorf("open %s: %w", l.target, err)
		}
		f = os.NewFile(uintptr(it), "bpf_iter")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}
