package abi

func socketContexts() []contextRow {
	return []contextRow{
		{programs: sockOps, layout: sockOpsFields()},
		{programs: skMsg, layout: skMsgMD().grantAll(word).grant(long, no, "data", "data_end", "sk")},
		{programs: skReuseport, layout: reuseportFields()},
		{programs: programs(ProgSkLookup), layout: skLookupCtx().grantAll(narrow).grant(long, no, "sk", "cookie")},
	}
}

func sockOpsFields() *Struct {
	return sockOpsCtx().grantAll(word).
		grant(word, word, "reply", "sk_txhash").
		grant(narrow, no, "skb_tcp_flags").
		grant(long, no, "bytes_received", "bytes_acked", "sk", "skb_data", "skb_data_end", "skb_hwtstamp")
}

func reuseportFields() *Struct {
	return skReuseportMD().grantAll(narrow).
		grant(2|4, no, "eth_protocol").
		grant(word, no, "hash").
		grant(long, no, "data", "data_end", "sk", "migrating_sk")
}

// sockFields is struct bpf_sock behind a pointer of full access.
func sockFields() *Struct {
	return bpfSock().grantAll(narrow).grant(word, no, "bound_dev_if", "mark", "priority")
}

func tcpSockFields() *Struct {
	return bpfTCPSock().grantAll(word).grant(long, no, "bytes_received", "bytes_acked")
}
