package check

import (
	"github.com/skepdev/skep/abi"
)

// checkMaps finds what the values of maps hold, and refuses maps that the
// program type cannot use (check_map_prog_compatibility).
func (c *Checker) checkMaps() error {
	c.insn = -1
	outer := len(c.prog.Maps)
	for i := range outer {
		m := c.prog.Maps[i]
		m.record = c.types.recordOf(m.Value)
		if m.Inner != nil {
			m.Inner.record = c.types.recordOf(m.Inner.Value)
			// Inner maps are addressed like the program's own.
			c.inner = append(c.inner, innerMap{outer: i, at: len(c.prog.Maps)})
			c.prog.Maps = append(c.prog.Maps, m.Inner)
		}
		if err := c.checkMap(m); err != nil {
			return err
		}
	}
	return nil
}

type innerMap struct{ outer, at int }

// innerIndex is where the template of a map of maps stands.
func (c *Checker) innerIndex(outer uint32) uint32 {
	for _, i := range c.inner {
		if i.outer == int(outer) {
			return uint32(i.at)
		}
	}
	return outer
}

func isTracing(t abi.ProgramType) bool {
	switch t {
	case abi.ProgKprobe, abi.ProgTracepoint, abi.ProgPerfEvent, abi.ProgRawTracepoint, abi.ProgRawTracepointWritable:
		return true
	}
	return false
}

func (c *Checker) checkMap(m *Map) error {
	t, r := c.prog.Type, m.record
	if r.has(fieldListHead) || r.has(fieldRBRoot) {
		if isTracing(t) {
			return c.reject(RuleMapType, EINVAL, "tracing progs cannot use bpf_{list_head,rb_root} yet")
		}
	}
	if r.has(fieldSpinLock) || r.has(fieldResSpinLock) {
		switch {
		case t == abi.ProgSocketFilter:
			return c.reject(RuleMapType, EINVAL, "socket filter progs cannot use bpf_spin_lock yet")
		case isTracing(t) && r.has(fieldSpinLock):
			return c.reject(RuleMapType, EINVAL, "tracing progs cannot use bpf_spin_lock yet")
		}
	}
	if r.has(fieldTimer) && isTracing(t) {
		return c.reject(RuleMapType, EINVAL, "tracing progs cannot use bpf_timer yet")
	}
	if r.has(fieldWorkqueue) && isTracing(t) {
		return c.reject(RuleMapType, EINVAL, "tracing progs cannot use bpf_wq yet")
	}
	if m.Type == abi.MapStructOps {
		return c.reject(RuleMapType, EINVAL, "bpf_struct_ops map cannot be used in prog")
	}
	if c.prog.Flags&flagSleepable != 0 && !sleepableMaps[m.Type] {
		return c.reject(RuleMapType, EINVAL, "Sleepable programs can only use array, hash, ringbuf and local storage maps")
	}
	if m.Type == mapArena {
		switch {
		case c.arena != nil && c.arena != m:
			return c.reject(RuleMapType, EINVAL, "Only one arena per program")
		case !c.opts.allowPtrLeaks() || !c.opts.bpfCapable():
			return c.reject(RuleMapType, EPERM, "CAP_BPF and CAP_PERFMON are required to use arena")
		}
		c.arena = m
	}
	return nil
}

var sleepableMaps = map[abi.MapType]bool{
	abi.MapHash: true, abi.MapLRUHash: true, abi.MapArray: true, abi.MapPerCPUHash: true, abi.MapPerCPUArray: true,
	abi.MapLRUPerCPUHash: true, abi.MapArrayOfMaps: true, abi.MapHashOfMaps: true, abi.MapRingBuf: true,
	abi.MapUserRingBuf: true, abi.MapInodeStorage: true, abi.MapSkStorage: true, abi.MapTaskStorage: true,
	abi.MapCgrpStorage: true, abi.MapQueue: true, abi.MapStack: true, abi.MapArena: true,
}

// mapStructs are the kernel's structures behind maps (map_btf_name).
var mapStructs = map[abi.MapType]string{
	abi.MapHash: "bpf_htab", abi.MapPerCPUHash: "bpf_htab", abi.MapLRUHash: "bpf_htab", abi.MapLRUPerCPUHash: "bpf_htab",
	abi.MapHashOfMaps: "bpf_htab", abi.MapArray: "bpf_array", abi.MapPerCPUArray: "bpf_array", abi.MapProgArray: "bpf_array",
	abi.MapPerfEventArray: "bpf_array", abi.MapCgroupArray: "bpf_array", abi.MapArrayOfMaps: "bpf_array",
	abi.MapLPMTrie: "lpm_trie", abi.MapRingBuf: "bpf_ringbuf_map", abi.MapUserRingBuf: "bpf_ringbuf_map",
	abi.MapStackTrace: "bpf_stack_map", abi.MapQueue: "bpf_queue_stack", abi.MapStack: "bpf_queue_stack",
	abi.MapDevMap: "bpf_dtab", abi.MapDevMapHash: "bpf_dtab", abi.MapCPUMap: "bpf_cpu_map", abi.MapXSKMap: "xsk_map",
	abi.MapSockMap: "bpf_stab", abi.MapSockhash: "bpf_shtab", abi.MapCgroupStorage: "bpf_cgroup_storage_map",
	abi.MapReuseportSockArray: "reuseport_array", abi.MapSkStorage: "bpf_local_storage_map",
	abi.MapInodeStorage: "bpf_local_storage_map", abi.MapTaskStorage: "bpf_local_storage_map",
	abi.MapCgrpStorage: "bpf_local_storage_map", abi.MapBloomFilter: "bpf_bloom_filter", abi.MapArena: "bpf_arena",
}

func mapStructName(t abi.MapType) string {
	if s, ok := mapStructs[t]; ok {
		return s
	}
	return "bpf_map"
}
