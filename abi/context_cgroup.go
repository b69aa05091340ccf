package abi

func cgroupContexts() []contextRow {
	cgroupSock, sockopt := programs(ProgCgroupSock), programs(ProgCgroupSockopt)
	return []contextRow{
		{programs: cgroupSock, attach: []AttachType{AttachCgroupInet4PostBind}, layout: sockBound("src_ip4")},
		{programs: cgroupSock, attach: []AttachType{AttachCgroupInet6PostBind}, layout: sockBound("src_ip6")},
		{programs: cgroupSock, layout: sockCreated()},

		{programs: sockAddr, attach: []AttachType{AttachCgroupUDP4Sendmsg}, layout: addr4().grant(narrow, word, "msg_src_ip4")},
		{programs: sockAddr, attach: []AttachType{AttachCgroupUDP6Sendmsg}, layout: addr6().grant(anyOf, wide, "msg_src_ip6")},
		{programs: sockAddr, attach: []AttachType{
			AttachCgroupInet4Bind, AttachCgroupInet4Connect, AttachCgroupUDP4Recvmsg,
			AttachCgroupInet4Getpeername, AttachCgroupInet4Getsockname,
		}, layout: addr4()},
		{programs: sockAddr, attach: []AttachType{
			AttachCgroupInet6Bind, AttachCgroupInet6Connect, AttachCgroupUDP6Recvmsg,
			AttachCgroupInet6Getpeername, AttachCgroupInet6Getsockname,
		}, layout: addr6()},
		{programs: sockAddr, layout: addr()}, // unix sockets

		{programs: sockopt, attach: []AttachType{AttachCgroupSetsockopt}, layout: sockoptFields().grant(word, word, "level", "optname", "optlen")},
		{programs: sockopt, layout: sockoptFields().grant(word, no, "level", "optname").grant(word, word, "optlen", "retval")},

		{programs: programs(ProgCgroupDevice), layout: cgroupDevCtx().grantAll(word).grant(narrow, no, "access_type")},
		{programs: cgroupSysctl, layout: sysctlCtx().grant(narrow, no, "write").grant(narrow, word, "file_pos")},
	}
}

// sockCreated is struct bpf_sock for hooks at a socket's creation and release.
func sockCreated() *Struct {
	return sockFields().
		grant(no, no, "src_ip4", "src_ip6", "src_port").
		grant(word, word, "bound_dev_if", "mark", "priority")
}

// sockBound is struct bpf_sock for hooks after bind, where one source address
// is known.
func sockBound(source string) *Struct {
	return sockFields().
		grant(no, no, "bound_dev_if", "mark", "priority", "src_ip4", "src_ip6").
		grant(narrow, no, source)
}

func addr() *Struct {
	return sockAddrCtx().
		grant(word, no, "user_family", "family", "type", "protocol").
		grant(narrow, word, "user_port").
		grant(long, no, "sk")
}

func addr4() *Struct { return addr().grant(narrow, word, "user_ip4") }
func addr6() *Struct { return addr().grant(anyOf, wide, "user_ip6") }

func sockoptFields() *Struct {
	return sockoptCtx().grant(long, no, "sk", "optval", "optval_end")
}
