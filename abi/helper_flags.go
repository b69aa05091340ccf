package abi

// Flags of bpf_skb_store_bytes.
const (
	FlagRecomputeCsum  = 1 << 0
	FlagInvalidateHash = 1 << 1
)

// Flags of bpf_l3_csum_replace and bpf_l4_csum_replace. The low four bits
// hold the size of the replaced field in bytes.
const (
	FlagHdrFieldMask = 0xf
	FlagPseudoHdr    = 1 << 4
	FlagMarkMangled0 = 1 << 5
	FlagMarkEnforce  = 1 << 6
	FlagIPv6         = 1 << 7
)

// Flags of tunnel keys and options.
const (
	FlagTuninfoIPv6  = 1 << 0
	FlagZeroCsumTx   = 1 << 1
	FlagDontFragment = 1 << 2
	FlagSeqNumber    = 1 << 3
	FlagNoTunnelKey  = 1 << 4
	FlagTuninfoFlags = 1 << 4
)

// Flags of bpf_get_stackid and bpf_get_stack. The low eight bits hold the
// number of frames to skip.
const (
	FlagSkipFieldMask = 0xff
	FlagUserStack     = 1 << 8
	FlagFastStackCmp  = 1 << 9
	FlagReuseStackID  = 1 << 10
	FlagUserBuildID   = 1 << 11
)

// Flags of bpf_perf_event_output and its kin.
const (
	FlagIndexMask  = 0xffffffff
	FlagCurrentCPU = FlagIndexMask
	FlagCtxlenMask = 0xfffff << 32
)

// CurrentNetNS is the netns argument of bpf_sk_lookup_* for the caller's own.
const CurrentNetNS = -1

// Levels of bpf_csum_level.
const (
	CsumLevelQuery = 0
	CsumLevelInc   = 1
	CsumLevelDec   = 2
	CsumLevelReset = 3
)

// Flags of bpf_skb_adjust_room. The length of an inner layer-2 header stands in
// the bits from AdjRoomEncapL2Shift on.
const (
	FlagAdjRoomFixedGSO    = 1 << 0
	FlagAdjRoomEncapL3IPv4 = 1 << 1
	FlagAdjRoomEncapL3IPv6 = 1 << 2
	FlagAdjRoomEncapL4GRE  = 1 << 3
	FlagAdjRoomEncapL4UDP  = 1 << 4
	FlagAdjRoomNoCsumReset = 1 << 5
	FlagAdjRoomEncapL2Eth  = 1 << 6
	FlagAdjRoomDecapL3IPv4 = 1 << 7
	FlagAdjRoomDecapL3IPv6 = 1 << 8

	AdjRoomEncapL2Mask  = 0xff
	AdjRoomEncapL2Shift = 56

	AdjRoomNet = 0 // enum bpf_adj_room_mode
	AdjRoomMAC = 1
)

// Starts of bpf_skb_load_bytes_relative (enum bpf_hdr_start_off).
const (
	HdrStartMAC = 0
	HdrStartNet = 1
)

// Flags of redirect helpers. In bpf_redirect_map the low two bits hold the
// verdict to return when the lookup fails.
const (
	FlagIngress        = 1 << 0 // skb path
	FlagEgress         = 1 << 1 // skb path
	FlagBroadcast      = 1 << 3 // XDP path
	FlagExcludeIngress = 1 << 4 // XDP path
)

// Flags and queries of ring buffers.
const (
	RBNoWakeup    = 1 << 0
	RBForceWakeup = 1 << 1

	RBAvailData = 0
	RBRingSize  = 1
	RBConsPos   = 2
	RBProdPos   = 3

	RingBufBusyBit    = 1 << 31
	RingBufDiscardBit = 1 << 30
	RingBufHdrSize    = 8
)

// Flags of the remaining helpers.
const (
	FlagSysctlBaseName       = 1 << 0
	LocalStorageGetFCreate   = 1 << 0
	FlagGetBranchRecordsSize = 1 << 0
	SkLookupFReplace         = 1 << 0
	SkLookupFNoReuseport     = 1 << 1
	FlagBprmSecureexec       = 1 << 0
	FlagTimerAbs             = 1 << 0
	FlagTimerCPUPin          = 1 << 1

	SKBClockRealtime  = 0
	SKBClockMonotonic = 1
	SKBClockTAI       = 2
)

// Flags and answers of bpf_fib_lookup.
const (
	FIBLookupDirect    = 1 << 0
	FIBLookupOutput    = 1 << 1
	FIBLookupSkipNeigh = 1 << 2
	FIBLookupTBID      = 1 << 3
	FIBLookupSrc       = 1 << 4
	FIBLookupMark      = 1 << 5

	FIBLkupRetSuccess     = 0
	FIBLkupRetBlackhole   = 1
	FIBLkupRetUnreachable = 2
	FIBLkupRetProhibit    = 3
	FIBLkupRetNotFwded    = 4
	FIBLkupRetFwdDisabled = 5
	FIBLkupRetUnsuppLWT   = 6
	FIBLkupRetNoNeigh     = 7
	FIBLkupRetFragNeeded  = 8
	FIBLkupRetNoSrcAddr   = 9
)

// Flags and answers of bpf_check_mtu.
const (
	MTUChkSegs = 1 << 0

	MTUChkRetSuccess    = 0
	MTUChkRetFragNeeded = 1
	MTUChkRetSegsTooBig = 2
)

// Limits of the programs' world.
const (
	MaxStack       = 512 // bytes of one call chain
	MaxCallFrames  = 8
	MaxTailCalls   = 33
	MaxSlots       = 1 << 20 // instructions of one program with CAP_BPF
	MaxSlotsUnpriv = 4096
	ObjNameLen     = 16 // bytes including the zero
	TagSize        = 8
)
