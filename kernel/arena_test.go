package kernel

import (
	"errors"
	"strings"
	"testing"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/engine/enginetest"
)

// TestArenaPrograms: what the library below would load wrongly is refused, with
// what to do.
func TestArenaPrograms(t *testing.T) {
	eng := newEngine(t)
	spec, err := enginetest.Object("arena")
	if err != nil {
		t.Fatal(err)
	}
	_, err = eng.Load(t.Context(), spec, nil)
	var n *engine.NotSupportedError
	if !errors.As(err, &n) || !strings.Contains(n.Reason, "arena") {
		t.Errorf("got %v", err)
	}
}
