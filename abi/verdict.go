package abi

// Verdicts of XDP programs (enum xdp_action). Any other value is treated like
// XDPAborted and reported.
const (
	XDPAborted  = 0
	XDPDrop     = 1
	XDPPass     = 2
	XDPTx       = 3
	XDPRedirect = 4
)

// Verdicts of classic traffic-control programs (linux/pkt_cls.h).
const (
	TCActUnspec     = -1
	TCActOK         = 0
	TCActReclassify = 1
	TCActShot       = 2
	TCActPipe       = 3
	TCActStolen     = 4
	TCActQueued     = 5
	TCActRepeat     = 6
	TCActRedirect   = 7
	TCActTrap       = 8
)

// Verdicts of tcx and netkit programs (enum tcx_action_base, enum
// netkit_action). Values that tcx does not know count as TCXNext.
const (
	TCXNext     = -1
	TCXPass     = 0
	TCXDrop     = 2
	TCXRedirect = 7
)

// Verdicts of sk_skb, sk_msg, sk_lookup and sk_reuseport programs (enum
// sk_action).
const (
	SkDrop = 0
	SkPass = 1
)

// Verdicts of netfilter programs (linux/netfilter.h); others are refused at load.
const (
	NFDrop   = 0
	NFAccept = 1
)

// Verdicts of lightweight-tunnel and flow-dissector programs (enum
// bpf_ret_code).
const (
	RetOK                    = 0
	RetDrop                  = 2
	RetRedirect              = 7
	RetLWTReroute            = 128
	RetFlowDissectorContinue = 129
)
