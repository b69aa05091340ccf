package abi

// Versions of Linux are major<<16 | minor<<8 here, as in Kfunc.Since. The tables
// go back to 6.1: what is not in them is that old or older. Source: the release
// whose include/uapi/linux/bpf.h first has the name.

func linux(major, minor uint32) uint32 { return major<<16 | minor<<8 }

var helpersSince = map[HelperID]uint32{
	FnCgrpStorageGet: linux(6, 2), FnCgrpStorageDelete: linux(6, 2),
}

var mapTypesSince = map[MapType]uint32{
	MapCgrpStorage: linux(6, 2), MapArena: linux(6, 9),
}

var programTypesSince = map[ProgramType]uint32{ProgNetfilter: linux(6, 4)}

var attachTypesSince = map[AttachType]uint32{
	AttachStructOps: linux(6, 4), AttachNetfilter: linux(6, 4),
	AttachTCXIngress: linux(6, 6), AttachTCXEgress: linux(6, 6), AttachTraceUprobeMulti: linux(6, 6),
	AttachCgroupUnixConnect: linux(6, 7), AttachCgroupUnixSendmsg: linux(6, 7), AttachCgroupUnixRecvmsg: linux(6, 7),
	AttachCgroupUnixGetpeername: linux(6, 7), AttachCgroupUnixGetsockname: linux(6, 7),
	AttachNetkitPrimary: linux(6, 7), AttachNetkitPeer: linux(6, 7),
	AttachTraceKprobeSession: linux(6, 10), AttachTraceUprobeSession: linux(6, 13),
}

// Since is the first version of Linux that has the helper; 0 if 6.1 has it.
func (id HelperID) Since() uint32 { return helpersSince[id] }

// Since is the first version of Linux that has the map type; 0 if 6.1 has it.
func (t MapType) Since() uint32 { return mapTypesSince[t] }

// Since is the first version of Linux that has the program type; 0 if 6.1 has it.
func (t ProgramType) Since() uint32 { return programTypesSince[t] }

// Since is the first version of Linux that has the attach type; 0 if 6.1 has it.
func (t AttachType) Since() uint32 { return attachTypesSince[t] }
