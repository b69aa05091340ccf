package enginetest

import (
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// apiPart is a part of the story that is told in Go.
type apiPart struct {
	name string
	run  func(t *testing.T, eng engine.Engine, opts Options)
}

func apiParts() []apiPart {
	return []apiPart{
		{"map-errors", mapErrors},
		{"map-iteration", mapIteration},
		{"hook-nobody-declared", hookNobodyDeclared},
		{"map-views", mapViews},
		{"map-walk-while-deleted", mapWalkWhileDeleted},
		{"map-batches", mapBatches},
		{"map-freeze", mapFreeze},
		{"map-memory", mapMemory},
		{"map-of-maps", mapOfMaps},
		{"map-in-collection", mapInCollection},
		{"map-concurrent", mapConcurrent},
		{"queue", queue},
		{"close-twice", closeTwice},
		{"load-leaves-nothing", loadLeavesNothing},
		{"variables", variables},
		{"program-info", programInfo},
		{"run-concurrent", runConcurrent},
		{"ring-deadline", ringDeadline},
		{"ring-close", ringClose},
		{"ring-no-allocations", ringNoAllocations},
		{"perf-lost", perfLost},
		{"not-supported", notSupported},
		{"pin-map", pinMap},
		{"pin-program", pinProgram},
		{"pin-link", pinLink},
		{"attach-xdp", attachXDP},
		{"attach-tcx", attachTCX},
		{"update-under-traffic", updateUnderTraffic},
		{"update-wrong-type", updateWrongType},
	}
}

func u32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }

// newMap makes a map that is closed with the test.
func newMap(t *testing.T, eng engine.Engine, spec ebpf.MapSpec) engine.Map {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "story"
	}
	m, err := eng.NewMap(&spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func newHash(t *testing.T, eng engine.Engine, entries uint32) engine.Map {
	t.Helper()
	return newMap(t, eng, ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: entries})
}

// load loads one of the story's objects, closed with the test.
func load(t *testing.T, eng engine.Engine, object string, programs ...string) *engine.Collection {
	t.Helper()
	spec, err := Object(object)
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) > 0 {
		keepOnly(spec, programs)
	}
	coll, err := eng.Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := coll.Close(); err != nil {
			t.Error(err)
		}
	})
	return coll
}

// program, mapNamed: what a collection must have.
func program(t *testing.T, coll *engine.Collection, name string) engine.Program {
	t.Helper()
	p, err := coll.Program(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mapNamed(t *testing.T, coll *engine.Collection, name string) engine.Map {
	t.Helper()
	m, err := coll.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// isErr checks an error against all of the given ones.
func isErr(t *testing.T, what string, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if w == nil && err != nil || w != nil && !errors.Is(err, w) {
			t.Errorf("%s: %v, want %v", what, err, w)
		}
	}
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// within fails the test if f does not return in time; what blocks must be woken.
func within(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("%s: did not return in %v", what, patience)
		return nil
	}
}

var (
	errDeadline = os.ErrDeadlineExceeded
	errInvalid  = syscall.EINVAL
)
