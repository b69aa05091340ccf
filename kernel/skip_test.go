//go:build linux

package kernel

import (
	"errors"
	"testing"

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
