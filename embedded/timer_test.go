package embedded_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/engine/enginetest"
)

// TestTimersUnderStress arms, cancels, fires and ends timers from all sides, and
// closes everything while some are armed.
func TestTimersUnderStress(t *testing.T) {
	for range 3 {
		eng, err := embedded.New(embedded.Config{CPUs: 2, MaxInstructions: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		spec, err := enginetest.Object("timer")
		if err != nil {
			t.Fatal(err)
		}
		if err := spec.Variables["delay"].Set(uint64(1000)); err != nil {
			t.Fatal(err)
		}
		coll, err := eng.Load(context.Background(), spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		var done sync.WaitGroup
		for _, name := range []string{"set", "call_off", "forget", "set"} {
			done.Go(func() {
				for range 200 {
					if _, err := coll.Programs[name].Run(&engine.RunInput{Data: frame(1)}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		done.Go(func() {
			// The user side overwrites elements under the callbacks.
			for i := range uint32(200) {
				if err := coll.Maps["alarms"].Update([]byte{0, 0, 0, 0}, make([]byte, 32), 0); err != nil {
					t.Error(err, i)
					return
				}
			}
		})
		done.Wait()
		if err := coll.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Millisecond)
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
		if n := eng.MemoryUsed(); n != 0 {
			t.Errorf("%d bytes stayed behind", n)
		}
	}
}
