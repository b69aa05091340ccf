//go:build linux

package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// attachLirc attaches to an infrared receiver's device file (Linux 4.18).
func attachLirc(p *Program, t engine.Lirc) (engine.Link, error) {
	if err := wantType(p, t, ebpf.LircMode2); err != nil {
		return nil, err
	}
	fd, err := unix.Open(t.Path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, attachError(p, t, fmt.Errorf("open %s: %w", t.Path, err), "")
	}
	l, err := attachDirect(p, t, fd, uint32(ebpf.AttachLircMode2), 0, false)
	if err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBADF) {
			return nil, fmt.Errorf("attach program %s to %s: it is not an infrared receiver, or the kernel was built without CONFIG_BPF_LIRC_MODE2: %w", p.info.Name, t, err)
		}
		return nil, attachError(p, t, err, "", capNetAdmin)
	}
	return &lircLink{l}, nil
}

// lircLink cannot be updated: a receiver runs all its programs, so attaching
// another one adds it.
type lircLink struct{ *directLink }

// Update is not supported.
func (l *lircLink) Update(engine.Program) error { return noUpdate(engine.KindLirc) }
