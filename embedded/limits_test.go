package embedded_test

import (
	"encoding/binary"
	"errors"
	"math"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
)

// hugeMaps are of every type that can be made, as large as their specs can say.
func hugeMaps() map[string]*ebpf.MapSpec {
	out := make(map[string]*ebpf.MapSpec)
	add := func(t ebpf.MapType, key, value, entries uint32) *ebpf.MapSpec {
		s := &ebpf.MapSpec{Name: "huge", Type: t, KeySize: key, ValueSize: value, MaxEntries: entries}
		out[t.String()] = s
		return s
	}
	const most = math.MaxUint32
	add(ebpf.Hash, 4, 1<<20, most>>12)
	add(ebpf.PerCPUHash, 4, 8<<10, most>>5)
	add(ebpf.LRUHash, 4, 1<<20, most>>12)
	add(ebpf.LRUCPUHash, 4, 8<<10, most>>5)
	add(ebpf.LPMTrie, 8, 1<<20, most).Flags = 1 // BPF_F_NO_PREALLOC
	add(ebpf.Array, 4, 1<<20, most)
	add(ebpf.PerCPUArray, 4, 8<<10, most)
	add(ebpf.ProgramArray, 4, 4, most)
	add(ebpf.RingBuf, 0, 0, 1<<31)
	add(ebpf.Queue, 0, 1<<20, most>>1)
	add(ebpf.Stack, 0, 1<<20, most>>1)
	add(ebpf.StackTrace, 4, 127*8, 1<<31)
	add(ebpf.CGroupArray, 4, 4, most)
	add(ebpf.DevMap, 4, 4, most)
	add(ebpf.DevMapHash, 4, 4, 1<<31)
	add(ebpf.XSKMap, 4, 4, most)
	add(ebpf.SockMap, 4, 4, most)
	add(ebpf.SockHash, 4, 4, 1<<31)
	add(ebpf.ReusePortSockArray, 4, 4, most)
	add(ebpf.ArrayOfMaps, 4, 4, most).InnerMap = &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	add(ebpf.HashOfMaps, 4, 4, 1<<31).InnerMap = &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	bloom := add(ebpf.MapType(30), 0, 8, most)
	bloom.Flags = 0
	return out
}

// A map that memory has no room for is an error that says so, whatever its type,
// with the bound that an engine has if nobody gave one.
func TestHugeMaps(t *testing.T) {
	eng, err := embedded.New(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	before, refused := eng.MemoryUsed(), 0
	for name, spec := range hugeMaps() {
		t.Run(name, func(t *testing.T) {
			m, err := eng.NewMap(spec)
			switch {
			case err == nil:
				// There is room for it, or it takes none until it is used.
				m.Close()
			case errors.Is(err, engine.ErrNotSupported):
				t.Errorf("the test's map is wrong: %v", err)
			case !strings.Contains(err.Error(), `"huge"`) || !mends.MatchString(err.Error()):
				t.Errorf("it names neither the map nor what would mend it: %v", err)
			default:
				refused++
			}
			if used := eng.MemoryUsed(); used != before {
				t.Errorf("%d bytes are in use; %d were", used, before)
			}
		})
	}
	if refused < 12 {
		t.Errorf("only %d maps were refused", refused)
	}
}

// mends is what tells how to make a map that fits.
var mends = regexp.MustCompile(`raise the memory limit|above the limit of \d+|out of memory`)

// A bound that the host gives counts for what grows as well.
func TestMemoryBound(t *testing.T) {
	const bound = 24 << 20
	eng, err := embedded.New(embedded.Config{CPUs: 1, MaxMemory: bound})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	m, err := eng.NewMap(&ebpf.MapSpec{Name: "grows", Type: ebpf.Hash, KeySize: 4, ValueSize: 64 << 10, MaxEntries: 1 << 16, Flags: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	value := make([]byte, 64<<10)
	n := uint32(0)
	for ; err == nil && n < 1<<16; n++ {
		err = m.Update(binary.NativeEndian.AppendUint32(nil, n), value, ebpf.UpdateAny)
	}
	if !errors.Is(err, syscall.ENOMEM) || n < 100 {
		t.Errorf("after %d updates: %v", n, err)
	}
	if used := eng.MemoryUsed(); used > bound {
		t.Errorf("%d bytes are in use of %d", used, bound)
	}
	free, err := embedded.New(embedded.Config{CPUs: 1, MaxMemory: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
}
