package abi

// MapType is enum bpf_map_type of the Linux UAPI.
type MapType uint32

// Map types of Linux 6.18 (include/uapi/linux/bpf.h).
const (
	MapUnspec              MapType = 0
	MapHash                MapType = 1
	MapArray               MapType = 2
	MapProgArray           MapType = 3
	MapPerfEventArray      MapType = 4
	MapPerCPUHash          MapType = 5
	MapPerCPUArray         MapType = 6
	MapStackTrace          MapType = 7
	MapCgroupArray         MapType = 8
	MapLRUHash             MapType = 9
	MapLRUPerCPUHash       MapType = 10
	MapLPMTrie             MapType = 11
	MapArrayOfMaps         MapType = 12
	MapHashOfMaps          MapType = 13
	MapDevMap              MapType = 14
	MapSockMap             MapType = 15
	MapCPUMap              MapType = 16
	MapXSKMap              MapType = 17
	MapSockhash            MapType = 18
	MapCgroupStorage       MapType = 19
	MapReuseportSockArray  MapType = 20
	MapPerCPUCgroupStorage MapType = 21
	MapQueue               MapType = 22
	MapStack               MapType = 23
	MapSkStorage           MapType = 24
	MapDevMapHash          MapType = 25
	MapStructOps           MapType = 26
	MapRingBuf             MapType = 27
	MapInodeStorage        MapType = 28
	MapTaskStorage         MapType = 29
	MapBloomFilter         MapType = 30
	MapUserRingBuf         MapType = 31
	MapCgrpStorage         MapType = 32
	MapArena               MapType = 33
)

// String is the UAPI name in lower case without its prefix ("percpu_hash"); a number
// that Linux 6.18 does not know prints as "MapType(N)".
func (t MapType) String() string { return nameOf("MapType", uint32(t), mapTypeNames[:]) }

var mapTypeNames = [...]string{
	0:  "unspec",
	1:  "hash",
	2:  "array",
	3:  "prog_array",
	4:  "perf_event_array",
	5:  "percpu_hash",
	6:  "percpu_array",
	7:  "stack_trace",
	8:  "cgroup_array",
	9:  "lru_hash",
	10: "lru_percpu_hash",
	11: "lpm_trie",
	12: "array_of_maps",
	13: "hash_of_maps",
	14: "devmap",
	15: "sockmap",
	16: "cpumap",
	17: "xskmap",
	18: "sockhash",
	19: "cgroup_storage",
	20: "reuseport_sockarray",
	21: "percpu_cgroup_storage",
	22: "queue",
	23: "stack",
	24: "sk_storage",
	25: "devmap_hash",
	26: "struct_ops",
	27: "ringbuf",
	28: "inode_storage",
	29: "task_storage",
	30: "bloom_filter",
	31: "user_ringbuf",
	32: "cgrp_storage",
	33: "arena",
}
