package abi

func packetContexts() []contextRow {
	return []contextRow{
		{programs: xdp, attach: []AttachType{AttachXDPDevMap}, layout: xdpFields().grant(word, no, "egress_ifindex")},
		{programs: xdp, layout: xdpFields()},
		{programs: tc, layout: skbTC()},
		{programs: programs(ProgSocketFilter), layout: skbFields()},
		{programs: cgroupSKB, layout: skbCgroup()},
		{programs: lwt, layout: skbLWT()},
		{programs: skSKB, layout: skbSocket()},
		{programs: programs(ProgFlowDissector), layout: skbFlow()},
		{programs: programs(ProgNetfilter), layout: netfilterCtx().grantAll(long)},
	}
}

func xdpFields() *Struct {
	return xdpMD().grant(word, no, "data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index")
}

// skbFields is what all users of __sk_buff but flow dissectors share; it is all
// that socket filters see.
func skbFields() *Struct {
	return skBuff().
		grant(narrow, no, "len", "pkt_type", "mark", "queue_mapping", "protocol", "vlan_present", "vlan_tci",
			"vlan_proto", "priority", "ingress_ifindex", "ifindex", "tc_index", "hash", "napi_id", "gso_segs",
			"gso_size").
		grant(anyOf, anyOf, "cb").
		grant(long, no, "sk")
}

func skbTC() *Struct {
	return skbFields().
		grant(narrow, word, "mark", "queue_mapping", "priority", "tc_index", "tc_classid").
		grant(word, no, "data", "data_end", "data_meta").
		grant(narrow, no, "wire_len").
		grant(long, long, "tstamp").
		grant(byte1, no, "tstamp_type").
		grant(long, no, "hwtstamp")
}

func skbCgroup() *Struct {
	return skbAddresses(skbFields()).
		grant(narrow, word, "mark", "priority").
		grant(word, no, "data", "data_end").
		grant(long, long, "tstamp").
		grant(long, no, "hwtstamp")
}

func skbLWT() *Struct {
	return skbFields().grant(narrow, word, "mark", "priority").grant(word, no, "data", "data_end")
}

func skbSocket() *Struct {
	return skbAddresses(skbFields()).
		grant(no, no, "mark").
		grant(narrow, word, "priority", "tc_index").
		grant(anyOf, no, "cb").
		grant(word, no, "data", "data_end")
}

// skbAddresses adds what is known of a packet that belongs to a socket.
func skbAddresses(s *Struct) *Struct {
	return s.
		grant(narrow, no, "family", "remote_port", "local_port").
		grant(word, no, "remote_ip4", "local_ip4", "remote_ip6", "local_ip6")
}

func skbFlow() *Struct {
	return skBuff().grant(word, no, "data", "data_end").grant(long, no, "flow_keys")
}
