package lb_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/service"
)

// The marks: 5,000 services of 50 backends each are loaded in under 5 s, and one
// change among them is live in under 10 ms.
func TestScale(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		cfg := benchConfig
		cfg.Size = bpf.LBSize{Connections: 1 << 14, Backends: 1 << 18, Maglev: 5100 * 4096}
		d := open(t, eng, cfg)
		pools := make([]*service.Pool, 5000)
		for i := range pools {
			pools[i] = bare(i, 50)
		}
		begin := time.Now()
		for i, p := range pools {
			if _, err := d.Apply(fmt.Sprint(i), []*service.Pool{p}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("loaded in %v", took)
		} else {
			t.Logf("loaded in %v", took)
		}
		best := time.Hour
		for i := range 20 {
			p := bare(2500, 49+i%2)
			begin := time.Now()
			if _, err := d.Apply("2500", []*service.Pool{p}); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(begin))
		}
		if best > 10*time.Millisecond {
			t.Errorf("a change took %v", best)
		} else {
			t.Logf("a change took %v", best)
		}
	})
}
