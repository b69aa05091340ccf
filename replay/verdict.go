package replay

import (
	"fmt"
	"io"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
)

var errEnd = io.EOF

// Verdict is what a program's return value means for a packet.
type Verdict struct {
	// Name as the program type's headers write it: XDP_PASS, TC_ACT_SHOT.
	Name string
	// Passes says that the packet goes on: to the stack, back to the wire or
	// to another device.
	Passes bool
	// Keep is how many bytes of the packet go on, or -1 for all (socket
	// filters cut packets).
	Keep int
}

// A namer turns a return value into a verdict; n is the packet's length as the
// program saw it.
type namer func(ret uint32, n int) Verdict

// layer tells what data a program type sees in a test run.
type layer int

const (
	frame   layer = iota // the Ethernet header first
	network              // the network header first; the frame's header comes back zeroed
	parsed               // no packet comes back
)

// kind is what replay knows about a program type.
type kind struct {
	name  namer
	layer layer
	skb   bool // the context is struct __sk_buff
}

// kindOf returns what can be done with programs of a type, or an error that
// says why they have no packets to be run on.
func kindOf(info engine.ProgramInfo) (kind, error) {
	switch info.Type {
	case ebpf.XDP:
		return kind{name: table(xdpVerdicts(), "XDP"), layer: frame}, nil
	case ebpf.SchedCLS, ebpf.SchedACT:
		return kind{name: trafficControl(info.AttachType), layer: frame, skb: true}, nil
	case ebpf.SocketFilter:
		return kind{name: socketFilter, layer: network, skb: true}, nil
	case ebpf.CGroupSKB:
		return kind{name: cgroupSKB(info.AttachType), layer: network, skb: true}, nil
	case ebpf.LWTIn, ebpf.LWTOut, ebpf.LWTXmit, ebpf.LWTSeg6Local:
		return kind{name: table(returnCodes(), "return"), layer: network, skb: true}, nil
	case ebpf.FlowDissector:
		return kind{name: table(returnCodes(), "return"), layer: parsed}, nil
	case ebpf.Netfilter:
		return kind{name: table(netfilterVerdicts(), "NF"), layer: parsed}, nil
	}
	return kind{}, &engine.NotSupportedError{
		Feature: fmt.Sprintf("replaying packets through %s programs", programType(info)),
		Reason:  "they do not decide about packets, or cannot be run without attaching",
		Remedy:  "xdp, tc, socket_filter, cgroup_skb, lwt, flow_dissector and netfilter programs can be replayed",
	}
}

// programType is the type's name in lower case, as Linux writes it.
func programType(info engine.ProgramInfo) string { return abi.ProgramType(info.Type).String() }

// Replayable says whether programs of type t can be run on packets.
func Replayable(t ebpf.ProgramType) bool {
	_, err := kindOf(engine.ProgramInfo{Type: t})
	return err == nil
}

// VerdictOf names a return value of a program for a packet of which it saw n
// bytes.
func VerdictOf(info engine.ProgramInfo, ret uint32, n int) (Verdict, error) {
	k, err := kindOf(info)
	if err != nil {
		return Verdict{}, err
	}
	return k.name(ret, n), nil
}

type row struct {
	value  int32
	name   string
	passes bool
}

func table(rows []row, prefix string) namer {
	return func(ret uint32, _ int) Verdict {
		for _, r := range rows {
			if r.value == int32(ret) {
				return Verdict{r.name, r.passes, -1}
			}
		}
		return Verdict{fmt.Sprintf("%s %d", prefix, int32(ret)), false, -1}
	}
}

func xdpVerdicts() []row {
	return []row{
		{abi.XDPAborted, "XDP_ABORTED", false},
		{abi.XDPDrop, "XDP_DROP", false},
		{abi.XDPPass, "XDP_PASS", true},
		{abi.XDPTx, "XDP_TX", true},
		{abi.XDPRedirect, "XDP_REDIRECT", true},
	}
}

// trafficControl knows the two vocabularies of tc: classic actions, and those
// of tcx and netkit, where everything unknown counts as NEXT.
func trafficControl(at ebpf.AttachType) namer {
	switch at {
	case ebpf.AttachTCXIngress, ebpf.AttachTCXEgress:
		return nextTable("TCX")
	case ebpf.AttachNetkitPrimary, ebpf.AttachNetkitPeer:
		return nextTable("NETKIT")
	}
	return table([]row{
		{abi.TCActUnspec, "TC_ACT_UNSPEC", true},
		{abi.TCActOK, "TC_ACT_OK", true},
		{abi.TCActReclassify, "TC_ACT_RECLASSIFY", true},
		{abi.TCActShot, "TC_ACT_SHOT", false},
		{abi.TCActPipe, "TC_ACT_PIPE", true},
		{abi.TCActStolen, "TC_ACT_STOLEN", false},
		{abi.TCActQueued, "TC_ACT_QUEUED", false},
		{abi.TCActRepeat, "TC_ACT_REPEAT", true},
		{abi.TCActRedirect, "TC_ACT_REDIRECT", true},
		{abi.TCActTrap, "TC_ACT_TRAP", false},
	}, "TC_ACT")
}

func nextTable(prefix string) namer {
	rows := []row{
		{abi.TCXNext, prefix + "_NEXT", true},
		{abi.TCXPass, prefix + "_PASS", true},
		{abi.TCXDrop, prefix + "_DROP", false},
		{abi.TCXRedirect, prefix + "_REDIRECT", true},
	}
	return func(ret uint32, _ int) Verdict {
		for _, r := range rows {
			if r.value == int32(ret) {
				return Verdict{r.name, r.passes, -1}
			}
		}
		return Verdict{fmt.Sprintf("%s_NEXT (%d)", prefix, int32(ret)), true, -1}
	}
}

// socketFilter: the return value is the number of bytes that the socket gets.
func socketFilter(ret uint32, n int) Verdict {
	switch {
	case ret == 0:
		return Verdict{"DROP", false, 0}
	case int64(ret) < int64(n):
		return Verdict{"ACCEPT (cut)", true, int(ret)}
	}
	return Verdict{"ACCEPT", true, -1}
}

// cgroupSKB: bit 0 allows; at egress bit 1 notifies of congestion.
func cgroupSKB(at ebpf.AttachType) namer {
	if at != ebpf.AttachCGroupInetEgress {
		return table([]row{{0, "DENY", false}, {1, "ALLOW", true}}, "return")
	}
	return table([]row{
		{0, "DENY", false},
		{1, "ALLOW", true},
		{2, "DENY+CN", false},
		{3, "ALLOW+CN", true},
	}, "return")
}

func returnCodes() []row {
	return []row{
		{abi.RetOK, "BPF_OK", true},
		{abi.RetDrop, "BPF_DROP", false},
		{abi.RetRedirect, "BPF_REDIRECT", true},
		{abi.RetLWTReroute, "BPF_LWT_REROUTE", true},
		{abi.RetFlowDissectorContinue, "BPF_FLOW_DISSECTOR_CONTINUE", true},
	}
}

func netfilterVerdicts() []row {
	return []row{{abi.NFDrop, "NF_DROP", false}, {abi.NFAccept, "NF_ACCEPT", true}}
}
