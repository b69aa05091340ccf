//go:build linux

package kernel

import (
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// smallestMap is a small map of a type.
func smallestMap(t ebpf.MapType) *ebpf.MapSpec {
	word := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	s := &ebpf.MapSpec{Name: "probe", Type: t, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	switch t {
	case ebpf.StackTrace:
		s.ValueSize = 8
	case ebpf.LPMTrie:
		s.KeySize, s.Flags = 8, unix.BPF_F_NO_PREALLOC
	case ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		s.InnerMap = smallestMap(ebpf.Array)
	case ebpf.Queue, ebpf.Stack, ebpf.BloomFilter:
		s.KeySize = 0
	case ebpf.RingBuf, ebpf.UserRingbuf:
		s.KeySize, s.ValueSize, s.MaxEntries = 0, 0, uint32(os.Getpagesize())
	case ebpf.Arena:
		s.KeySize, s.ValueSize, s.Flags = 0, 0, flagMmapable
	case ebpf.CGroupStorage, ebpf.PerCPUCGroupStorage:
		s.KeySize, s.MaxEntries = 16, 0 // struct bpf_cgroup_storage_key
	case ebpf.SkStorage, ebpf.InodeStorage, ebpf.TaskStorage, ebpf.CgroupStorage:
		s.MaxEntries, s.Flags = 0, unix.BPF_F_NO_PREALLOC
		s.Key, s.Value = word, word
	case ebpf.StructOpsMap:
		s.Flags = 0
	}
	return s
}

// probeMap creates a small map of the type.
func (e *Engine) probeMap(t ebpf.MapType) error {
	const newer = "a newer kernel, or one built with the subsystem that has these maps"
	if t == ebpf.StructOpsMap {
		return e.probeStructOpsMap()
	}
	m, err := e.NewMap(smallestMap(t))
	if err != nil {
		return absent("map type "+t.String(), newer, err)
	}
	return m.Close()
}

// probeStructOpsMap makes the map of a congestion control without registering
// it.
func (e *Engine) probeStructOpsMap() error {
	if err := mayStructOps(); err != nil {
		return err
	}
	member := func(name string) btf.Member {
		return btf.Member{Name: name, Type: &btf.Pointer{Target: &btf.FuncProto{Return: (*btf.Void)(nil)}}}
	}
	spec := &ebpf.MapSpec{
		Name: "probe", Type: ebpf.StructOpsMap, KeySize: 4, ValueSize: 4, MaxEntries: 1,
		Key:   &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
		Value: &btf.Struct{Name: "tcp_congestion_ops", Size: 8, Members: []btf.Member{member("ssthresh")}},
	}
	m, err := e.NewMap(spec)
	if err != nil {
		return absent("map type "+ebpf.StructOpsMap.String(), "Linux 5.6 with BTF and CONFIG_BPF_JIT", err)
	}
	return m.Close()
}

// mayStructOps says what is missing before the loader does: it takes a refusal
// to load types for a kernel without them.
func mayStructOps() error {
	if needs := []capability{capBPF, capPerfmon}; !effectiveCapabilities().hasAll(needs) {
		return permission("make a struct_ops map", unix.EPERM, needs...)
	}
	return nil
}
