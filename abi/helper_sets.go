package abi

// programs is the set of the given types.
func programs(types ...ProgramType) ProgramSet { return ProgramSet(0).with(types...) }

func (s ProgramSet) with(types ...ProgramType) ProgramSet {
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

func (s ProgramSet) without(types ...ProgramType) ProgramSet {
	return s &^ programs(types...)
}

// Sets of program types that recur in the helper tables.
const (
	bit ProgramSet = 1

	// everywhere is what the kernel's base prototypes reach: all but infrared
	// decoders, which have a list of their own, and extensions, which borrow
	// their target's.
	everywhere = bit<<(ProgNetfilter+1) - 1 - bit<<ProgUnspec - bit<<ProgExtension - bit<<ProgLircMode2

	tc          = bit<<ProgSchedCLS | bit<<ProgSchedACT
	xdp         = bit << ProgXDP
	tcXDP       = tc | xdp
	lwt         = bit<<ProgLWTIn | bit<<ProgLWTOut | bit<<ProgLWTXmit | bit<<ProgLWTSeg6local
	seg6local   = bit << ProgLWTSeg6local
	tcLWT       = tc | lwt
	tcLWTXmit   = tc | bit<<ProgLWTXmit
	cgroupSKB   = bit << ProgCgroupSKB
	tcCgroupSKB = tc | cgroupSKB
	skSKB       = bit << ProgSkSKB
	tcSkSKB     = tc | skSKB
	skMsg       = bit << ProgSkMsg

	sockOps       = bit << ProgSockOps
	sockAddr      = bit << ProgCgroupSockAddr
	skReuseport   = bit << ProgSkReuseport
	cgroupSysctl  = bit << ProgCgroupSysctl
	structOps     = bit << ProgStructOps
	socketLookups = tcXDP | cgroupSKB | skSKB | sockAddr
	socketCasts   = socketLookups | lwt | skMsg | sockOps | bit<<ProgSocketFilter | bit<<ProgFlowDissector |
		bit<<ProgSkLookup | btfTracers

	kprobe      = bit << ProgKprobe
	perfEvent   = bit << ProgPerfEvent
	tracing     = bit << ProgTracing
	lsm         = bit << ProgLSM
	syscallOnly = bit << ProgSyscall
	trampolines = tracing | lsm
	btfTracers  = trampolines | syscallOnly
	tracers     = btfTracers | kprobe | perfEvent | bit<<ProgTracepoint | bit<<ProgRawTracepoint |
		bit<<ProgRawTracepointWritable

	lirc = bit << ProgLircMode2
)
