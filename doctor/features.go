package doctor

import (
	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
)

// features lists what is tried, with what it is good for.
func features() []Feature {
	var out []Feature
	for t := abi.ProgSocketFilter; t <= abi.ProgNetfilter; t++ {
		out = append(out, Feature{Group: GroupPrograms, Name: t.String(), Gives: programGives(t)})
	}
	for t := abi.MapHash; t <= abi.MapType(ebpf.Arena); t++ {
		out = append(out, Feature{Group: GroupMaps, Name: t.String(), Gives: mapGives(t)})
	}
	for _, k := range attachKinds() {
		out = append(out, Feature{Group: GroupAttach, Name: string(k.kind), Gives: k.gives})
	}
	for _, o := range others() {
		out = append(out, Feature{Group: GroupOther, Name: o[0], Gives: o[1]})
	}
	return out
}

// question is what an engine is asked about a feature.
func question(f *Feature) engine.Feature {
	switch f.Group {
	case GroupPrograms:
		for t := abi.ProgSocketFilter; t <= abi.ProgNetfilter; t++ {
			if t.String() == f.Name {
				return engine.Feature{Program: ebpf.ProgramType(t)}
			}
		}
	case GroupMaps:
		for t := abi.MapHash; t <= abi.MapType(ebpf.Arena); t++ {
			if t.String() == f.Name {
				return engine.Feature{Map: ebpf.MapType(t)}
			}
		}
	case GroupAttach:
		return engine.Feature{Attach: engine.AttachKind(f.Name)}
	}
	return engine.Feature{Other: f.Name}
}

func programGives(t abi.ProgramType) string {
	switch t {
	case abi.ProgXDP:
		return "filter, answer and redirect packets before the network stack sees them"
	case abi.ProgSchedCLS, abi.ProgSchedACT:
		return "filter and change packets on their way in and out (tc, tcx, netkit)"
	case abi.ProgSocketFilter:
		return "choose what one socket receives"
	case abi.ProgCgroupSKB, abi.ProgCgroupSock, abi.ProgCgroupSockAddr, abi.ProgCgroupSockopt:
		return "control the sockets and traffic of a group of processes"
	case abi.ProgCgroupDevice, abi.ProgCgroupSysctl:
		return "control devices and settings that a group of processes may use"
	case abi.ProgLWTIn, abi.ProgLWTOut, abi.ProgLWTXmit, abi.ProgLWTSeg6local:
		return "encapsulate and steer packets by route"
	case abi.ProgSockOps, abi.ProgSkSKB, abi.ProgSkMsg:
		return "tune TCP connections and join sockets past the network stack"
	case abi.ProgSkLookup, abi.ProgSkReuseport:
		return "choose the socket that gets a new connection"
	case abi.ProgFlowDissector, abi.ProgNetfilter:
		return "take part in how the stack parses and filters packets"
	case abi.ProgKprobe, abi.ProgTracing:
		return "look into kernel (and with uprobes user) functions"
	case abi.ProgTracepoint, abi.ProgRawTracepoint, abi.ProgRawTracepointWritable, abi.ProgPerfEvent:
		return "count and time what the kernel does"
	case abi.ProgLSM:
		return "decide about security-relevant actions"
	case abi.ProgStructOps:
		return "implement parts of the kernel, such as TCP congestion control or schedulers"
	case abi.ProgExtension:
		return "replace functions of loaded programs"
	case abi.ProgSyscall:
		return "make system calls from programs, as light loaders do"
	case abi.ProgLircMode2:
		return "decode infrared remote controls"
	}
	return ""
}

func mapGives(t abi.MapType) string {
	switch ebpf.MapType(t) {
	case ebpf.Hash, ebpf.Array:
		return "tables that programs and this process share"
	case ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUCPUHash:
		return "counters without contention"
	case ebpf.LRUHash:
		return "tables that forget the oldest entries, for connections"
	case ebpf.LPMTrie:
		return "address prefixes"
	case ebpf.RingBuf, ebpf.PerfEventArray:
		return "events from programs"
	case ebpf.UserRingbuf:
		return "events to programs"
	case ebpf.ProgramArray:
		return "tail calls"
	case ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		return "tables that are swapped as a whole"
	case ebpf.DevMap, ebpf.DevMapHash, ebpf.CPUMap, ebpf.XSKMap:
		return "XDP redirects to devices, CPUs and AF_XDP sockets"
	case ebpf.SockMap, ebpf.SockHash, ebpf.ReusePortSockArray:
		return "redirects between sockets"
	case ebpf.Queue, ebpf.Stack, ebpf.BloomFilter:
		return "queues, stacks and membership tests"
	case ebpf.CGroupArray:
		return "asking whether a packet or task belongs to a cgroup"
	case ebpf.StackTrace:
		return "stack traces by number"
	case ebpf.SkStorage, ebpf.InodeStorage, ebpf.TaskStorage, ebpf.CgroupStorage, ebpf.CGroupStorage, ebpf.PerCPUCGroupStorage:
		return "data kept with a socket, file, task or cgroup"
	case ebpf.StructOpsMap:
		return "registering struct_ops"
	case ebpf.Arena:
		return "memory shared between programs and this process, with pointers"
	}
	return ""
}

type attachKind struct {
	kind  engine.AttachKind
	gives string
}

func attachKinds() []attachKind {
	return []attachKind{
		{engine.KindXDP, "programs on a device's receive path"},
		{engine.KindTCX, "programs on a device's way in and out, ordered among others"},
		{engine.KindNetkit, "programs on container devices without a queue between"},
		{engine.KindCgroup, "programs on a group of processes"},
		{engine.KindSkLookup, "programs on a network namespace's socket lookup"},
		{engine.KindFlowDissector, "programs that parse packets of a network namespace"},
		{engine.KindSockMap, "programs on sockets of a sockmap"},
		{engine.KindSocketFilter, "programs on one socket"},
		{engine.KindSkReuseport, "programs on a group of listening sockets"},
		{engine.KindTracepoint, "programs on tracepoints"},
		{engine.KindRawTracepoint, "programs on tracepoints, without decoding, and cheaper"},
		{engine.KindKprobe, "programs on kernel functions"},
		{engine.KindKprobeMulti, "programs on thousands of kernel functions at once"},
		{engine.KindUprobe, "programs on functions of executables and libraries"},
		{engine.KindUprobeMulti, "programs on many functions of one file at once"},
		{engine.KindUSDT, "programs on static probes of executables"},
		{engine.KindTracing, "programs on kernel functions with typed arguments (fentry, fexit)"},
		{engine.KindLSM, "programs that decide at security hooks"},
		{engine.KindPerfEvent, "programs on timers and hardware counters: profiling"},
		{engine.KindIterator, "programs that walk kernel objects"},
		{engine.KindNetfilter, "programs at netfilter hooks"},
		{engine.KindStructOps, "programs as parts of the kernel"},
		{engine.KindFreplace, "programs that replace functions of other programs"},
		{engine.KindLWT, "programs on routes"},
		{engine.KindLirc, "programs on infrared receivers"},
	}
}

func others() [][2]string {
	return [][2]string{
		{engine.FeatureBTF, "objects that adapt to this kernel (CO-RE), typed arguments"},
		{engine.FeatureNativeXDP, "XDP in the driver, several times faster than generic XDP"},
		{engine.FeatureBoundedLoops, "loops in programs without unrolling"},
		{engine.FeatureLargePrograms, "programs of up to a million instructions"},
		{engine.FeaturePins, "programs, maps and links that outlive the process"},
		{engine.FeatureBatch, "reading and writing maps in bulk"},
		{engine.FeatureISAv3, "objects built with clang -mcpu=v3"},
		{engine.FeatureISAv4, "objects built with clang -mcpu=v4"},
	}
}
