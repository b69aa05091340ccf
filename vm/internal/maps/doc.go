// Package maps holds the map types of the runtime, with the semantics of
// Linux, errno for errno.
//
// # Two sides
//
// A [Map] has a program side, called by helpers with addresses, and a user
// side shaped like bpf(2), called with byte slices. Both are safe from any
// goroutine at any time.
//
// Keys and values live in memory outside Go's heap, in an arena per map that
// is mapped when the map is made and unmapped by Close. A value's address is
// stable: a program may hold it until the end of its run. As with the kernel's
// preallocated maps an element that was deleted meanwhile may already hold
// another entry; the memory stays valid.
//
// # For maintainers
//
// Each map type is a file. What several share stands in arena.go (elements and
// their free lists), table.go (buckets) and lru.go (who goes first). Bookkeeping
// inside the arena is read without locks through atomics; it is changed under a
// striped mutex.
package maps
