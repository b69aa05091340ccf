//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// probeAttach is the table of tries, one per kind.
func (e *Engine) probeAttach(ctx context.Context, kind engine.AttachKind) error {
	tries := map[engine.AttachKind]func(context.Context) error{
		engine.KindXDP:           func(ctx context.Context) error { return e.probeXDP(ctx, engine.XDPAuto) },
		engine.KindTCX:           e.probeTCX,
		engine.KindNetkit:        e.probeNetkit,
		engine.KindCgroup:        e.probeCgroup,
		engine.KindSkLookup:      e.probeInNetNS(smallest(ebpf.SkLookup), engine.SkLookup{}),
		engine.KindFlowDissector: e.probeInNetNS(smallest(ebpf.FlowDissector), engine.FlowDissector{}),
		engine.KindSockMap:       e.probeSockMap,
		engine.KindSocketFilter:  e.probeSocketFilter,
		engine.KindSkReuseport:   e.probeSkReuseport,
		engine.KindTracepoint:    e.probeOn(smallest(ebpf.TracePoint), engine.Tracepoint{Group: "sched", Name: "sched_process_exec"}),
		engine.KindRawTracepoint: e.probeOn(smallest(ebpf.RawTracepoint), engine.RawTracepoint{Name: "sched_process_exec"}),
		engine.KindKprobe:        e.probeOn(smallest(ebpf.Kprobe), engine.Kprobe{Symbol: quietFunction}),
		engine.KindKprobeMulti:   e.probeOn(multi(ebpf.AttachTraceKprobeMulti), engine.KprobeMulti{Symbols: []string{quietFunction}}),
		engine.KindUprobe:        e.probeUprobe,
		engine.KindUprobeMulti:   e.probeUprobeMulti,
		engine.KindUSDT:          e.probeUSDT,
		engine.KindTracing:       e.probeOn(fentry(), engine.Tracing{}),
		engine.KindLSM:           e.probeOn(smallest(ebpf.LSM), engine.LSM{}),
		engine.KindPerfEvent: e.probeOn(smallest(ebpf.PerfEvent), engine.PerfEvent{
			Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, PID: os.Getpid(), CPU: -1, Period: 1 << 40,
		}),
		engine.KindIterator:  e.probeOn(iterator(), engine.Iterator{}),
		engine.KindNetfilter: e.probeInNetNS(smallest(ebpf.Netfilter), engine.Netfilter{Protocol: unix.NFPROTO_IPV4, Hook: 3, Priority: 1}),
		engine.KindStructOps: e.probeStructOps,
		engine.KindFreplace:  e.probeFreplace,
		engine.KindLWT: e.probeInNetNS(smallest(ebpf.LWTXmit), engine.LWT{
			Device: engine.Device{Name: probeDevice}, Destination: "192.0.2.0/24", Point: "xmit",
		}),
		engine.KindLirc: e.probeLirc,
	}
	try, ok := tries[kind]
	if !ok {
		return notSupported("attach "+string(kind), "the kernel engine does not know this kind", "", nil)
	}
	return attachAnswer(kind, try(ctx))
}

// attachAnswer makes of a try's outcome an answer.
func attachAnswer(kind engine.AttachKind, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, engine.ErrPermission) && !errors.Is(err, engine.ErrNotSupported) {
		return err
	}
	var no *engine.NotSupportedError
	if errors.As(err, &no) {
		return notSupported("attach "+string(kind), no.Feature+": "+no.Reason, no.Remedy, no.Err)
	}
	return notSupported("attach "+string(kind), "this kernel refuses it", "", bare(err))
}

// try loads spec, attaches it to t and takes it away again.
func (e *Engine) try(ctx context.Context, spec *ebpf.ProgramSpec, t engine.Target) error {
	coll, err := e.loadOne(ctx, spec)
	if err != nil {
		return absent("program type "+spec.Type.String(), built(spec.Type), err)
	}
	defer coll.Close()
	return e.tryAttach(coll.Programs[spec.Name], t)
}

func (e *Engine) tryAttach(p engine.Program, t engine.Target) error {
	l, err := e.Attach(p, t)
	if err != nil {
		return err
	}
	return l.Close()
}

// probeOn is a try on a target that is there anyway, and where the program does
// nothing.
func (e *Engine) probeOn(spec *ebpf.ProgramSpec, t engine.Target) func(context.Context) error {
	return func(ctx context.Context) error { return e.try(ctx, spec, t) }
}

// probeInNetNS is a try in a network namespace of its own.
func (e *Engine) probeInNetNS(spec *ebpf.ProgramSpec, t engine.Target) func(context.Context) error {
	return func(ctx context.Context) error {
		return inProbeNetNS(func() error { return e.try(ctx, spec, t) })
	}
}

func multi(at ebpf.AttachType) *ebpf.ProgramSpec {
	s := smallest(ebpf.Kprobe)
	s.AttachType = at
	return s
}

func fentry() *ebpf.ProgramSpec {
	s := smallest(ebpf.Tracing)
	s.AttachType, s.AttachTo = ebpf.AttachTraceFEntry, quietFunction
	return s
}

func iterator() *ebpf.ProgramSpec {
	s := smallest(ebpf.Tracing)
	s.AttachType, s.AttachTo = ebpf.AttachTraceIter, "task"
	return s
}

func (e *Engine) probeXDP(ctx context.Context, mode engine.XDPMode) error {
	spec := smallest(ebpf.XDP)
	return inProbeNetNS(func() error {
		return e.try(ctx, spec, engine.XDP{Device: engine.Device{Name: probeDevice}, Mode: mode})
	})
}

func (e *Engine) probeTCX(ctx context.Context) error {
	return inProbeNetNS(func() error {
		return e.try(ctx, smallest(ebpf.SchedCLS), engine.TCX{Device: engine.Device{Name: probeDevice}})
	})
}

func (e *Engine) probeNetkit(ctx context.Context) error {
	return inProbeNetNS(func() error {
		const name, peer = "skep2", "skep3"
		nk := &netlink.Netkit{LinkAttrs: netlink.LinkAttrs{Name: name}}
		nk.SetPeerAttrs(&netlink.LinkAttrs{Name: peer})
		if err := netlink.LinkAdd(nk); err != nil {
			return notSupported("netkit devices", "the kernel cannot make a pair to try on", "Linux 6.7 with CONFIG_NETKIT", err)
		}
		return e.try(ctx, smallest(ebpf.SchedCLS), engine.Netkit{Device: engine.Device{Name: name}})
	})
}

// probeCgroup tries on an empty cgroup below the process's own.
func (e *Engine) probeCgroup(ctx context.Context) error {
	roots, err := mountsOf("cgroup2")
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		return notSupported("cgroup version 2", "it is not mounted", "mount -t cgroup2 cgroup2 /sys/fs/cgroup", nil)
	}
	dir, err := os.MkdirTemp(filepath.Join(roots[0], ownCgroup()), "skep-probe-")
	if errors.Is(err, fs.ErrNotExist) {
		dir, err = os.MkdirTemp(roots[0], "skep-probe-")
	}
	if isPermission(err) && !effectiveCapabilities().has(capBPF) {
		return permission("make a cgroup to try on", err, capBPF, capNetAdmin, capSysAdmin)
	}
	if err != nil {
		return notSupported("cgroup to try on", "none can be made below "+roots[0], "a delegated cgroup (systemd-run --user --scope -p Delegate=yes), or root", err)
	}
	defer unix.Rmdir(dir)
	spec := smallest(ebpf.CGroupSKB)
	spec.Instructions = returning(1)
	return e.try(ctx, spec, engine.Cgroup{Path: dir})
}

// ownCgroup is the process's place in cgroup version 2, "/" if unknown.
func ownCgroup() string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "/"
	}
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path
		}
	}
	return "/"
}

func (e *Engine) probeSockMap(ctx context.Context) error {
	m, err := e.NewMap(smallestMap(ebpf.SockMap))
	if err != nil {
		return absent("map type "+ebpf.SockMap.String(), "a kernel with CONFIG_BPF_STREAM_PARSER", err)
	}
	defer m.Close()
	spec := smallest(ebpf.SkMsg)
	spec.AttachType = ebpf.AttachSkMsgVerdict
	return e.try(ctx, spec, engine.SockMap{Map: m})
}

func (e *Engine) probeSocketFilter(ctx context.Context) error {
	return withSocket(func(c *net.UDPConn) error {
		return e.try(ctx, smallest(ebpf.SocketFilter), engine.SocketFilter{Conn: c})
	})
}

func (e *Engine) probeSkReuseport(ctx context.Context) error {
	return withSocket(func(c *net.UDPConn) error {
		return e.try(ctx, smallest(ebpf.SkReuseport), engine.SkReuseport{Conn: c})
	})
}

// withSocket calls f with a bound socket of a reuseport group.
func withSocket(f func(*net.UDPConn) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("make a socket to try on: %w", err)
	}
	file := os.NewFile(uintptr(fd), "probe")
	defer file.Close()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return fmt.Errorf("make a reuseport group to try on: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("bind a socket to try on: %w", err)
	}
	c, err := net.FilePacketConn(file)
	if err != nil {
		return fmt.Errorf("make a socket to try on: %w", err)
	}
	defer c.Close()
	return f(c.(*net.UDPConn))
}

// withFile calls f with the path of a file in memory that can be probed: no
// process runs it.
func withFile(f func(path string) error) error {
	fd, err := unix.MemfdCreate("skep-probe", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a file to try on: %w", err)
	}
	defer unix.Close(fd)
	code := make([]byte, os.Getpagesize())
	for i := range code {
		code[i] = 0x90 // a no-op on x86; elsewhere nothing is checked before a process maps it
	}
	if _, err := unix.Write(fd, code); err != nil {
		return fmt.Errorf("write a file to try on: %w", err)
	}
	return f(fmt.Sprintf("/proc/self/fd/%d", fd))
}

func (e *Engine) probeUprobe(ctx context.Context) error {
	return withFile(func(path string) error {
		return e.try(ctx, smallest(ebpf.Kprobe), engine.Uprobe{Path: path, Address: 64})
	})
}

func (e *Engine) probeUprobeMulti(ctx context.Context) error {
	return withFile(func(path string) error {
		spec := multi(ebpf.AttachTraceUprobeMulti)
		coll, err := e.loadOne(ctx, spec)
		if err != nil {
			return absent("program type "+spec.Type.String(), built(spec.Type), err)
		}
		defer coll.Close()
		// The file is no executable, so its places are named by offset.
		l, err := uprobeMultiLink(coll.Programs[spec.Name].(*Program), engine.UprobeMulti{Path: path}, uprobeSet{path: path, offsets: []uint64{64}})
		if err != nil {
			return err
		}
		return l.Close()
	})
}

// probeUSDT tries what a statically defined probe is made of: a place with a
// semaphore.
func (e *Engine) probeUSDT(ctx context.Context) error {
	return withFile(func(path string) error {
		return e.try(ctx, smallest(ebpf.Kprobe), engine.Uprobe{Path: path, Address: 64, RefCtrOffset: 128})
	})
}

func (e *Engine) probeStructOps(ctx context.Context) error {
	if err := mayStructOps(); err != nil {
		return err
	}
	coll, err := e.loadObject(ctx, congestionObject, nil)
	if err != nil {
		return absent("struct_ops", "Linux 6.4 with BTF and CONFIG_BPF_JIT", err)
	}
	defer coll.Close()
	l, err := e.Attach(nil, engine.StructOps{Map: coll.Maps["skep_cc"]})
	if err != nil {
		return err
	}
	return l.Close()
}

func (e *Engine) probeFreplace(ctx context.Context) error {
	coll, err := e.probeExtension(ctx)
	if err != nil {
		return err
	}
	defer coll.Close()
	return e.tryAttach(coll.Programs["probe"], engine.Freplace{})
}

// probeLirc can make no receiver of its own: it answers for those there are,
// without attaching to them.
func (e *Engine) probeLirc(ctx context.Context) error {
	if err := e.probeProgram(ctx, ebpf.LircMode2); err != nil {
		return err
	}
	devices, err := filepath.Glob("/dev/lirc*")
	if err != nil || len(devices) == 0 {
		return notSupported("infrared receivers", "this machine has none", "a receiver, or the rc-loopback module", err)
	}
	return nil
}
