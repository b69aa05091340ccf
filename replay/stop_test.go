package replay_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/replay"
)

// TestStopRepeating ends the context while a packet is repeated for years.
func TestStopRepeating(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		opts := replay.Options{Program: "ports_xdp", Repeat: math.MaxInt32}
		runs := map[string]func(ctx context.Context) error{
			"run": func(ctx context.Context) error {
				_, err := replay.Run(ctx, eng, loadPorts(t, eng), traffic(), opts)
				return err
			},
			"compare": func(ctx context.Context) error {
				s := side(t, eng, nil, nil)
				_, err := replay.Compare(ctx, s, s, replay.CompareOptions{Options: opts, Open: openTraffic})
				return err
			},
		}
		for name, run := range runs {
			ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
			done := make(chan error, 1)
			go func() { done <- run(ctx) }()
			select {
			case err := <-done:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v, want the context's error", name, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s goes on without its context", name)
			}
			stop()
		}
	})
}
