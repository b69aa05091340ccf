package embedded

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/engine"
)

// DeviceConfig describes a [Device].
type DeviceConfig struct {
	// Name and NetNS are what targets call the device: at least one character,
	// and unique within the namespace.
	Name, NetNS string
	// Index is the interface index, unique within the namespace; 0 asks for one.
	Index int
	// MTU in bytes, without the link layer; 0 means no limit.
	MTU int
	// HardwareAddr tells packets for this host from others; nil takes all
	// unicast for the host's.
	HardwareAddr net.HardwareAddr
	// Send puts a frame on the wire: what Transmit lets through, what XDP_TX
	// returns and what is redirected here. Nil drops.
	Send func(frame []byte)
	// Deliver hands a frame up to the host's stack. Nil drops.
	//
	// Frames are Ethernet frames without checksum, borrowed during the call.
	// Both functions are called from the goroutine that brought the frame and
	// must be safe for concurrent use if Receive and Transmit are called so.
	Deliver func(frame []byte)
}

// Device is a network device of the embedded engine: XDP and tc hooks around a
// wire. Its methods are safe for concurrent use.
type Device struct {
	e     *Engine
	cfg   DeviceConfig
	peer  atomic.Pointer[Device]
	xdp   atomic.Pointer[attachment]
	stats counters
	// uses are the device itself and calls under way; the engine is held until
	// the last of them.
	uses            atomic.Int64
	gone            atomic.Bool
	ingress, egress chain

	mu     sync.Mutex
	closed bool
}

// minFrame is an Ethernet header.
const minFrame = 14

// AddDevice makes a device. The caller closes it.
func (e *Engine) AddDevice(cfg DeviceConfig) (*Device, error) {
	if cfg.Name == "" {
		return nil, fmt.Errorf("add device: it has no name: %w", syscall.EINVAL)
	}
	if cfg.Index < 0 || cfg.Index > 1<<31-1 || cfg.MTU < 0 {
		return nil, fmt.Errorf("add device %s: index %d or MTU %d is out of range: %w", cfg.Name, cfg.Index, cfg.MTU, syscall.EINVAL)
	}
	if err := e.acquire("add device " + cfg.Name); err != nil {
		return nil, err
	}
	cfg.HardwareAddr = slices.Clone(cfg.HardwareAddr)
	d := &Device{e: e, cfg: cfg}
	d.uses.Store(1)
	if err := e.devices.add(d); err != nil {
		return nil, errors.Join(fmt.Errorf("add device %s: %w", cfg.Name, err), e.release())
	}
	return d, nil
}

// Name of the device.
func (d *Device) Name() string { return d.cfg.Name }

// NetNS is the namespace the device is in.
func (d *Device) NetNS() string { return d.cfg.NetNS }

// Index is the interface index.
func (d *Device) Index() int { return d.cfg.Index }

// Target is what targets call the device.
func (d *Device) Target() engine.Device {
	return engine.Device{Name: d.cfg.Name, NetNS: d.cfg.NetNS}
}

// SetPeer says that p is the other end of the wire, as of a veth pair: where
// bpf_redirect_peer leads. Nil means that there is none.
func (d *Device) SetPeer(p *Device) { d.peer.Store(p) }

// Close removes the device: its links are detached, and frames that still come
// are dropped. It is safe on nil and twice.
func (d *Device) Close() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.gone.Store(true)
	d.mu.Unlock()
	d.e.devices.remove(d)
	var errs []error
	if a := d.xdp.Load(); a != nil {
		errs = append(errs, a.detach())
	}
	for _, c := range []*chain{&d.ingress, &d.egress} {
		for _, a := range c.close() {
			errs = append(errs, a.detach())
		}
	}
	errs = append(errs, d.leave())
	return errors.Join(errs...)
}

// enter keeps the engine during a call; false once the device is closed.
func (d *Device) enter() bool {
	for !d.gone.Load() {
		n := d.uses.Load()
		if n <= 0 {
			return false
		}
		if d.uses.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (d *Device) leave() error {
	if d.uses.Add(-1) != 0 {
		return nil
	}
	return d.e.release()
}

// exit is leave at the end of a call, where a failure to unmap the engine's
// memory has nobody to hear it.
func (d *Device) exit() { _ = d.leave() }
