package abi

// Sockets.
func socketHelpers() []Helper {
	return []Helper{
		{FnGetSocketCookie, args(ctx), RetInteger, 0, programs(ProgSocketFilter, ProgSchedCLS, ProgSchedACT, ProgCgroupSKB, ProgCgroupSock, ProgSockOps, ProgSkSKB, ProgCgroupSockAddr, ProgSkReuseport, ProgTracing, ProgLSM, ProgSyscall), []Variant{{programs(ProgSkReuseport, ProgTracing, ProgLSM, ProgSyscall), args(btfSockOrNull), 0}}},
		{FnGetSocketUid, args(ctx), RetInteger, 0, programs(ProgSocketFilter, ProgSchedCLS, ProgSchedACT, ProgCgroupSKB, ProgSkSKB), nil},
		{FnSetsockopt, args(ctx, anything, anything, mem, size), RetInteger, 0, programs(ProgSockOps, ProgCgroupSockAddr, ProgCgroupSockopt, ProgStructOps, ProgLSM), []Variant{{programs(ProgCgroupSockopt, ProgStructOps, ProgLSM), args(btfSock, anything, anything, mem, size), 0}}},
		{FnGetsockopt, args(ctx, anything, anything, uninit, size), RetInteger, 0, programs(ProgSockOps, ProgCgroupSockAddr, ProgCgroupSockopt, ProgStructOps, ProgLSM), []Variant{{programs(ProgCgroupSockopt, ProgStructOps, ProgLSM), args(btfSock, anything, anything, uninit, size), 0}}},
		{FnBind, args(ctx, mem, size), RetInteger, 0, sockAddr, nil},
		{FnSkSelectReuseport, args(ctx, constMap, key, anything), RetInteger, 0, skReuseport, nil},
		{FnSkLookupTcp, args(ctx, mem, size, anything, anything), RetSocketOrNull, 0, socketLookups, nil},
		{FnSkLookupUdp, args(ctx, mem, size, anything, anything), RetSocketOrNull, 0, socketLookups, nil},
		{FnSkRelease, args(sockReleased), RetInteger, 0, programs(ProgSchedCLS, ProgSchedACT, ProgXDP, ProgCgroupSKB, ProgSkSKB, ProgCgroupSockAddr, ProgSkLookup), nil},
		{FnSkFullsock, args(sockCommon), RetSocketOrNull, 0, tcCgroupSKB, nil},
		{FnTcpSock, args(sockCommon), RetTCPSockOrNull, 0, programs(ProgSchedCLS, ProgSchedACT, ProgCgroupSKB, ProgSockOps, ProgCgroupSockopt), nil},
		{FnGetListenerSock, args(sockCommon), RetSocketOrNull, 0, tcCgroupSKB, nil},
		{FnSkcLookupTcp, args(ctx, mem, size, anything, anything), RetSockCommonOrNull, 0, socketLookups, nil},
		{FnGetNetnsCookie, args(ctxOrNull), RetInteger, 0, programs(ProgSocketFilter, ProgSchedCLS, ProgSchedACT, ProgCgroupSKB, ProgCgroupSock, ProgSockOps, ProgSkMsg, ProgCgroupSockAddr, ProgCgroupSockopt, ProgLSM), nil},
		{FnSkAssign, args(ctx, btfSock, anything), RetInteger, 0, programs(ProgSchedCLS, ProgSchedACT, ProgSkLookup), []Variant{{programs(ProgSkLookup), args(ctx, socketOrNull, anything), 0}}},
		{FnSkCgroupId, args(btfSock), RetInteger, 0, cgroupSKB, nil},
		{FnSkAncestorCgroupId, args(btfSock, anything), RetInteger, 0, cgroupSKB, nil},
		{FnSkcToTcp6Sock, args(btfSock), RetBTFOrNull, 0, socketCasts, nil},
		{FnSkcToTcpSock, args(btfSock), RetBTFOrNull, 0, socketCasts, nil},
		{FnSkcToTcpTimewaitSock, args(btfSock), RetBTFOrNull, 0, socketCasts, nil},
		{FnSkcToTcpRequestSock, args(btfSock), RetBTFOrNull, 0, socketCasts, nil},
		{FnSkcToUdp6Sock, args(btfSock), RetBTFOrNull, 0, socketCasts, nil},
		{FnSkcToUnixSock, args(btfSock), RetBTFOrNull, 0, socketCasts, nil},
		{FnSkcToMptcpSock, args(btfSock), RetBTFOrNull, 0, socketCasts, nil},
	}
}
