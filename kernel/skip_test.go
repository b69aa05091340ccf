//go:build linux

package kernel

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// skipUnsupported skips the test if err says that this kernel lacks something
// that the kernels of make test-vm have.
func skipUnsupported(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, engine.ErrNotSupported) {
		t.Skipf("this kernel refuses it; make test-vm runs it on others: %v", err)
	}
}

// skipRefused also skips on EINVAL before verification, which is how kernels
// refuse types that they do not know.
func skipRefused(t *testing.T, err error) {
	t.Helper()
	skipUnsupported(t, err)
	if errors.Is(err, unix.EINVAL) && !errors.Is(err, engine.ErrRejected) {
		t.Skipf("this kernel does not know it; make test-vm runs it on others: %v", err)
	}
}
