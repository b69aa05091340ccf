//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// Map errors that a hot path may meet, made once.
var (
	errKeyNotExist = engine.Errno(engine.ErrKeyNotExist, unix.ENOENT)
	errKeyExist    = engine.Errno(engine.ErrKeyExist, unix.EEXIST)
	errFull        = engine.Errno(engine.ErrFull, unix.E2BIG)
	errReadOnly    = engine.Errno(engine.ErrReadOnly, unix.EPERM)
)

// permissionError says which right is missing and how to get it.
type permissionError struct {
	what   string
	remedy string
	err    error
}

func (e *permissionError) Error() string {
	// The number says it all; what wraps it guesses at reasons.
	return e.what + ": " + bare(e.err).Error() + ": " + e.remedy
}

func (e *permissionError) Unwrap() error        { return e.err }
func (e *permissionError) Is(target error) bool { return target == engine.ErrPermission }

// permission explains an EPERM or EACCES of what; needs are the capabilities
// that would have sufficed.
func permission(what string, err error, needs ...capability) error {
	var missing []string
	have := effectiveCapabilities()
	for _, c := range needs {
		if !have.has(c) {
			missing = append(missing, c.String())
		}
	}
	e := &permissionError{what: what, err: err}
	if len(missing) > 0 {
		list := strings.Join(missing, " and ")
		e.remedy = "this process lacks " + list + "; run as root, or grant it (setcap, AmbientCapabilities=, docker --cap-add)"
	} else {
		e.remedy = "the capabilities are there, so a policy forbids it (user namespace, lockdown, seccomp or a security module)"
	}
	return e
}

func isPermission(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}

// isUnsupported says whether err is one of the ways Linux says "not here".
func isUnsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, errnoNotSupp) ||
		errors.Is(err, unix.ENOSYS) || errors.Is(err, ebpf.ErrNotSupported)
}

// bare is the error number in err, without the guesses that wrap it, or err.
func bare(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// notSupported makes the error for something this kernel lacks.
func notSupported(feature, reason, remedy string, err error) error {
	return &engine.NotSupportedError{Feature: feature, Reason: reason, Remedy: remedy, Err: err}
}

// noUpdate is the answer of links that Linux cannot update.
func noUpdate(kind engine.AttachKind) error {
	return notSupported("update of a "+string(kind)+" link", "Linux cannot replace the program of this kind of link",
		"attach the new program, then close this link", nil)
}

// noLink is the answer to Pin and Unpin of what is not a bpf_link.
func noLink(what string) error {
	return notSupported("pin "+what, "Linux keeps this attachment without a bpf_link", "", nil)
}

// mapError turns a map operation's errno into the promise's errors.
func (m *Map) mapError(op string, e syscall.Errno) error {
	switch e {
	case unix.ENOENT:
		return errKeyNotExist
	case unix.EEXIST:
		return errKeyExist
	case unix.E2BIG:
		return errFull
	case unix.EPERM:
		// The one reason for EPERM on a descriptor that is already open: the
		// map is frozen or the descriptor lacks the mode.
		return errReadOnly
	case errnoNotSupp, unix.EOPNOTSUPP:
		return notSupported(op+" of map type "+m.info.Type.String(), "the kernel does not offer it", "", e)
	}
	return fmt.Errorf("%s map %s: %w", op, m.info.Name, e)
}
