package maglev

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func backends(n int, weight func(i int) uint32) []Backend {
	out := make([]Backend, n)
	for i := range out {
		out[i] = Backend{ID: uint32(i + 1), Hash: Hash(fmt.Appendf(nil, "10.%d.%d.%d:80", i>>16, i>>8&255, i&255)), Weight: weight(i)}
	}
	return out
}

func equal(int) uint32 { return 1 }

func share(table []uint32) map[uint32]int {
	n := map[uint32]int{}
	for _, id := range table {
		n[id]++
	}
	return n
}

// The paper's evenness: with M > 100 N the most loaded backend has at most 1 %
// more than the average (section 3.4). Turns make it better: shares differ by
// one entry.
func TestEvenness(t *testing.T) {
	for _, c := range []struct{ size, n int }{{65537, 100}, {65537, 655}, {655373, 1000}, {4093, 50}} {
		table := Build(make([]uint32, c.size), backends(c.n, equal))
		low, high := c.size, 0
		for _, k := range share(table) {
			low, high = min(low, k), max(high, k)
		}
		if len(share(table)) != c.n || high-low > 1 {
			t.Errorf("M=%d N=%d: %d backends, shares from %d to %d", c.size, c.n, len(share(table)), low, high)
		}
	}
}

// The experiment of the paper's figure 12 (1,000 backends, some fail at once):
// entries that move although their backend did not fail are few, and fewer in
// a larger table.
func TestDisruption(t *testing.T) {
	disruption := func(size, n, failed int) float64 {
		all := backends(n, equal)
		before := Build(make([]uint32, size), all)
		rng := rand.New(rand.NewPCG(1, 2))
		gone := map[uint32]bool{}
		for _, i := range rng.Perm(n)[:failed] {
			gone[all[i].ID] = true
		}
		after := Build(make([]uint32, size), slices.DeleteFunc(slices.Clone(all), func(b Backend) bool { return gone[b.ID] }))
		moved := 0
		for i := range before {
			if before[i] != after[i] && !gone[before[i]] {
				moved++
			}
		}
		return float64(moved) / float64(size) * 100
	}
	// Bounds in percent of entries: what was measured here, with room to spare.
	for _, c := range []struct {
		size, n, failed int
		most            float64
	}{
		{65537, 1000, 1, 1},
		{65537, 1000, 10, 4},
		{65537, 1000, 50, 6},
		{655373, 1000, 1, 0.6},
		{655373, 1000, 10, 1.2},
		{655373, 1000, 50, 2},
	} {
		if d := disruption(c.size, c.n, c.failed); d > c.most {
			t.Errorf("M=%d N=%d, %d failed: %.2f %% of entries moved needlessly, want at most %.1f", c.size, c.n, c.failed, d, c.most)
		} else {
			t.Logf("M=%d N=%d, %d failed: %.2f %%", c.size, c.n, c.failed, d)
		}
	}
}

func TestWeights(t *testing.T) {
	bs := backends(10, func(i int) uint32 { return uint32(i) })
	table := Build(make([]uint32, 65537), bs)
	n := share(table)
	for i, b := range bs {
		want := float64(len(table)) * float64(i) / 45
		if math.Abs(float64(n[b.ID])-want) > 2+want/1000 {
			t.Errorf("weight %d: %d entries, want %.0f", b.Weight, n[b.ID], want)
		}
	}
	if n[0] != 0 || n[bs[0].ID] != 0 {
		t.Error("weight 0 has entries")
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	bs := backends(20, func(i int) uint32 { return uint32(i%3 + 1) })
	a := Build(make([]uint32, 4093), bs)
	slices.Reverse(bs)
	if !slices.Equal(a, Build(make([]uint32, 4093), bs)) {
		t.Error("tables differ")
	}
}

func TestNoBackends(t *testing.T) {
	for _, bs := range [][]Backend{nil, {{ID: 7, Weight: 0}}} {
		if table := Build([]uint32{9, 9, 9}, bs); !slices.Equal(table, []uint32{0, 0, 0}) {
			t.Errorf("%v", table)
		}
	}
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		n     int
		limit uint32
		want  uint32
	}{{0, 0, 251}, {1, 0, 251}, {50, 0, 4093}, {50, 1000, 509}, {3, 100, 97}, {1, 2, 2}, {1 << 20, 0, 1048573}} {
		if got := Size(c.n, c.limit); got != c.want {
			t.Errorf("Size(%d, %d) = %d, want %d", c.n, c.limit, got, c.want)
		}
	}
}

func BenchmarkBuild50(b *testing.B) {
	var w Builder
	bs, table := backends(50, equal), make([]uint32, Size(50, 0))
	b.ReportAllocs()
	for b.Loop() {
		w.Build(table, bs)
	}
}
