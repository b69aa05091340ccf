package enginetest

import (
	"testing"

	"github.com/skepdev/skep/engine"
)

// apiPart is a part of the story that is told in Go.
type apiPart struct {
	name string
	run  func(t *testing.T, eng engine.Engine, opts Options)
}

func apiParts() []apiPart {
	return nil
}
