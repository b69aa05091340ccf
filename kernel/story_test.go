package kernel_test

import (
	"testing"

	"github.com/skepdev/skep/engine/enginetest"
	"github.com/skepdev/skep/kernel"
)

// The kernel tells the whole behaviour story: expectations were taken from it.
func TestStory(t *testing.T) {
	eng, err := kernel.New(kernel.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	enginetest.Run(t, eng, enginetest.Options{})
}
