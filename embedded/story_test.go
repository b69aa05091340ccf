package embedded_test

import (
	"testing"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine/enginetest"
)

// TestStory: the embedded engine tells the behaviour story that Linux told.
func TestStory(t *testing.T) {
	eng, err := embedded.New(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
		if n := eng.MemoryUsed(); n != 0 {
			t.Errorf("%d bytes are still in use", n)
		}
	})
	enginetest.Run(t, eng, enginetest.Options{})
}
