package embedded_test

import (
	"testing"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine/enginetest"
)

// TestStory: the embedded engine tells the behaviour story that Linux told, as
// native code and interpreted.
func TestStory(t *testing.T) {
	t.Run("native", func(t *testing.T) { story(t, embedded.Config{MaxInstructions: 1 << 23}) })
	t.Run("interpreted", func(t *testing.T) { story(t, embedded.Config{MaxInstructions: 1 << 23, Interpret: true}) })
}

func story(t *testing.T, cfg embedded.Config) {
	eng := newEngine(t, cfg)
	enginetest.Run(t, eng, enginetest.Options{
		Device: func(t *testing.T) enginetest.Device {
			d := device(t, eng, embedded.DeviceConfig{Name: t.Name()})
			return enginetest.Device{Target: d.Target(), Receive: func(frame []byte) error {
				d.Receive(frame)
				return nil
			}}
		},
		PinDir: func(t *testing.T) string { return "/" + t.Name() },
	})
}
