package lab

import (
	"errors"
	"os/exec"
	"slices"
	"sync"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
)

// embeddedWorld builds a lab in this process.
type embeddedWorld struct {
	eng       *embedded.Engine
	ownEngine bool
	queueLen  int

	mu      sync.Mutex
	stacks  []*embeddedStack
	devices []*device
	index   int
	// byIndex finds devices without a lock for programs that ask about routes.
	byIndex sync.Map // int to *device
}

func (w *embeddedWorld) engine() engine.Engine { return w.eng }

func (w *embeddedWorld) newStack(name string, router bool) (netStack, error) {
	s, err := newEmbeddedStack(name, router)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stacks = append(w.stacks, s)
	return s, nil
}

func (w *embeddedWorld) newSwitch(name string) (fabric, error) {
	return newEmbeddedSwitch(name), nil
}

func (w *embeddedWorld) connect(a, b plug) (wire, error) {
	k := &embeddedWire{world: w}
	for end, p := range []plug{a, b} {
		d, err := w.addDevice(p)
		if err != nil {
			return nil, errors.Join(err, k.close())
		}
		k.ends[end] = d
	}
	for end, d := range k.ends {
		d.peer, d.end = k.ends[1-end], end
		d.hooks.SetPeer(d.peer.hooks)
	}
	for end, p := range []plug{a, b} {
		if err := k.ends[end].open(p); err != nil {
			return nil, errors.Join(err, k.close())
		}
	}
	return k, nil
}

func (w *embeddedWorld) addDevice(p plug) (*device, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.index++
	d := newDevice(p, w.index, w.queueLen)
	var err error
	d.hooks, err = w.eng.AddDevice(embedded.DeviceConfig{
		Name: p.dev, NetNS: d.netns, Index: w.index, MTU: p.mtu, HardwareAddr: p.mac,
		Send: d.send, Deliver: d.deliver,
	})
	if err != nil {
		return nil, err
	}
	w.devices = append(w.devices, d)
	w.byIndex.Store(d.index, d)
	return d, nil
}

// close stops the devices first, so that no frame enters a closing stack.
func (w *embeddedWorld) close() error {
	w.mu.Lock()
	devices, stacks := w.devices, w.stacks
	w.devices, w.stacks = nil, nil
	w.mu.Unlock()
	var errs []error
	for _, d := range devices {
		errs = append(errs, d.close())
	}
	for _, s := range stacks {
		s.close()
	}
	if w.ownEngine {
		errs = append(errs, w.eng.Close())
	}
	return errors.Join(errs...)
}

// embeddedWire is two devices that send to each other.
type embeddedWire struct {
	world *embeddedWorld
	ends  [2]*device
}

func (k *embeddedWire) device(end int) engine.Device {
	d := k.ends[end]
	return engine.Device{Name: d.name, NetNS: d.netns}
}

func (k *embeddedWire) stats(end int) (DeviceStats, error) { return k.ends[end].stats(), nil }

func (k *embeddedWire) close() error {
	var errs []error
	w := k.world
	for _, d := range k.ends {
		if d == nil {
			continue
		}
		w.mu.Lock()
		w.devices = slices.DeleteFunc(w.devices, func(x *device) bool { return x == d })
		w.mu.Unlock()
		w.byIndex.Delete(d.index)
		errs = append(errs, d.close())
	}
	return errors.Join(errs...)
}

// tapQueue bounds what waits to be captured on one link, in frames.
const tapQueue = 16384

func (k *embeddedWire) tap(deliver func(f tapped)) (func() (uint64, error), error) {
	q := newQueue(tapQueue, true)
	for _, d := range k.ends {
		d.addTap(q)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for f, ok := q.pop(nil); ok; f, ok = q.pop(f.data) {
			deliver(tapped{from: f.tag, at: f.at, data: f.data, size: len(f.data)})
		}
	}()
	return func() (uint64, error) {
		for _, d := range k.ends {
			d.removeTap(q)
		}
		q.close()
		<-done
		return q.drops(), nil
	}, nil
}

// notInside is the answer to what only a network namespace can do.
func notInside(what string) error {
	return &engine.NotSupportedError{
		Feature: what,
		Reason:  "the lab's hosts are TCP/IP stacks inside this process",
		Remedy:  "a lab in the kernel world (root on Linux)",
	}
}

func (s *embeddedStack) do(func() error) error { return notInside("run a function inside a host") }
func (s *embeddedStack) start(*exec.Cmd) error { return notInside("run a command inside a host") }
