package vm

import (
	"math/rand/v2"
	"testing"
)

// TestHostilePrograms is FuzzRun over a fixed stream of random programs, so that
// every test run meets some thousands.
func TestHostilePrograms(t *testing.T) {
	var hosts []*hostile
	for range hostileTypes {
		hosts = append(hosts, newHostile(t))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	n := 9000
	if testing.Short() {
		n = 1500
	}
	code := make([]byte, 6*64)
	data := make([]byte, 256)
	for i := range n {
		c := code[:6*(1+rng.IntN(64))]
		for j := range c {
			c[j] = byte(rng.Uint32())
		}
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		k := i % len(hostileTypes)
		hosts[k].run(t, hostileTypes[k], plausible(hostileTypes[k], c, len(hosts[k].maps)), data, true)
	}
	for k, h := range hosts {
		t.Logf("%s: %d refused, %d faults, %d out of budget, %d refused input, %d clean", hostileTypes[k], h.refused, h.faults, h.budgets, h.other, h.clean)
		if h.faults == 0 || h.clean == 0 {
			t.Error("the programs are too tame or too wild to show anything")
		}
	}
}
