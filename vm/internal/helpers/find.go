// Package helpers holds the bodies of helper functions and kernel functions,
// one family per file, each with its table. What a helper may be called by and
// with stands in package abi.
package helpers

import (
	"fmt"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// table is a family of helpers.
type table map[abi.HelperID]interp.Helper

// common is what every kind of program draws from.
var common = []table{
	mapTable, loopTable, timeTable, miscTable, taskTable, textTable, ringTable, dynptrTable, probeTable, eventTable,
	lockTable, stackTable, storageTable, probeContextTable, perfReadTable, castTable, timerTable, userRingTable,
	localTable, objectTable,
}

// families are the tables a kind of program draws from besides, and before,
// the common ones.
var families = map[kind][]table{
	kindXDP:   {csumTable, routeTable, socketTable, xdpTable},
	kindSKB:   {csumTable, routeTable, socketTable, skbReadTable, skbWriteTable, tunnelTable},
	kindPlain: {signalTable},
	kindHook:  {csumTable, socketTable, hookTable},
	kindFlow:  {flowTable},
}

// body finds a helper's body for a kind of program.
func body(k kind, id abi.HelperID) interp.Helper {
	for _, list := range [][]table{families[k], common} {
		for _, f := range list {
			if h := f[id]; h != nil && k != kindNone {
				return h
			}
		}
	}
	return nil
}

// kind is how a program is run.
type kind uint8

const (
	kindNone kind = iota
	kindXDP
	kindSKB
	kindPlain
	// kindHook has a structure of the UAPI for a context, maybe with bytes.
	kindHook
	kindFlow
	// kindHost is at a hook that the host declares.
	kindHost
)

func kindOf(t abi.ProgramType) kind {
	switch t {
	case abi.ProgXDP:
		return kindXDP
	case abi.ProgSocketFilter, abi.ProgSchedCLS, abi.ProgSchedACT, abi.ProgCgroupSKB,
		abi.ProgLWTIn, abi.ProgLWTOut, abi.ProgLWTXmit, abi.ProgLWTSeg6local:
		return kindSKB
	case abi.ProgRawTracepoint, abi.ProgRawTracepointWritable, abi.ProgSyscall,
		abi.ProgKprobe, abi.ProgTracepoint, abi.ProgPerfEvent:
		return kindPlain
	case abi.ProgCgroupSockAddr, abi.ProgCgroupSock, abi.ProgSockOps, abi.ProgCgroupSockopt, abi.ProgCgroupSysctl,
		abi.ProgCgroupDevice, abi.ProgSkLookup, abi.ProgSkMsg, abi.ProgSkReuseport:
		return kindHook
	case abi.ProgFlowDissector:
		return kindFlow
	case abi.ProgHook:
		return kindHost
	}
	return kindNone
}

// Runnable says whether programs of a type can run here at all.
func Runnable(t abi.ProgramType) bool { return kindOf(t) != kindNone }

// PacketWritable says whether programs of a type may write packet data
// directly.
func PacketWritable(t abi.ProgramType) bool {
	switch t {
	case abi.ProgXDP, abi.ProgSchedCLS, abi.ProgSchedACT, abi.ProgLWTXmit, abi.ProgSkMsg, abi.ProgCgroupSockopt:
		return true
	}
	return false
}

// Find returns the body of a helper for programs of type t, or why there is
// none. A body and a reason mean that Linux would refuse the program too.
func Find(t abi.ProgramType, id abi.HelperID, have Traits) (interp.Helper, string) {
	if id == abi.FnTailCall {
		return nil, ""
	}
	if id == poisoned {
		return runPoisoned, ""
	}
	if h := body(kindOf(t), id); h != nil {
		return h, refused(t, id, have)
	}
	if why := refused(t, id, have); why != "" && abi.HelperByID(id) != nil {
		return runPoisoned, why
	}
	if abi.HelperByID(id) == nil {
		return nil, fmt.Sprintf("helper %d does not exist", uint32(id))
	}
	return nil, missingHelper(t, id)
}

// fail turns an errno into a helper's result.
func fail(e syscall.Errno) uint64 { return -uint64(e) }

// result is fail with 0 for no error.
func result(e syscall.Errno) uint64 { return -uint64(e) }

const errNotSupp = syscall.Errno(524)
