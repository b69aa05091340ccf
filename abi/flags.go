package abi

// Flags of element updates and lookups. FlagLock may be or'ed to the others.
const (
	UpdateAny     = 0 // create or replace
	UpdateNoExist = 1 // create only
	UpdateExist   = 2 // replace only
	FlagLock      = 4 // hold the value's bpf_spin_lock while copying
)

// Flags of map creation (BPF_F_*).
const (
	FlagNoPrealloc    = 1 << 0
	FlagNoCommonLRU   = 1 << 1
	FlagNumaNode      = 1 << 2
	FlagRdonly        = 1 << 3 // user side may only read
	FlagWronly        = 1 << 4 // user side may only write
	FlagStackBuildID  = 1 << 5
	FlagZeroSeed      = 1 << 6
	FlagRdonlyProg    = 1 << 7 // programs may only read
	FlagWronlyProg    = 1 << 8 // programs may only write
	FlagClone         = 1 << 9
	FlagMmapable      = 1 << 10
	FlagPreserveElems = 1 << 11
	FlagInnerMap      = 1 << 12
	FlagLink          = 1 << 13
	FlagPathFD        = 1 << 14
	FlagVtypeBTFObjFD = 1 << 15
	FlagTokenFD       = 1 << 16
	FlagSegvOnFault   = 1 << 17
	FlagNoUserConv    = 1 << 18
)

// Flags of program loading (BPF_F_*).
const (
	FlagStrictAlignment     = 1 << 0
	FlagAnyAlignment        = 1 << 1
	FlagTestRndHi32         = 1 << 2
	FlagTestStateFreq       = 1 << 3
	FlagSleepable           = 1 << 4
	FlagXDPHasFrags         = 1 << 5
	FlagXDPDevBoundOnly     = 1 << 6
	FlagTestRegInvariants   = 1 << 7
	FlagNetfilterIPDefrag   = 1 << 0 // in the netfilter link's flags
	FlagKprobeMultiReturn   = 1 << 0 // in the kprobe_multi link's flags
	FlagUprobeMultiReturn   = 1 << 0 // in the uprobe_multi link's flags
	FlagTestRunOnCPU        = 1 << 0 // in BPF_PROG_TEST_RUN
	FlagTestXDPLiveFrames   = 1 << 1 // in BPF_PROG_TEST_RUN
	FlagTestSKBCsumComplete = 1 << 2 // in BPF_PROG_TEST_RUN
)

// Flags of attaching (BPF_F_*).
const (
	FlagAllowOverride = 1 << 0
	FlagAllowMulti    = 1 << 1
	FlagReplace       = 1 << 2
	FlagBefore        = 1 << 3
	FlagAfter         = 1 << 4
	FlagID            = 1 << 5
	FlagPreorder      = 1 << 6
)
