package helpers

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// The runtime knows no sockets: lookups find none, contexts carry none, and
// what takes a socket is called with a null pointer if at all.
var socketTable = table{
	abi.FnSkLookupTcp:        noSocket,
	abi.FnSkLookupUdp:        noSocket,
	abi.FnSkcLookupTcp:       noSocket,
	abi.FnSkFullsock:         noSocket,
	abi.FnTcpSock:            noSocket,
	abi.FnGetListenerSock:    noSocket,
	abi.FnSkRelease:          notASocket,
	abi.FnSkAssign:           notASocket,
	abi.FnTcpCheckSyncookie:  notASocket,
	abi.FnTcpGenSyncookie:    notASocket,
	abi.FnSkCgroupId:         noSocket,
	abi.FnSkAncestorCgroupId: noSocket,
	// There is one network namespace, the initial one.
	abi.FnGetNetnsCookie: func(*interp.Thread) uint64 { return 1 },
}

// castTable: there is nothing to see as a socket of another kind.
var castTable = table{
	abi.FnSkcToTcpSock:         noSocket,
	abi.FnSkcToTcp6Sock:        noSocket,
	abi.FnSkcToTcpTimewaitSock: noSocket,
	abi.FnSkcToTcpRequestSock:  noSocket,
	abi.FnSkcToUdp6Sock:        noSocket,
	abi.FnSkcToUnixSock:        noSocket,
	abi.FnSkcToMptcpSock:       noSocket,
}

func noSocket(*interp.Thread) uint64 { return 0 }

func notASocket(*interp.Thread) uint64 { return fail(syscall.EINVAL) }
