package embedded

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// devices finds devices by name and index. Packets look them up without a lock.
type devices struct {
	table atomic.Pointer[deviceTable]

	mu     sync.Mutex // of writers
	last   int
	closed bool
}

// deviceTable is replaced as a whole.
type deviceTable struct {
	byName  map[deviceName]*Device
	byIndex map[deviceIndex]*Device
	// anywhere finds a device by index alone: programs know no namespaces.
	anywhere map[uint32]*Device
}

type deviceName struct{ netns, name string }

type deviceIndex struct {
	netns string
	index uint32
}

func (t *deviceTable) clone() *deviceTable {
	if t == nil {
		return &deviceTable{map[deviceName]*Device{}, map[deviceIndex]*Device{}, map[uint32]*Device{}}
	}
	return &deviceTable{maps.Clone(t.byName), maps.Clone(t.byIndex), maps.Clone(t.anywhere)}
}

func (ds *devices) add(d *Device) error {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.closed {
		return engine.ErrClosed
	}
	t := ds.table.Load().clone()
	name := deviceName{d.cfg.NetNS, d.cfg.Name}
	if _, taken := t.byName[name]; taken {
		return fmt.Errorf("the name is taken: %w", errPinExists)
	}
	if d.cfg.Index == 0 {
		for d.cfg.Index = ds.last + 1; t.anywhere[uint32(d.cfg.Index)] != nil; d.cfg.Index++ {
		}
		ds.last = d.cfg.Index
	}
	index := deviceIndex{d.cfg.NetNS, uint32(d.cfg.Index)}
	if _, taken := t.byIndex[index]; taken {
		return fmt.Errorf("index %d is taken: %w", d.cfg.Index, errPinExists)
	}
	t.byName[name], t.byIndex[index] = d, d
	if t.anywhere[index.index] == nil {
		t.anywhere[index.index] = d
	}
	ds.table.Store(t)
	return nil
}

func (ds *devices) remove(d *Device) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	t := ds.table.Load().clone()
	index := deviceIndex{d.cfg.NetNS, uint32(d.cfg.Index)}
	if t.byIndex[index] != d {
		return
	}
	delete(t.byName, deviceName{d.cfg.NetNS, d.cfg.Name})
	delete(t.byIndex, index)
	if t.anywhere[index.index] == d {
		delete(t.anywhere, index.index)
		for i, other := range t.byIndex {
			if i.index == index.index {
				t.anywhere[index.index] = other
			}
		}
	}
	ds.table.Store(t)
}

// find resolves a target's device.
func (ds *devices) find(t engine.Device) (*Device, error) {
	if tab := ds.table.Load(); tab != nil {
		d := tab.byName[deviceName{t.NetNS, t.Name}]
		if t.Name == "" && t.Index > 0 {
			d = tab.byIndex[deviceIndex{t.NetNS, uint32(t.Index)}]
		}
		if d != nil {
			return d, nil
		}
	}
	return nil, fmt.Errorf("device %s: %w", t, engine.Errno(engine.ErrNotExist, syscall.ENODEV))
}

// at is the device that a program in netns calls ifindex, or nil.
func (ds *devices) at(netns string, ifindex uint32) *Device {
	if tab := ds.table.Load(); tab != nil {
		return tab.byIndex[deviceIndex{netns, ifindex}]
	}
	return nil
}

// closeAll closes all devices, for good.
func (ds *devices) closeAll() {
	ds.mu.Lock()
	ds.closed = true
	t := ds.table.Load()
	ds.mu.Unlock()
	if t == nil {
		return
	}
	for _, d := range t.byIndex {
		_ = d.Close() // what could fail, the engine's own end, is still to come
	}
}

// network answers what programs ask about the world around a packet.
type network struct{ e *Engine }

var _ vm.Network = network{}

// MTU of the device with that index.
func (n network) MTU(ifindex uint32) (int, bool) {
	tab := n.e.devices.table.Load()
	if tab == nil {
		return 0, false
	}
	d := tab.anywhere[ifindex]
	if d == nil {
		return 0, false
	}
	if d.cfg.MTU == 0 {
		return vm.MaxPacket - minFrame, true
	}
	return d.cfg.MTU, true
}

// fibNotFound is BPF_FIB_LKUP_RET_NOT_FWDED.
const fibNotFound = 4

// FIB answers a routing question.
func (n network) FIB(q *vm.FIBQuery) int {
	if n.e.cfg.FIB == nil {
		return fibNotFound
	}
	return n.e.cfg.FIB(q)
}
