package abi

// TCP, socket maps and messages.
func streamHelpers() []Helper {
	return []Helper{
		{FnSkRedirectMap, args(ctx, constMap, anything, anything), RetInteger, 0, skSKB, nil},
		{FnSockMapUpdate, args(ctx, constMap, key, anything), RetInteger, 0, sockOps, nil},
		{FnSockOpsCbFlagsSet, args(ctx, anything), RetInteger, 0, sockOps, nil},
		{FnMsgRedirectMap, args(ctx, constMap, anything, anything), RetInteger, 0, skMsg, nil},
		{FnMsgApplyBytes, args(ctx, anything), RetInteger, 0, skMsg, nil},
		{FnMsgCorkBytes, args(ctx, anything), RetInteger, 0, skMsg, nil},
		{FnMsgPullData, args(ctx, anything, anything, anything), RetInteger, HelperMovesPacket, skMsg, nil},
		{FnSockHashUpdate, args(ctx, constMap, key, anything), RetInteger, 0, sockOps, nil},
		{FnMsgRedirectHash, args(ctx, constMap, key, anything), RetInteger, 0, skMsg, nil},
		{FnSkRedirectHash, args(ctx, constMap, key, anything), RetInteger, 0, skSKB, nil},
		{FnMsgPushData, args(ctx, anything, anything, anything), RetInteger, HelperMovesPacket, skMsg, nil},
		{FnMsgPopData, args(ctx, anything, anything, anything), RetInteger, HelperMovesPacket, skMsg, nil},
		{FnTcpCheckSyncookie, args(btfSock, mem, size, mem, size), RetInteger, HelperGPL, tcXDP, nil},
		{FnTcpGenSyncookie, args(btfSock, mem, size, mem, size), RetInteger, HelperGPL, tcXDP, nil},
		{FnTcpSendAck, args(btf("tcp_sock"), anything), RetInteger, 0, structOps, nil},
		{FnLoadHdrOpt, args(ctx, written, size, anything), RetInteger, 0, sockOps, nil},
		{FnStoreHdrOpt, args(ctx, mem, size, anything), RetInteger, HelperMovesPacket, sockOps, nil},
		{FnReserveHdrOpt, args(ctx, anything, anything), RetInteger, 0, sockOps, nil},
		{FnTcpRawGenSyncookieIpv4, args(fixed("iphdr", 20), mem, sizeOrZero), RetInteger, HelperGPL, tcXDP, nil},
		{FnTcpRawGenSyncookieIpv6, args(fixed("ipv6hdr", 40), mem, sizeOrZero), RetInteger, HelperGPL, tcXDP, nil},
		{FnTcpRawCheckSyncookieIpv4, args(fixed("iphdr", 20), fixed("tcphdr", 20)), RetInteger, HelperGPL, tcXDP, nil},
		{FnTcpRawCheckSyncookieIpv6, args(fixed("ipv6hdr", 40), fixed("tcphdr", 20)), RetInteger, HelperGPL, tcXDP, nil},
	}
}
