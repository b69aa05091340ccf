package lab

import (
	"slices"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/skepdev/skep/embedded"
)

// device is one end of a wire in the embedded world. Frames from above and
// from the wire wait in one queue for one goroutine, which runs the engine's
// hooks: nobody who sends ever runs the receiver's code, so programs that
// reflect or redirect frames cannot recurse, and stacks may send while they
// hold their locks.
type device struct {
	name, netns string
	index, mtu  int
	mac         [6]byte
	host        *embeddedStack // nil at a switch
	nic         tcpip.NICID    // in host
	hooks       *embedded.Device
	queue       *queue
	peer        *device
	end         int
	// up takes frames that passed the hooks: a stack's or a switch's.
	up      func(frame []byte)
	plugged *embeddedSwitch
	done    chan struct{}
	started bool

	mu   sync.Mutex
	taps atomic.Pointer[[]*queue]

	sent, sentBytes, received, receivedBytes, lost atomic.Uint64
}

// Tags of a device's queue.
const (
	fromAbove = iota
	fromWire
)

func newDevice(p plug, index, limit int) *device {
	d := &device{
		name: p.dev, index: index, mtu: p.mtu, mac: [6]byte(p.mac),
		queue: newQueue(limit, false), done: make(chan struct{}),
	}
	if p.stack != nil {
		d.host = p.stack.(*embeddedStack)
		d.netns = p.stack.netns()
	} else {
		d.netns = p.sw.netns()
	}
	return d
}

// open connects the device to what is above it and starts it.
func (d *device) open(p plug) error {
	if d.host != nil {
		up, err := d.host.plug(p, d)
		if err != nil {
			return err
		}
		d.up = up
	} else {
		d.plugged = p.sw.(*embeddedSwitch)
		d.up = func(frame []byte) { d.plugged.forward(d, frame) }
		d.plugged.add(d)
	}
	d.started = true
	go d.run()
	return nil
}

func (d *device) run() {
	defer close(d.done)
	for f, ok := d.queue.pop(nil); ok; f, ok = d.queue.pop(f.data) {
		if f.tag == fromAbove {
			d.hooks.Transmit(f.data)
			continue
		}
		d.received.Add(1)
		d.receivedBytes.Add(uint64(len(f.data)))
		d.hooks.Receive(f.data)
	}
}

// ethernetHeader and vlanTag are sizes in bytes.
const (
	ethernetHeader = 14
	vlanTag        = 4
)

// send puts a frame on the wire; the engine calls it after the egress hooks
// and for XDP_TX and redirects.
func (d *device) send(frame []byte) {
	if len(frame) < ethernetHeader {
		d.lost.Add(1)
		return
	}
	d.sent.Add(1)
	d.sentBytes.Add(uint64(len(frame)))
	if taps := d.taps.Load(); taps != nil {
		for _, q := range *taps {
			q.push(frame, d.end)
		}
	}
	// The rule of Linux (is_skb_forwardable): the MTU, a header and a tag.
	if len(frame) > d.peer.mtu+ethernetHeader+vlanTag {
		d.peer.lost.Add(1)
		return
	}
	d.peer.queue.push(frame, fromWire)
}

// deliver hands a frame up; the engine calls it after the ingress hooks.
func (d *device) deliver(frame []byte) {
	if len(frame) >= ethernetHeader {
		d.up(frame)
	}
}

// transmit takes a frame from above.
func (d *device) transmit(frame []byte) { d.queue.push(frame, fromAbove) }

func (d *device) stats() DeviceStats {
	return DeviceStats{
		SentPackets: d.sent.Load(), SentBytes: d.sentBytes.Load(),
		ReceivedPackets: d.received.Load(), ReceivedBytes: d.receivedBytes.Load(),
		Dropped: d.queue.drops() + d.lost.Load(),
	}
}

func (d *device) addTap(q *queue) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var taps []*queue
	if have := d.taps.Load(); have != nil {
		taps = slices.Clone(*have)
	}
	taps = append(taps, q)
	d.taps.Store(&taps)
}

func (d *device) removeTap(q *queue) {
	d.mu.Lock()
	defer d.mu.Unlock()
	taps := slices.DeleteFunc(slices.Clone(*d.taps.Load()), func(x *queue) bool { return x == q })
	if len(taps) == 0 {
		d.taps.Store(nil)
		return
	}
	d.taps.Store(&taps)
}

// close stops the device and waits until its goroutine has ended.
func (d *device) close() error {
	d.queue.discard()
	if d.started {
		<-d.done
	}
	if d.plugged != nil {
		d.plugged.remove(d)
	}
	return d.hooks.Close()
}
