package maps

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/skepdev/skep/abi"
)

// errnoOf is the errno of a refusal, 0 for nil.
func errnoOf(t testing.TB, err error) uint32 {
	t.Helper()
	if err == nil {
		return 0
	}
	var ce *CreateError
	if !errors.As(err, &ce) {
		t.Fatalf("error is no CreateError: %v", err)
	}
	if ce.Why == "" {
		t.Fatal("refusal without a reason")
	}
	return number(ce.Errno)
}

var supported = []abi.MapType{
	abi.MapHash, abi.MapArray, abi.MapProgArray, abi.MapPerfEventArray, abi.MapPerCPUHash, abi.MapPerCPUArray,
	abi.MapLRUHash, abi.MapLRUPerCPUHash, abi.MapLPMTrie, abi.MapArrayOfMaps, abi.MapHashOfMaps, abi.MapDevMap,
	abi.MapCPUMap, abi.MapQueue, abi.MapStack, abi.MapDevMapHash, abi.MapRingBuf, abi.MapBloomFilter,
	abi.MapXSKMap, abi.MapSockMap, abi.MapSockhash, abi.MapStackTrace, abi.MapCgroupArray, abi.MapReuseportSockArray,
	abi.MapUserRingBuf, abi.MapCgroupStorage, abi.MapPerCPUCgroupStorage,
}

// TestCreateLikeKernel asks both for random maps: the same are refused, with
// the same errno.
func TestCreateLikeKernel(t *testing.T) {
	needKernelMaps(t)
	env := testEnv(t)
	sizes := []uint32{0, 1, 3, 4, 5, 7, 8, 16, 20, 260, 261, 512, 4096, 32 << 10, 32<<10 + 1, 4<<20 - 300, 4<<20 - 60, 4<<20 - 56, 4 << 20, 4<<20 + 1, 1 << 31, ^uint32(0)}
	entries := []uint32{0, 1, 2, 3, 16, 100, 4096, 8192, 65536}
	rapid.Check(t, func(r *rapid.T) {
		s := Spec{
			Type:       rapid.SampledFrom(supported).Draw(r, "type"),
			KeySize:    rapid.SampledFrom(sizes).Draw(r, "key"),
			ValueSize:  rapid.SampledFrom(sizes).Draw(r, "value"),
			MaxEntries: rapid.SampledFrom(entries).Draw(r, "entries"),
		}
		if rapid.Bool().Draw(r, "usual key") {
			s.KeySize = 4
		}
		if rapid.Bool().Draw(r, "usual value") {
			s.ValueSize = 4
		}
		if s.Type == abi.MapQueue || s.Type == abi.MapStack || s.Type == abi.MapBloomFilter || s.Type == abi.MapRingBuf || s.Type == abi.MapUserRingBuf {
			if rapid.Bool().Draw(r, "no key") {
				s.KeySize = 0
			}
		}
		if (s.Type == abi.MapRingBuf || s.Type == abi.MapUserRingBuf) && rapid.Bool().Draw(r, "no value") {
			s.ValueSize = 0
		}
		if s.Type == abi.MapCgroupStorage || s.Type == abi.MapPerCPUCgroupStorage {
			s.KeySize = rapid.SampledFrom([]uint32{4, 8, 16}).Draw(r, "cgroup key")
			s.MaxEntries = min(s.MaxEntries, uint32(rapid.IntRange(0, 1).Draw(r, "entries of cgroups")))
		}
		for range rapid.IntRange(0, 2).Draw(r, "flags") {
			s.Flags |= 1 << rapid.IntRange(0, 12).Draw(r, "flag")
		}
		if s.Type == abi.MapLPMTrie && rapid.Bool().Draw(r, "no prealloc") {
			s.Flags |= abi.FlagNoPrealloc
		}
		if rapid.IntRange(0, 9).Draw(r, "with extra") == 0 {
			s.Extra = uint64(rapid.IntRange(0, 17).Draw(r, "extra"))
		}
		// Not to be compared: what no memory is left for, and what needs the
		// node of a NUMA machine.
		if uint64(s.MaxEntries)*(uint64(s.ValueSize)+uint64(s.KeySize)) > 16<<20 && s.ValueSize < 1<<30 && s.KeySize < 1<<30 {
			s.MaxEntries = min(s.MaxEntries, 2)
		}
		if s.Type == abi.MapCPUMap {
			s.MaxEntries = min(s.MaxEntries, 16) // NR_CPUS differs
		}
		if s.ValueSize >= 1<<20 {
			s.MaxEntries = min(s.MaxEntries, 2)
		}
		if s.Type == abi.MapArrayOfMaps || s.Type == abi.MapHashOfMaps {
			if rapid.IntRange(0, 5).Draw(r, "no inner") != 0 {
				s.Inner = &Spec{Type: rapid.SampledFrom([]abi.MapType{abi.MapHash, abi.MapArray, abi.MapProgArray}).Draw(r, "inner"), KeySize: 4, ValueSize: 4, MaxEntries: 4}
			}
		}
		ours, err := New(s, env)
		if err == nil {
			defer ours.Close()
		}
		theirs, e := newKernelMap(s)
		if e == 0 {
			defer theirs.close()
		}
		if got, want := errnoOf(t, err), uint32(e); got != want {
			r.Fatalf("%+v: errno %d (%v), the kernel's %d (%v)", s, got, err, want, e)
		}
	})
}
