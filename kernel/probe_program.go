//go:build linux

package kernel

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// Objects that probes load where a few instructions will not do (sources beside
// them).
var (
	//go:embed probeobj/congestion.bpf.o
	congestionObject []byte
	//go:embed probeobj/freplace.bpf.o
	freplaceObject []byte
	//go:embed probeobj/extension.bpf.o
	extensionObject []byte
)

// returning is the code of a program that returns v.
func returning(v int32) asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, v), asm.Return()}
}

// quietFunction is a function of kernels with BTF that nobody calls but test
// runs of tracing programs (net/bpf/test_run.c, Linux 5.5).
const quietFunction = "bpf_fentry_test1"

// smallest is the smallest program of a type that a verifier accepts; nil for
// types that need an object.
func smallest(t ebpf.ProgramType) *ebpf.ProgramSpec {
	s := &ebpf.ProgramSpec{Name: "probe", Type: t, License: "GPL", Instructions: returning(0)}
	switch t {
	case ebpf.CGroupSockAddr:
		s.AttachType, s.Instructions = ebpf.AttachCGroupInet4Connect, returning(1)
	case ebpf.CGroupSock:
		s.AttachType, s.Instructions = ebpf.AttachCGroupInetSockCreate, returning(1)
	case ebpf.CGroupSockopt:
		s.AttachType, s.Instructions = ebpf.AttachCGroupGetsockopt, returning(1)
	case ebpf.SkLookup:
		s.AttachType, s.Instructions = ebpf.AttachSkLookup, returning(1)
	case ebpf.SkReuseport:
		s.AttachType = ebpf.AttachSkReuseportSelect
	case ebpf.Netfilter:
		s.AttachType, s.Instructions = ebpf.AttachNetfilter, returning(1)
	case ebpf.Tracing:
		s.AttachType, s.AttachTo = ebpf.AttachTraceRawTp, "sched_switch"
	case ebpf.LSM:
		s.AttachType, s.AttachTo = ebpf.AttachLSMMac, "syslog"
	case ebpf.StructOps:
		s.AttachType, s.AttachTo = ebpf.AttachStructOps, "tcp_congestion_ops:ssthresh"
	case ebpf.Syscall:
		s.Flags = unix.BPF_F_SLEEPABLE
	case ebpf.Extension:
		return nil
	}
	return s
}

// built names the kernel option that program types need beyond CONFIG_BPF_SYSCALL.
func built(t ebpf.ProgramType) string {
	switch t {
	case ebpf.LircMode2:
		return "a kernel with CONFIG_BPF_LIRC_MODE2"
	case ebpf.Netfilter:
		return "Linux 6.4 with CONFIG_NETFILTER_BPF_LINK"
	case ebpf.LSM:
		return "a kernel with CONFIG_BPF_LSM, BTF and bpf among the lsm= of its command line"
	case ebpf.Extension:
		return trampoline
	case ebpf.Tracing, ebpf.StructOps:
		return "a kernel with BTF (CONFIG_DEBUG_INFO_BTF)"
	case ebpf.Kprobe, ebpf.TracePoint, ebpf.PerfEvent, ebpf.RawTracepoint, ebpf.RawTracepointWritable:
		return "a kernel with CONFIG_BPF_EVENTS"
	case ebpf.CGroupSKB, ebpf.CGroupSock, ebpf.CGroupSockAddr, ebpf.CGroupSockopt, ebpf.CGroupSysctl, ebpf.CGroupDevice, ebpf.SockOps:
		return "a kernel with CONFIG_CGROUP_BPF"
	case ebpf.LWTIn, ebpf.LWTOut, ebpf.LWTXmit, ebpf.LWTSeg6Local:
		return "a kernel with CONFIG_LWTUNNEL_BPF"
	case ebpf.SkMsg, ebpf.SkSKB:
		return "a kernel with CONFIG_BPF_STREAM_PARSER"
	}
	return "a newer kernel"
}

// probeProgram loads the smallest program of the type.
func (e *Engine) probeProgram(ctx context.Context, t ebpf.ProgramType) error {
	coll, err := e.probeLoad(ctx, t)
	if err != nil {
		return err
	}
	return coll.Close()
}

// probeLoad loads the smallest program of the type as "probe".
func (e *Engine) probeLoad(ctx context.Context, t ebpf.ProgramType) (*engine.Collection, error) {
	if t == ebpf.Extension {
		return e.probeExtension(ctx)
	}
	coll, err := e.loadOne(ctx, smallest(t))
	if err != nil {
		return nil, absent("program type "+t.String(), built(t), err)
	}
	return coll, nil
}

// loadOne loads a single program.
func (e *Engine) loadOne(ctx context.Context, p *ebpf.ProgramSpec) (*engine.Collection, error) {
	return e.Load(ctx, &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{p.Name: p}}, nil)
}

// loadObject loads an embedded object.
func (e *Engine) loadObject(ctx context.Context, object []byte, opts *engine.LoadOptions) (*engine.Collection, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("BUG: embedded object: %w", err)
	}
	return e.Load(ctx, spec, opts)
}

// probeExtension loads a program and one that replaces its function. The
// returned collection owns both; "probe" is the replacement.
func (e *Engine) probeExtension(ctx context.Context) (*engine.Collection, error) {
	victim, err := e.loadObject(ctx, freplaceObject, nil)
	if err != nil {
		return nil, absent("program type "+ebpf.Extension.String(), built(ebpf.Extension), err)
	}
	coll, err := e.loadObject(ctx, extensionObject, &engine.LoadOptions{
		AttachTo: map[string]engine.Program{"drop": victim.Programs["guarded"]},
	})
	if err != nil {
		victim.Close()
		return nil, absent("program type "+ebpf.Extension.String(), built(ebpf.Extension), err)
	}
	coll.Programs["probe"] = coll.Programs["drop"]
	delete(coll.Programs, "drop")
	coll.Owned = append(coll.Owned, victim)
	return coll, nil
}

// absent makes of a failed try an answer: missing rights stay what they are,
// everything else is not there.
func absent(feature, remedy string, err error) error {
	if errors.Is(err, engine.ErrPermission) && !errors.Is(err, engine.ErrNotSupported) {
		return err
	}
	var already *engine.NotSupportedError
	if errors.As(err, &already) {
		return notSupported(feature, already.Reason, remedy, already.Err)
	}
	return notSupported(feature, "this kernel refuses it", remedy, bare(err))
}
