package embedded

import (
	"bytes"
	"errors"

	"github.com/skepdev/skep/vm"
)

// job is a packet on its way through hooks, with all that a run needs: it is
// reused, so that nothing is allocated on the way.
type job struct {
	e   *Engine
	pk  *vm.Packet
	skb vm.SKBMeta
	xdp vm.XDPMeta
	// hops counts redirects.
	hops int
	// first is the job of the frame that all this came from, where copies
	// counts its clones.
	first  *job
	copies int
	// key and value of a device map's entry.
	key, value [8]byte
}

// maxHops is how often a frame may be redirected, as in Linux
// (XMIT_RECURSION_LIMIT).
const maxHops = 8

// maxCopies is how many clones of a frame, and of its clones, are sent: what a
// CPU's queue in Linux holds (net.core.netdev_max_backlog).
const maxCopies = 1000

// newJob copies a frame into a packet. On failure the frame is dropped.
func (d *Device) newJob(frame []byte) *job {
	pk, err := d.e.machine.NewPacket(frame)
	if err != nil {
		if len(frame) > vm.MaxPacket {
			d.drop(DropTooLong)
		} else {
			d.drop(DropNoMemory)
		}
		return nil
	}
	return d.e.jobWith(pk)
}

func (e *Engine) jobWith(pk *vm.Packet) *job {
	j := e.jobs.Get().(*job)
	j.e, j.pk, j.hops = e, pk, 0
	j.first, j.copies = j, 0
	j.skb = vm.SKBMeta{}
	return j
}

func (j *job) done() {
	j.pk.Release()
	e := j.e
	j.e, j.pk, j.first = nil, nil, nil
	e.jobs.Put(j)
}

// fault counts and reports a run that ended in an error.
func (d *Device) fault(p *programCore, err error) {
	d.drop(DropFault)
	if d.e.cfg.OnFault == nil || errors.Is(err, vm.ErrClosed) {
		return
	}
	d.e.cfg.OnFault(d, runError(p.info.Name, err))
}

// Packet types of linux/if_packet.h.
const (
	packetHost      = 0
	packetBroadcast = 1
	packetMulticast = 2
	packetOtherHost = 3
)

// packetType is what eth_type_trans makes of a frame's destination.
func (d *Device) packetType(frame []byte) uint32 {
	dst := frame[:6]
	switch {
	case dst[0]&1 != 0:
		if bytes.Equal(dst, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) {
			return packetBroadcast
		}
		return packetMulticast
	case len(d.cfg.HardwareAddr) == 6 && !bytes.Equal(dst, d.cfg.HardwareAddr):
		return packetOtherHost
	}
	return packetHost
}
