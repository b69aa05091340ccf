package abi

// ProgramType is enum bpf_prog_type of the Linux UAPI.
type ProgramType uint32

// Program types of Linux 6.18 (include/uapi/linux/bpf.h).
const (
	ProgUnspec                ProgramType = 0
	ProgSocketFilter          ProgramType = 1
	ProgKprobe                ProgramType = 2
	ProgSchedCLS              ProgramType = 3
	ProgSchedACT              ProgramType = 4
	ProgTracepoint            ProgramType = 5
	ProgXDP                   ProgramType = 6
	ProgPerfEvent             ProgramType = 7
	ProgCgroupSKB             ProgramType = 8
	ProgCgroupSock            ProgramType = 9
	ProgLWTIn                 ProgramType = 10
	ProgLWTOut                ProgramType = 11
	ProgLWTXmit               ProgramType = 12
	ProgSockOps               ProgramType = 13
	ProgSkSKB                 ProgramType = 14
	ProgCgroupDevice          ProgramType = 15
	ProgSkMsg                 ProgramType = 16
	ProgRawTracepoint         ProgramType = 17
	ProgCgroupSockAddr        ProgramType = 18
	ProgLWTSeg6local          ProgramType = 19
	ProgLircMode2             ProgramType = 20
	ProgSkReuseport           ProgramType = 21
	ProgFlowDissector         ProgramType = 22
	ProgCgroupSysctl          ProgramType = 23
	ProgRawTracepointWritable ProgramType = 24
	ProgCgroupSockopt         ProgramType = 25
	ProgTracing               ProgramType = 26
	ProgStructOps             ProgramType = 27
	ProgExtension             ProgramType = 28
	ProgLSM                   ProgramType = 29
	ProgSkLookup              ProgramType = 30
	ProgSyscall               ProgramType = 31
	ProgNetfilter             ProgramType = 32
)

// String is the UAPI name in lower case without its prefix ("sched_cls"); a number
// that Linux 6.18 does not know prints as "ProgramType(N)".
func (t ProgramType) String() string {
	if t == ProgHook {
		return "hook"
	}
	return nameOf("ProgramType", uint32(t), programTypeNames[:])
}

var programTypeNames = [...]string{
	0:  "unspec",
	1:  "socket_filter",
	2:  "kprobe",
	3:  "sched_cls",
	4:  "sched_act",
	5:  "tracepoint",
	6:  "xdp",
	7:  "perf_event",
	8:  "cgroup_skb",
	9:  "cgroup_sock",
	10: "lwt_in",
	11: "lwt_out",
	12: "lwt_xmit",
	13: "sock_ops",
	14: "sk_skb",
	15: "cgroup_device",
	16: "sk_msg",
	17: "raw_tracepoint",
	18: "cgroup_sock_addr",
	19: "lwt_seg6local",
	20: "lirc_mode2",
	21: "sk_reuseport",
	22: "flow_dissector",
	23: "cgroup_sysctl",
	24: "raw_tracepoint_writable",
	25: "cgroup_sockopt",
	26: "tracing",
	27: "struct_ops",
	28: "ext",
	29: "lsm",
	30: "sk_lookup",
	31: "syscall",
	32: "netfilter",
}
