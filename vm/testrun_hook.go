package vm

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/packet"
)

// Families of addresses, of Linux.
const (
	familyIP   = 2
	familyIPv6 = 10
)

// eAFNoSupport is Linux's EAFNOSUPPORT.
const eAFNoSupport = syscall.Errno(97)

// testSkLookup is bpf_prog_test_run_sk_lookup. Without a socket to choose a
// program can only pass or drop.
func (p *Program) testSkLookup(in *TestInput) (TestResult, error) {
	var none TestResult
	switch {
	case in.Flags != 0 || in.CPU != 0:
		return none, p.refuse(syscall.EINVAL, "flags %#x, CPU %d", in.Flags, in.CPU)
	case len(in.Data) != 0 || len(in.DataOut) != 0:
		return none, p.refuse(syscall.EINVAL, "socket lookups take a context only")
	case len(in.Context) == 0:
		return none, p.refuse(syscall.EINVAL, "socket lookups need a context")
	}
	ctx := make([]byte, sizeSkLookup)
	if err := p.contextIn(in, ctx); err != nil {
		return none, err
	}
	port := binary.NativeEndian.Uint32(ctx[skLookupLocal:])
	switch family := binary.NativeEndian.Uint32(ctx[skLookupFamily:]) & 0xffff; {
	case binary.NativeEndian.Uint64(ctx) != 0:
		return none, p.refuse(syscall.EINVAL, "context field sk must be 0")
	case len(bytes.Trim(ctx[skLookupAfter:], "\x00")) != 0:
		return none, p.refuse(syscall.EINVAL, "context field ingress_ifindex must be 0")
	case port > math.MaxUint16:
		return none, p.refuse(syscall.ERANGE, "context field local_port %d", port)
	case family != familyIP && family != familyIPv6:
		return none, p.refuse(eAFNoSupport, "context field family %d", family)
	}
	c, err := p.begin()
	if err != nil {
		return none, err
	}
	defer c.release()
	c.hook = packet.Structure{Layout: abi.ContextOf(abi.ProgSkLookup, 0, runtime.GOARCH), Mem: ctx}
	c.t.SetPacket(nil, (*skLookup)(&c.hook))
	ret, each, err := p.repeat(c, in)
	c.t.ClearPacket()
	c.hook = packet.Structure{}
	if err != nil {
		return none, err
	}
	const pass, drop = 1, 0
	res := TestResult{Return: drop, Duration: each}
	if ret == pass {
		res.Return = pass
	}
	if in.WantContext {
		res.Context = ctx
	}
	return res, nil
}

// sizeFlowKeys is sizeof(struct bpf_flow_keys); its fields that a run begins
// with.
const (
	sizeFlowKeys   = 56
	flowNetwork    = 0  // nhoff
	flowTransport  = 2  // thoff
	flowProtocol   = 10 // n_proto, network byte order
	flowFlags      = 48 // flags
	flowFlagsAfter = 52
)

// testFlow is bpf_prog_test_run_flow_dissector: what comes out are the keys.
func (p *Program) testFlow(in *TestInput) (TestResult, error) {
	var none TestResult
	switch {
	case in.Flags != 0 || in.CPU != 0:
		return none, p.refuse(syscall.EINVAL, "flags %#x, CPU %d", in.Flags, in.CPU)
	case len(in.Data) < ethHeader:
		return none, p.refuse(syscall.EINVAL, "%d bytes of packet; an Ethernet header has %d", len(in.Data), ethHeader)
	case len(in.Data) > pageSize-packet.SKBHeadroom-packet.SharedInfo && len(in.Data) > pageSize:
		return none, p.refuse(syscall.EINVAL, "%d bytes of packet do not fit a page", len(in.Data))
	}
	user := make([]byte, sizeFlowKeys)
	if err := p.contextIn(in, user); err != nil {
		return none, err
	}
	flags := binary.NativeEndian.Uint32(user[flowFlags:])
	if len(bytes.Trim(user[:flowFlags], "\x00")) != 0 || len(bytes.Trim(user[flowFlagsAfter:], "\x00")) != 0 {
		return none, p.refuse(syscall.EINVAL, "of the context only flags may be set")
	}
	pk, err := p.testPacket(in.Data, len(in.Data))
	if err != nil {
		return none, err
	}
	defer pk.Release()
	c, err := p.begin()
	if err != nil {
		return none, err
	}
	defer c.release()
	keys, at := c.t.SetSide(sizeFlowKeys)
	c.hook = packet.Structure{
		Layout: abi.ContextOf(abi.ProgFlowDissector, 0, runtime.GOARCH), Mem: make([]byte, sizeSKB),
		Data: pk.b.DataPtr(), End: pk.b.EndPtr(), Keys: at,
	}
	c.t.SetPacket(pk.b, &c.hook)
	once := *in
	once.Repeat = 1
	var res TestResult
	for range max(in.Repeat, 1) {
		clear(keys)
		binary.NativeEndian.PutUint16(keys[flowNetwork:], ethHeader)
		binary.NativeEndian.PutUint16(keys[flowTransport:], ethHeader)
		copy(keys[flowProtocol:flowProtocol+2], in.Data[12:14])
		binary.NativeEndian.PutUint32(keys[flowFlags:], flags)
		var ret uint64
		if ret, res.Duration, err = p.repeat(c, &once); err != nil {
			break
		}
		res.Return = uint32(ret)
		clampOffset(keys[flowNetwork:], len(in.Data))
		clampOffset(keys[flowTransport:], len(in.Data), int(binary.NativeEndian.Uint16(keys[flowNetwork:])))
	}
	res.Data = dataOut(in, keys)
	c.t.ClearPacket()
	c.hook = packet.Structure{}
	if err != nil {
		return none, err
	}
	if in.WantContext {
		res.Context = user
	}
	return res, nil
}

// clampOffset keeps an offset in the packet of n bytes, not before any of least,
// nor before the network header that the run began with.
func clampOffset(b []byte, n int, least ...int) {
	v := max(int(binary.NativeEndian.Uint16(b)), ethHeader)
	for _, l := range least {
		v = max(v, l)
	}
	binary.NativeEndian.PutUint16(b, uint16(min(v, n)))
}
