package embedded

import (
	"fmt"
	"sync/atomic"
)

// Drop says why a device dropped a frame.
type Drop int

// Causes of drops.
const (
	// DropXDP: an XDP program returned XDP_DROP.
	DropXDP Drop = iota
	// DropXDPAborted: it returned XDP_ABORTED or no XDP action at all.
	DropXDPAborted
	// DropIngress and DropEgress: a tc program returned TCX_DROP.
	DropIngress
	DropEgress
	// DropFault: a program's run ended in an error.
	DropFault
	// DropRedirect: the target of a redirect does not exist or takes no frames.
	DropRedirect
	// DropTooLong: the frame does not fit the MTU or the runtime's packets.
	DropTooLong
	// DropTooShort: the frame has no whole Ethernet header.
	DropTooShort
	// DropLoop: the frame was redirected too often.
	DropLoop
	// DropNoMemory: there was no memory for the packet.
	DropNoMemory
	// DropNowhere: the device has no wire, or no stack above.
	DropNowhere

	drops
)

func (d Drop) String() string {
	names := [drops]string{
		"xdp drop", "xdp aborted", "tc ingress", "tc egress", "fault", "redirect",
		"too long", "too short", "loop", "no memory", "nowhere",
	}
	if d < 0 || d >= drops {
		return fmt.Sprintf("Drop(%d)", int(d))
	}
	return names[d]
}

// DeviceStats counts the frames of a device.
type DeviceStats struct {
	// Rx came from the wire, Tx went onto it.
	RxFrames, RxBytes, TxFrames, TxBytes uint64
	// FromAbove came from the host's stack, Delivered went to it.
	FromAbove, Delivered uint64
	// XDPTx returned by XDP_TX; Redirected were taken to another device.
	XDPTx, Redirected uint64
	// Drops by cause.
	Drops [drops]uint64
}

// Dropped is the sum of all drops.
func (s DeviceStats) Dropped() uint64 {
	var sum uint64
	for _, n := range s.Drops {
		sum += n
	}
	return sum
}

type counters struct {
	rxFrames, rxBytes, txFrames, txBytes atomic.Uint64
	fromAbove, delivered                 atomic.Uint64
	xdpTx, redirected                    atomic.Uint64
	drops                                [drops]atomic.Uint64
}

// Stats returns the counts since the device was made.
func (d *Device) Stats() DeviceStats {
	c := &d.stats
	s := DeviceStats{
		RxFrames: c.rxFrames.Load(), RxBytes: c.rxBytes.Load(), TxFrames: c.txFrames.Load(), TxBytes: c.txBytes.Load(),
		FromAbove: c.fromAbove.Load(), Delivered: c.delivered.Load(), XDPTx: c.xdpTx.Load(), Redirected: c.redirected.Load(),
	}
	for i := range s.Drops {
		s.Drops[i] = c.drops[i].Load()
	}
	return s
}

func (d *Device) drop(why Drop) { d.stats.drops[why].Add(1) }
