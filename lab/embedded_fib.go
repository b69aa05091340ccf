package lab

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/vm"
)

// view is what programs may ask about a host's routing (bpf_fib_lookup,
// bpf_redirect_neigh). It is replaced as a whole, so asking takes no lock that
// the stack below could hold.
type view struct {
	hops  []hop // longest prefix first
	local []netip.Addr
	near  map[nearKey][6]byte
}

type hop struct {
	dst netip.Prefix
	via netip.Addr // zero: reachable directly
	out *device
}

type nearKey struct {
	on   *device
	addr netip.Addr
}

func (v *view) sort() {
	slices.SortStableFunc(v.hops, func(a, b hop) int { return cmp.Compare(b.dst.Bits(), a.dst.Bits()) })
}

// to finds the way to dst.
func (v *view) to(dst netip.Addr) (hop, bool) {
	for _, h := range v.hops {
		if h.dst.Contains(dst) {
			return h, true
		}
	}
	return hop{}, false
}

// neighbor answers bpf_redirect_neigh: the hardware address of next on d.
func (w *embeddedWorld) neighbor(d *embedded.Device, next netip.Addr) (net.HardwareAddr, bool) {
	x, ok := w.byIndex.Load(d.Index())
	if !ok || x.(*device).host == nil {
		return nil, false
	}
	dev := x.(*device)
	mac, ok := dev.host.view.Load().near[nearKey{dev, next}]
	return mac[:], ok
}

// fib answers bpf_fib_lookup like bpf_ipv4_fib_lookup and bpf_ipv6_fib_lookup
// of net/core/filter.c (Linux 6.18). Neighbours count as resolved.
func (w *embeddedWorld) fib(q *vm.FIBQuery) int {
	x, ok := w.byIndex.Load(int(q.IfIndex))
	if !ok {
		return -errnoNoDevice
	}
	dev := x.(*device)
	if dev.host == nil || !dev.host.router && q.Flags&abi.FIBLookupOutput == 0 {
		return abi.FIBLkupRetFwdDisabled
	}
	v := dev.host.view.Load()
	if slices.Contains(v.local, q.Dst) {
		return abi.FIBLkupRetNotFwded
	}
	h, ok := v.to(q.Dst)
	if !ok {
		return abi.FIBLkupRetNotFwded
	}
	q.OutIfIndex, q.MTU, q.NextHop = uint32(h.out.index), uint16(h.out.mtu), q.Dst
	if h.via.IsValid() {
		q.NextHop = h.via
	}
	if q.TotalLen > 0 && int(q.TotalLen) > h.out.mtu {
		return abi.FIBLkupRetFragNeeded
	}
	if q.Flags&abi.FIBLookupSrc != 0 {
		i := slices.IndexFunc(v.local, func(a netip.Addr) bool { return a.Is4() == q.Dst.Is4() })
		if i < 0 {
			return abi.FIBLkupRetNoSrcAddr
		}
		q.Src = v.local[i]
	}
	if q.Flags&abi.FIBLookupSkipNeigh != 0 {
		return abi.FIBLkupRetSuccess
	}
	mac, ok := v.near[nearKey{h.out, q.NextHop}]
	if !ok {
		return abi.FIBLkupRetNoNeigh
	}
	q.SrcMAC, q.DstMAC = h.out.mac, mac
	return abi.FIBLkupRetSuccess
}

// errnoNoDevice is Linux's ENODEV, on any system.
const errnoNoDevice = 19
