package lb

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// No number is handed out twice, and none that was used before without a purge
// in between.
func TestIDsAreUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newIDs("thing", 20)
		held, unclean := map[uint32]bool{}, map[uint32]bool{}
		for i := range uint32(5) { // what an earlier process left
			id := i*3 + 2
			s.claim(id)
			if i%2 == 0 {
				held[id] = true
			} else {
				s.give(id)
				unclean[id] = true
			}
		}
		for range 200 {
			if rapid.Bool().Draw(t, "take") {
				id, again, err := s.take(func() { clear(unclean) })
				if err != nil {
					if len(held) != 20 {
						t.Fatalf("full with %d of 20", len(held))
					}
					continue
				}
				if held[id] || unclean[id] || id < 1 || id > 20 {
					t.Fatalf("%d was handed out (held %v, unclean %v, again %v)", id, held[id], unclean[id], again)
				}
				held[id] = true
				continue
			}
			for id := range held {
				s.give(id)
				delete(held, id)
				unclean[id] = true
				break
			}
		}
	})
}

// Tables never overlap, and all room comes back.
func TestSlab(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s := newSlab(1000)
	type table struct{ at, n uint32 }
	var held []table
	now := time.Unix(1000, 0)
	for range 5000 {
		now = now.Add(50 * time.Millisecond)
		if n := rng.Uint32N(900) + 1; rng.IntN(2) == 0 {
			at, err := s.take(n, now)
			if err != nil {
				continue
			}
			for _, h := range held {
				if at < h.at+h.n && h.at < at+n {
					t.Fatalf("%d+%d overlaps %d+%d", at, n, h.at, h.n)
				}
			}
			held = append(held, table{at, n})
		} else if len(held) > 0 {
			i := rng.IntN(len(held))
			s.give(held[i].at, held[i].n, now)
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
		}
	}
	for _, h := range held {
		s.give(h.at, h.n, now)
	}
	s.settle(now.Add(time.Second))
	if len(s.free) != 1 || s.free[0] != (span{0, 1000}) || s.used != 0 {
		t.Errorf("left: %v, used %d", s.free, s.used)
	}
	if !s.claim(160, 100) || s.claim(176, 10) || !s.claim(0, 160) || len(s.free) != 1 {
		t.Errorf("claims: %v", s.free)
	}
}
