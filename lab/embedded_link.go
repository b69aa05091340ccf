package lab

import (
	"net"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// linkEndpoint connects a stack to a device: packets become Ethernet frames
// and back. Checksums are always complete; there is no segmentation offload.
type linkEndpoint struct {
	stack  *embeddedStack
	device *device

	mu         sync.RWMutex
	mac        tcpip.LinkAddress
	mtu        uint32
	dispatcher stack.NetworkDispatcher
}

var _ stack.LinkEndpoint = (*linkEndpoint)(nil)

func newLinkEndpoint(p plug, s *embeddedStack, d *device) *linkEndpoint {
	return &linkEndpoint{stack: s, device: d, mac: tcpip.LinkAddress(p.mac), mtu: uint32(p.mtu)}
}

// scratch holds frames while they are put together; a frame is copied into
// the device's queue before the buffer is used again.
type scratch struct{ b []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// WritePackets queues packets for the device. The stack may hold locks: this
// never calls back.
func (e *linkEndpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	n := 0
	for _, pkt := range pkts.AsSlice() {
		s.b = s.b[:0]
		for _, part := range pkt.AsSlices() {
			s.b = append(s.b, part...)
		}
		e.device.transmit(s.b)
		n++
	}
	return n, nil
}

// inject takes a frame that passed the device's hooks. Unicast frames for
// other stations are dropped, as a host does that is not promiscuous.
func (e *linkEndpoint) inject(frame []byte) {
	e.mu.RLock()
	dispatcher, mac := e.dispatcher, e.mac
	e.mu.RUnlock()
	if dispatcher == nil {
		return
	}
	eth := header.Ethernet(frame)
	dst := eth.DestinationAddress()
	kind := tcpip.PacketHost
	switch {
	case dst == header.EthernetBroadcastAddress:
		kind = tcpip.PacketBroadcast
	case header.IsMulticastEthernetAddress(dst):
		kind = tcpip.PacketMulticast
	case dst != mac:
		return
	}
	if kind == tcpip.PacketHost && e.stack.router && e.stack.forward(frame) {
		return
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
	defer pkt.DecRef()
	pkt.PktType = kind
	if e.ParseHeader(pkt) {
		dispatcher.DeliverNetworkPacket(eth.Type(), pkt)
	}
}

func (e *linkEndpoint) AddHeader(pkt *stack.PacketBuffer) {
	header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize)).Encode(&header.EthernetFields{
		SrcAddr: pkt.EgressRoute.LocalLinkAddress,
		DstAddr: pkt.EgressRoute.RemoteLinkAddress,
		Type:    pkt.NetworkProtocolNumber,
	})
}

func (e *linkEndpoint) ParseHeader(pkt *stack.PacketBuffer) bool {
	_, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	return ok
}

func (e *linkEndpoint) Attach(d stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dispatcher = d
}

func (e *linkEndpoint) IsAttached() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.dispatcher != nil
}

func (e *linkEndpoint) MTU() uint32 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.mtu
}

func (e *linkEndpoint) SetMTU(mtu uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mtu = mtu
}

func (e *linkEndpoint) LinkAddress() tcpip.LinkAddress {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.mac
}

func (e *linkEndpoint) SetLinkAddress(a tcpip.LinkAddress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mac = tcpip.LinkAddress(net.HardwareAddr(a))
}

func (e *linkEndpoint) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityResolutionRequired
}

func (e *linkEndpoint) MaxHeaderLength() uint16                 { return header.EthernetMinimumSize }
func (e *linkEndpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }
func (e *linkEndpoint) Wait()                                   {}
func (e *linkEndpoint) Close()                                  {}
func (e *linkEndpoint) SetOnCloseAction(func())                 {}
