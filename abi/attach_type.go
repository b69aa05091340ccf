package abi

// AttachType is enum bpf_attach_type of the Linux UAPI.
type AttachType uint32

// Attach types of Linux 6.18 (include/uapi/linux/bpf.h).
const (
	AttachCgroupInetIngress          AttachType = 0
	AttachCgroupInetEgress           AttachType = 1
	AttachCgroupInetSockCreate       AttachType = 2
	AttachCgroupSockOps              AttachType = 3
	AttachSkSKBStreamParser          AttachType = 4
	AttachSkSKBStreamVerdict         AttachType = 5
	AttachCgroupDevice               AttachType = 6
	AttachSkMsgVerdict               AttachType = 7
	AttachCgroupInet4Bind            AttachType = 8
	AttachCgroupInet6Bind            AttachType = 9
	AttachCgroupInet4Connect         AttachType = 10
	AttachCgroupInet6Connect         AttachType = 11
	AttachCgroupInet4PostBind        AttachType = 12
	AttachCgroupInet6PostBind        AttachType = 13
	AttachCgroupUDP4Sendmsg          AttachType = 14
	AttachCgroupUDP6Sendmsg          AttachType = 15
	AttachLircMode2                  AttachType = 16
	AttachFlowDissector              AttachType = 17
	AttachCgroupSysctl               AttachType = 18
	AttachCgroupUDP4Recvmsg          AttachType = 19
	AttachCgroupUDP6Recvmsg          AttachType = 20
	AttachCgroupGetsockopt           AttachType = 21
	AttachCgroupSetsockopt           AttachType = 22
	AttachTraceRawTP                 AttachType = 23
	AttachTraceFentry                AttachType = 24
	AttachTraceFexit                 AttachType = 25
	AttachModifyReturn               AttachType = 26
	AttachLSMMAC                     AttachType = 27
	AttachTraceIter                  AttachType = 28
	AttachCgroupInet4Getpeername     AttachType = 29
	AttachCgroupInet6Getpeername     AttachType = 30
	AttachCgroupInet4Getsockname     AttachType = 31
	AttachCgroupInet6Getsockname     AttachType = 32
	AttachXDPDevMap                  AttachType = 33
	AttachCgroupInetSockRelease      AttachType = 34
	AttachXDPCPUMap                  AttachType = 35
	AttachSkLookup                   AttachType = 36
	AttachXDP                        AttachType = 37
	AttachSkSKBVerdict               AttachType = 38
	AttachSkReuseportSelect          AttachType = 39
	AttachSkReuseportSelectOrMigrate AttachType = 40
	AttachPerfEvent                  AttachType = 41
	AttachTraceKprobeMulti           AttachType = 42
	AttachLSMCgroup                  AttachType = 43
	AttachStructOps                  AttachType = 44
	AttachNetfilter                  AttachType = 45
	AttachTCXIngress                 AttachType = 46
	AttachTCXEgress                  AttachType = 47
	AttachTraceUprobeMulti           AttachType = 48
	AttachCgroupUnixConnect          AttachType = 49
	AttachCgroupUnixSendmsg          AttachType = 50
	AttachCgroupUnixRecvmsg          AttachType = 51
	AttachCgroupUnixGetpeername      AttachType = 52
	AttachCgroupUnixGetsockname      AttachType = 53
	AttachNetkitPrimary              AttachType = 54
	AttachNetkitPeer                 AttachType = 55
	AttachTraceKprobeSession         AttachType = 56
	AttachTraceUprobeSession         AttachType = 57
)

// String is the UAPI name in lower case without its prefix ("tcx_ingress"); a number
// that Linux 6.18 does not know prints as "AttachType(N)".
func (t AttachType) String() string { return nameOf("AttachType", uint32(t), attachTypeNames[:]) }

var attachTypeNames = [...]string{
	0:  "cgroup_inet_ingress",
	1:  "cgroup_inet_egress",
	2:  "cgroup_inet_sock_create",
	3:  "cgroup_sock_ops",
	4:  "sk_skb_stream_parser",
	5:  "sk_skb_stream_verdict",
	6:  "cgroup_device",
	7:  "sk_msg_verdict",
	8:  "cgroup_inet4_bind",
	9:  "cgroup_inet6_bind",
	10: "cgroup_inet4_connect",
	11: "cgroup_inet6_connect",
	12: "cgroup_inet4_post_bind",
	13: "cgroup_inet6_post_bind",
	14: "cgroup_udp4_sendmsg",
	15: "cgroup_udp6_sendmsg",
	16: "lirc_mode2",
	17: "flow_dissector",
	18: "cgroup_sysctl",
	19: "cgroup_udp4_recvmsg",
	20: "cgroup_udp6_recvmsg",
	21: "cgroup_getsockopt",
	22: "cgroup_setsockopt",
	23: "trace_raw_tp",
	24: "trace_fentry",
	25: "trace_fexit",
	26: "modify_return",
	27: "lsm_mac",
	28: "trace_iter",
	29: "cgroup_inet4_getpeername",
	30: "cgroup_inet6_getpeername",
	31: "cgroup_inet4_getsockname",
	32: "cgroup_inet6_getsockname",
	33: "xdp_devmap",
	34: "cgroup_inet_sock_release",
	35: "xdp_cpumap",
	36: "sk_lookup",
	37: "xdp",
	38: "sk_skb_verdict",
	39: "sk_reuseport_select",
	40: "sk_reuseport_select_or_migrate",
	41: "perf_event",
	42: "trace_kprobe_multi",
	43: "lsm_cgroup",
	44: "struct_ops",
	45: "netfilter",
	46: "tcx_ingress",
	47: "tcx_egress",
	48: "trace_uprobe_multi",
	49: "cgroup_unix_connect",
	50: "cgroup_unix_sendmsg",
	51: "cgroup_unix_recvmsg",
	52: "cgroup_unix_getpeername",
	53: "cgroup_unix_getsockname",
	54: "netkit_primary",
	55: "netkit_peer",
	56: "trace_kprobe_session",
	57: "trace_uprobe_session",
}
