package vm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/packet"
)

// TestRun runs the program as BPF_PROG_TEST_RUN of Linux 6.18 does. Input that
// Linux refuses is refused with the same errno; program types that cannot be
// test-run are a [*NotSupportedError]; what the program does wrong is a
// [*Fault] or [*BudgetError].
func (p *Program) TestRun(in *TestInput) (TestResult, error) {
	if in == nil {
		in = &TestInput{}
	}
	switch t := p.spec.Type; {
	case t == abi.ProgXDP:
		return p.testXDP(in)
	case isSKB(t):
		return p.testSKB(in)
	case t == abi.ProgRawTracepoint || t == abi.ProgRawTracepointWritable:
		return p.testRawTracepoint(in)
	case t == abi.ProgSyscall:
		return p.testSyscall(in)
	case t == abi.ProgSkLookup:
		return p.testSkLookup(in)
	case t == abi.ProgFlowDissector:
		return p.testFlow(in)
	default:
		return TestResult{}, &NotSupportedError{
			Feature: "test run of program type " + t.String(), Reason: "Linux has none either",
		}
	}
}

// refuse is the answer to input that Linux refuses.
func (p *Program) refuse(e syscall.Errno, format string, args ...any) error {
	return fmt.Errorf("test run of %s: %s: %w", p.spec.Name, fmt.Sprintf(format, args...), e)
}

// contextIn copies the context to ctx, which is zero; what user space knows
// beyond it must be zero too.
func (p *Program) contextIn(in *TestInput, ctx []byte) error {
	n := copy(ctx, in.Context)
	if len(bytes.Trim(in.Context[n:], "\x00")) != 0 {
		return p.refuse(syscall.E2BIG, "context of %d bytes has more than zeroes beyond byte %d", len(in.Context), n)
	}
	return nil
}

// repeat runs the program as often as the input says and measures.
func (p *Program) repeat(c *cpu, in *TestInput) (ret uint64, each time.Duration, err error) {
	n := max(in.Repeat, 1)
	start := time.Now()
	out := &c.t.Out
	for range n {
		if out.Clones != nil {
			p.m.drop(out)
		}
		out.Reset()
		if ret, err = c.t.Run(p.i); err != nil {
			p.m.drop(&c.t.Out)
			return 0, 0, p.m.stopped(err)
		}
	}
	each = time.Since(start) / time.Duration(n)
	p.m.drop(&c.t.Out)
	return ret, each, nil
}

// drop gives back the clones of a test run, which go nowhere.
func (m *Machine) drop(out *interp.Outcome) {
	for _, c := range m.clones(out.Clones) {
		c.Packet.Release()
	}
	out.Clones = nil
}

// dataOut copies the packet to where the caller wants it.
func dataOut(in *TestInput, data []byte) []byte {
	if in.NoDataOut {
		return nil
	}
	return append(in.DataOut[:0], data...)
}

// Sizes of the contexts that user space passes.
const (
	sizeXDPMD = 24
	sizeSKB   = 192
	ethHeader = 14
	pageSize  = 4096
)

// testPacket is the packet of a test run, filled with data of which the first
// linear bytes are not in fragments.
func (p *Program) testPacket(data []byte, linear int) (*Packet, error) {
	if frags := (len(data) - linear + pageSize - 1) / pageSize; frags > packet.MaxFrags {
		return nil, p.refuse(syscall.ENOMEM, "%d bytes need more than %d fragments", len(data), packet.MaxFrags)
	}
	if len(data) > MaxPacket {
		return nil, p.refuse(syscall.ENOMEM, "%d bytes do not fit a packet of at most %d", len(data), MaxPacket)
	}
	pk, err := p.m.NewPacket(data)
	if err != nil {
		return nil, err
	}
	pk.b.SetLinear(linear)
	return pk, nil
}

func (p *Program) testXDP(in *TestInput) (TestResult, error) {
	var none TestResult
	if p.spec.AttachType == abi.AttachXDPDevMap || p.spec.AttachType == abi.AttachXDPCPUMap {
		return none, p.refuse(syscall.EINVAL, "programs of device and CPU maps cannot be test-run")
	}
	if in.Flags&abi.FlagTestXDPLiveFrames != 0 {
		return none, &NotSupportedError{Feature: "test run with live frames", Reason: "attach the program to a device of the embedded engine"}
	}
	if in.Flags != 0 {
		return none, p.refuse(syscall.EINVAL, "flags %#x", in.Flags)
	}
	var buf [sizeXDPMD]byte
	ctx := buf[:]
	if err := p.contextIn(in, ctx); err != nil {
		return none, err
	}
	ne := binary.NativeEndian
	linear, meta := len(in.Data), 0
	rx := packet.XDP{IngressIfIndex: loopback}
	if len(in.Context) > 0 {
		data, end := ne.Uint32(ctx), ne.Uint32(ctx[4:])
		switch {
		case ne.Uint32(ctx[8:]) != 0:
			return none, p.refuse(syscall.EINVAL, "context field data_meta must be 0")
		case int64(end) > int64(len(in.Data)) || data > end:
			return none, p.refuse(syscall.EINVAL, "context fields data %d and data_end %d do not describe %d bytes", data, end, len(in.Data))
		case packet.InvalidMetaLen(int(data)) || data > packet.XDPHeadroom-packet.XDPFrame:
			return none, p.refuse(syscall.EINVAL, "metadata of %d bytes", data)
		case ne.Uint32(ctx[20:]) != 0:
			return none, p.refuse(syscall.EINVAL, "context field egress_ifindex must be 0")
		}
		meta, linear = int(data), int(end)
		if err := p.testDevice(&rx, ne.Uint32(ctx[12:]), ne.Uint32(ctx[16:])); err != nil {
			return none, err
		}
	}
	// Metadata is part of the headroom: what the packet loses in front it can
	// be longer behind.
	linear = min(linear, pageSize-(packet.XDPHeadroom-meta)-packet.SharedInfo)
	if len(in.Data)-meta < ethHeader {
		return none, p.refuse(syscall.EINVAL, "%d bytes of packet; an Ethernet header has %d", len(in.Data)-meta, ethHeader)
	}
	pk, err := p.testPacket(in.Data, linear)
	if err != nil {
		return none, err
	}
	defer pk.Release()
	c, err := p.begin()
	if err != nil {
		return none, err
	}
	defer c.release()
	pk.b.SetHeadroom(packet.XDPHeadroom-meta, pageSize)
	pk.b.SetMeta(meta)
	c.xdp = rx
	c.xdp.Buffer = pk.b
	c.t.SetPacket(pk.b, &c.xdp)
	c.t.XDP = &c.xdp
	ret, each, err := p.repeat(c, in)
	redirect := redirectOf(&c.t.Out.Redirect)
	c.t.ClearPacket()
	if err != nil {
		return none, err
	}
	res := TestResult{Return: uint32(ret), Duration: each, Redirect: redirect, Data: dataOut(in, pk.b.WithMeta())}
	if in.WantContext {
		ne.PutUint32(ctx, uint32(pk.b.MetaLen()))
		ne.PutUint32(ctx[4:], uint32(pk.b.MetaLen()+pk.b.Linear()))
		res.Context = bytes.Clone(ctx)
	}
	return res, nil
}

// testDevice sets the device a test run names. Without a network the loopback
// device is the only one, and it has one queue.
func (p *Program) testDevice(x *packet.XDP, ifindex, queue uint32) error {
	if ifindex == 0 {
		if queue != 0 {
			return p.refuse(syscall.EINVAL, "context field rx_queue_index without ingress_ifindex")
		}
		return nil
	}
	if _, ok := p.m.mtu(ifindex); !ok && ifindex != loopback {
		return p.refuse(syscall.ENODEV, "context field ingress_ifindex names device %d", ifindex)
	}
	if ifindex == loopback && queue != 0 {
		return p.refuse(syscall.EINVAL, "context field rx_queue_index %d: the device has one queue", queue)
	}
	x.IngressIfIndex, x.RxQueueIndex = ifindex, queue
	return nil
}

// loopback is the device of test runs that name none.
const loopback = 1
