package abi

// The layouts are those of include/uapi/linux/bpf.h, Linux 6.18, on 64-bit
// machines. Access rights are
// granted in context_*.go.

func xdpMD() *Struct {
	return layout("xdp_md",
		packet("data", FieldPacketData), packet("data_end", FieldPacketEnd), packet("data_meta", FieldPacketMeta),
		u32("ingress_ifindex"), u32("rx_queue_index"), u32("egress_ifindex"))
}

func skBuff() *Struct {
	return layout("__sk_buff",
		u32("len"), u32("pkt_type"), u32("mark"), u32("queue_mapping"), u32("protocol"),
		u32("vlan_present"), u32("vlan_tci"), u32("vlan_proto"), u32("priority"),
		u32("ingress_ifindex"), u32("ifindex"), u32("tc_index"), u32s("cb", 5), u32("hash"),
		u32("tc_classid"), packet("data", FieldPacketData), packet("data_end", FieldPacketEnd), u32("napi_id"),
		u32("family"), u32("remote_ip4"), u32("local_ip4"), u32s("remote_ip6", 4), u32s("local_ip6", 4),
		u32("remote_port"), u32("local_port"), packet("data_meta", FieldPacketMeta),
		ptr("flow_keys", FieldFlowKeys), u64("tstamp"), u32("wire_len"), u32("gso_segs"),
		ptr("sk", FieldSocketOrNull), u32("gso_size"), u8("tstamp_type"), pad(3), u64("hwtstamp"))
}

func bpfSock() *Struct {
	return layout("bpf_sock",
		u32("bound_dev_if"), u32("family"), u32("type"), u32("protocol"), u32("mark"), u32("priority"),
		u32("src_ip4"), u32s("src_ip6", 4), u32("src_port"), u16("dst_port"), pad(2), u32("dst_ip4"),
		u32s("dst_ip6", 4), u32("state"), u32("rx_queue_mapping"))
}

func bpfTCPSock() *Struct {
	return layout("bpf_tcp_sock",
		u32("snd_cwnd"), u32("srtt_us"), u32("rtt_min"), u32("snd_ssthresh"), u32("rcv_nxt"), u32("snd_nxt"),
		u32("snd_una"), u32("mss_cache"), u32("ecn_flags"), u32("rate_delivered"), u32("rate_interval_us"),
		u32("packets_out"), u32("retrans_out"), u32("total_retrans"), u32("segs_in"), u32("data_segs_in"),
		u32("segs_out"), u32("data_segs_out"), u32("lost_out"), u32("sacked_out"), u64("bytes_received"),
		u64("bytes_acked"), u32("dsack_dups"), u32("delivered"), u32("delivered_ce"), u32("icsk_retransmits"))
}

func sockAddrCtx() *Struct {
	return layout("bpf_sock_addr",
		u32("user_family"), u32("user_ip4"), u32s("user_ip6", 4), u32("user_port"), u32("family"),
		u32("type"), u32("protocol"), u32("msg_src_ip4"), u32s("msg_src_ip6", 4), ptr("sk", FieldSocket))
}

func sockOpsCtx() *Struct {
	s := layout("bpf_sock_ops",
		u32("op"), u32s("args", 4), u32("family"), u32("remote_ip4"), u32("local_ip4"),
		u32s("remote_ip6", 4), u32s("local_ip6", 4), u32("remote_port"), u32("local_port"), u32("is_fullsock"),
		u32("snd_cwnd"), u32("srtt_us"), u32("bpf_sock_ops_cb_flags"), u32("state"), u32("rtt_min"),
		u32("snd_ssthresh"), u32("rcv_nxt"), u32("snd_nxt"), u32("snd_una"), u32("mss_cache"),
		u32("ecn_flags"), u32("rate_delivered"), u32("rate_interval_us"), u32("packets_out"),
		u32("retrans_out"), u32("total_retrans"), u32("segs_in"), u32("data_segs_in"), u32("segs_out"),
		u32("data_segs_out"), u32("lost_out"), u32("sacked_out"), u32("sk_txhash"), u64("bytes_received"),
		u64("bytes_acked"), ptr("sk", FieldSocketOrNull), ptr("skb_data", FieldPacketData),
		ptr("skb_data_end", FieldPacketEnd), u32("skb_len"), u32("skb_tcp_flags"), u64("skb_hwtstamp"))
	reply, long := u32("reply"), u32s("replylong", 4)
	reply.Offset, long.Offset = 4, 4
	s.Fields = append(s.Fields[:2], append([]Field{reply, long}, s.Fields[2:]...)...)
	return s
}

func skLookupCtx() *Struct {
	s := layout("bpf_sk_lookup",
		ptr("sk", FieldSocketOrNull), u32("family"), u32("protocol"), u32("remote_ip4"), u32s("remote_ip6", 4),
		u16("remote_port"), pad(2), u32("local_ip4"), u32s("local_ip6", 4), u32("local_port"),
		u32("ingress_ifindex"))
	s.Fields = append(s.Fields[:1], append([]Field{u64("cookie")}, s.Fields[1:]...)...)
	return s
}

func skMsgMD() *Struct {
	return layout("sk_msg_md",
		ptr("data", FieldPacketData), ptr("data_end", FieldPacketEnd), u32("family"), u32("remote_ip4"),
		u32("local_ip4"), u32s("remote_ip6", 4), u32s("local_ip6", 4), u32("remote_port"), u32("local_port"),
		u32("size"), ptr("sk", FieldSocket))
}

func skReuseportMD() *Struct {
	return layout("sk_reuseport_md",
		ptr("data", FieldPacketData), ptr("data_end", FieldPacketEnd), u32("len"), u32("eth_protocol"),
		u32("ip_protocol"), u32("bind_inany"), u32("hash"), ptr("sk", FieldSocket),
		ptr("migrating_sk", FieldSocketOrNull))
}

func cgroupDevCtx() *Struct {
	return layout("bpf_cgroup_dev_ctx", u32("access_type"), u32("major"), u32("minor"))
}

func sysctlCtx() *Struct { return layout("bpf_sysctl", u32("write"), u32("file_pos")) }

func sockoptCtx() *Struct {
	return layout("bpf_sockopt",
		ptr("sk", FieldSocket), ptr("optval", FieldOptval), ptr("optval_end", FieldOptvalEnd),
		u32("level"), u32("optname"), u32("optlen"), u32("retval"))
}

func netfilterCtx() *Struct {
	return layout("bpf_nf_ctx", ptr("state", FieldBTFPtr), ptr("skb", FieldBTFPtr))
}

// MaxTracepointArgs is how many arguments a raw tracepoint may have.
const MaxTracepointArgs = 12

func rawTracepointArgs() *Struct {
	return layout("bpf_raw_tracepoint_args", u64s("args", MaxTracepointArgs))
}

// The first argument of a writable raw tracepoint is a buffer.
func writableTracepointArgs() *Struct {
	return layout("bpf_raw_tracepoint_args", ptr("buffer", FieldTracepointBuffer), u64s("args", MaxTracepointArgs-1))
}

func lircCtx() *Struct { return layout("lirc_sample", u32("sample")) }

// PtRegsAMD64 is struct pt_regs of x86-64: the context of probes there.
func PtRegsAMD64() *Struct {
	return layout("pt_regs",
		u64("r15"), u64("r14"), u64("r13"), u64("r12"), u64("rbp"), u64("rbx"), u64("r11"), u64("r10"),
		u64("r9"), u64("r8"), u64("rax"), u64("rcx"), u64("rdx"), u64("rsi"), u64("rdi"), u64("orig_rax"),
		u64("rip"), u64("cs"), u64("eflags"), u64("rsp"), u64("ss")).grantAll(anyOf)
}

// PtRegsARM64 is struct user_pt_regs of arm64: the context of probes there.
func PtRegsARM64() *Struct {
	return layout("user_pt_regs", u64s("regs", 31), u64("sp"), u64("pc"), u64("pstate")).grantAll(anyOf)
}
