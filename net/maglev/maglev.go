// Package maglev makes lookup tables for consistent hashing with weights, after
// "Maglev: A Fast and Reliable Software Network Load Balancer" (Eisenbud et
// al., NSDI 2016, section 3.4).
//
//	table := maglev.Build(make([]uint32, maglev.Size(len(backends), 0)), backends)
//
// Each backend fills a part of the table in proportion to its weight, and a
// change of one backend moves few entries of the others. Which entries a
// backend wants depends on its name alone: on every machine that builds the
// table for the same backends it comes out the same.
package maglev

import "slices"

// Backend is what a table's entries refer to.
type Backend struct {
	// ID is the value written to the table.
	ID uint32
	// Hash is a well-mixed number that identifies the backend everywhere; see
	// [Hash].
	Hash uint64
	// Weight is the backend's share; 0 gets nothing.
	Weight uint32
}

// primes are table sizes, each about twice the one before.
var primes = []uint32{251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071, 262139, 524287, 1048573}

// perBackend is how many entries a backend gets at least: its share then comes
// out within about one part in this number.
const perBackend = 64

// Size returns the table size for a number of backends: a prime with at least
// 64 entries for each, at most limit (0: no limit).
func Size(backends int, limit uint32) uint32 {
	size := primes[0]
	for _, p := range primes {
		if limit != 0 && p > limit {
			break
		}
		size = p
		if int(p) >= perBackend*backends {
			break
		}
	}
	if limit != 0 && size > limit {
		return prime(limit)
	}
	return size
}

// prime returns the greatest prime up to n, at least 2.
func prime(n uint32) uint32 {
	for ; n > 2; n-- {
		d := uint32(2)
		for d*d <= n && n%d != 0 {
			d++
		}
		if d*d > n {
			return n
		}
	}
	return 2
}

// Hash mixes a backend's identity (its address and port, say) with FNV-1a and
// the finalizer of SplitMix64.
func Hash(identity []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range identity {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return mix(h)
}

func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// Builder makes tables and keeps its working memory between them. The zero
// value is ready. It is not safe for concurrent use.
type Builder struct {
	walkers []walker
}

type walker struct {
	next, skip uint32
	credit     uint32
	backend    Backend
}

// Build fills table, whose length must be a prime ([Size]; with another it may
// not end), and returns it.
// Without a backend of weight, all entries are 0. The order of backends does
// not matter.
func (b *Builder) Build(table []uint32, backends []Backend) []uint32 {
	m := uint32(len(table))
	clear(table)
	b.walkers = b.walkers[:0]
	heaviest := uint32(0)
	for _, be := range backends {
		if be.Weight > 0 {
			b.walkers = append(b.walkers, walker{
				next: uint32((be.Hash >> 32) % uint64(m)), skip: uint32(mix(be.Hash)%uint64(m-1)) + 1, backend: be,
			})
			heaviest = max(heaviest, be.Weight)
		}
	}
	if len(b.walkers) == 0 {
		return table
	}
	// The order of turns must be the same whoever builds the table.
	slices.SortFunc(b.walkers, func(x, y walker) int {
		if x.backend.Hash != y.backend.Hash {
			if x.backend.Hash < y.backend.Hash {
				return -1
			}
			return 1
		}
		return int(x.backend.ID) - int(y.backend.ID)
	})
	b.fill(table, heaviest)
	return table
}

// free marks an entry that nobody has taken.
const free = ^uint32(0)

func (b *Builder) fill(table []uint32, heaviest uint32) {
	m := uint32(len(table))
	for i := range table {
		table[i] = free
	}
	for left := m; ; {
		for i := range b.walkers {
			w := &b.walkers[i]
			// The heaviest takes an entry each turn, the others in proportion.
			if w.credit += w.backend.Weight; w.credit < heaviest {
				continue
			}
			w.credit -= heaviest
			for table[w.next] != free {
				w.step(m)
			}
			table[w.next] = w.backend.ID
			w.step(m)
			if left--; left == 0 {
				return
			}
		}
	}
}

func (w *walker) step(m uint32) {
	if w.next += w.skip; w.next >= m {
		w.next -= m
	}
}

// Build is [Builder.Build] with working memory of its own.
func Build(table []uint32, backends []Backend) []uint32 {
	return new(Builder).Build(table, backends)
}
