package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// kernelWire is a veth pair.
type kernelWire struct {
	at    [2]*kernelStack
	dev   [2]string
	index [2]int
}

// connect makes the pair with each end in its namespace from the first moment
// on: the caller's own namespace never sees either.
func (w *kernelWorld) connect(a, b plug) (wire, error) {
	k := &kernelWire{}
	for end, p := range []plug{a, b} {
		k.at[end], k.dev[end] = spaceOf(p), p.dev
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = a.dev, a.mtu, a.mac
	// Where both ends have the same index Linux takes a pair for a single
	// device that is in no hurry and may leave it without a queue for a
	// second after its carrier is on (linkwatch).
	attrs.Index = int(w.pairs.Add(1)) + 1<<16
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: b.dev, PeerHardwareAddr: b.mac, PeerMTU: uint32(b.mtu),
		PeerNamespace: netlink.NsFd(k.at[1].ns.fd),
	}
	if err := k.at[0].nl.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("make veth pair %s and %s: %w", a.dev, b.dev, err)
	}
	for end := range k.at {
		if err := k.raise(end, w.offload); err != nil {
			return nil, errors.Join(fmt.Errorf("set up %s in %s: %w", k.dev[end], k.at[end].name, err), k.close())
		}
	}
	if err := k.await(); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

// await waits until both ends can send. Frames that leave before are dropped.
func (k *kernelWire) await() error {
	deadline := time.Now().Add(5 * time.Second)
	for end := 0; end < 2; {
		link, err := k.at[end].nl.LinkByIndex(k.index[end])
		switch {
		case err != nil:
			return err
		case link.Attrs().OperState == netlink.OperUp:
			end++
		case time.Now().After(deadline):
			return fmt.Errorf("raise %s in %s: its state is still %s", k.dev[end], k.at[end].name, link.Attrs().OperState)
		default:
			time.Sleep(200 * time.Microsecond)
		}
	}
	return nil
}

func spaceOf(p plug) *kernelStack {
	if p.stack != nil {
		return p.stack.(*kernelStack)
	}
	return p.sw.(*kernelStack)
}

func (k *kernelWire) raise(end int, offload bool) error {
	s := k.at[end]
	link, err := s.nl.LinkByName(k.dev[end])
	if err != nil {
		return err
	}
	k.index[end] = link.Attrs().Index
	s.index[k.dev[end]] = k.index[end]
	if err := s.nl.LinkSetIP6AddrGenMode(link, addrGenNone); err != nil {
		return err
	}
	if err := s.offloads(link, offload); err != nil {
		return err
	}
	if s.bridge != nil {
		if err := s.nl.LinkSetMasterByIndex(link, s.bridge.Attrs().Index); err != nil {
			return err
		}
	}
	return s.nl.LinkSetUp(link)
}

// offloads sets a device up for programs. Receive offload (GRO) makes veth
// poll like a network card: native XDP attaches without a pause and frames
// that programs redirect into the pair arrive without an XDP program there
// (Linux 5.13; frames of XDP_TX wait until something else wakes the receiver).
// Unless offloads are wanted, nothing is merged, segmented late or left
// without its checksum.
func (s *kernelStack) offloads(link netlink.Link, offload bool) error {
	name := link.Attrs().Name
	if err := ethtool(s.ctl, name, unix.ETHTOOL_SGRO, 1); err != nil {
		return fmt.Errorf("enable GRO: %w", err)
	}
	if offload {
		return nil
	}
	for _, x := range []struct {
		what string
		cmd  uint32
	}{
		{"segmentation offload", unix.ETHTOOL_STSO},
		{"generic segmentation offload", unix.ETHTOOL_SGSO},
		{"transmit checksum offload", unix.ETHTOOL_STXCSUM},
	} {
		if err := ethtool(s.ctl, name, x.cmd, 0); err != nil {
			return fmt.Errorf("disable %s: %w", x.what, err)
		}
	}
	if err := s.nl.LinkSetGSOMaxSegs(link, 1); err != nil {
		return fmt.Errorf("limit segments: %w", err)
	}
	// Packets larger than this are never merged.
	if err := s.nl.LinkSetGROMaxSize(link, 1); err != nil {
		return fmt.Errorf("limit GRO: %w", err)
	}
	return nil
}

func (k *kernelWire) device(end int) engine.Device {
	return engine.Device{Name: k.dev[end], NetNS: k.at[end].ns.path}
}

func (k *kernelWire) stats(end int) (DeviceStats, error) {
	// A closed handle would ask outside.
	at := k.at[end]
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.closed {
		return DeviceStats{}, engine.ErrClosed
	}
	link, err := at.nl.LinkByIndex(k.index[end])
	if err != nil {
		return DeviceStats{}, err
	}
	s := link.Attrs().Statistics
	if s == nil {
		return DeviceStats{}, errors.New("the kernel sent none")
	}
	return DeviceStats{
		SentPackets: s.TxPackets, SentBytes: s.TxBytes,
		ReceivedPackets: s.RxPackets, ReceivedBytes: s.RxBytes,
		Dropped: s.TxDropped + s.RxDropped,
	}, nil
}

// close removes the pair: both ends go with either.
func (k *kernelWire) close() error {
	link, err := k.at[0].nl.LinkByName(k.dev[0])
	if err != nil {
		return err
	}
	return k.at[0].nl.LinkDel(link)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
