//go:build linux

package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
)

func TestSupportsAll(t *testing.T) {
	e := newEngine(t)
	var all []engine.Feature
	for p := ebpf.SocketFilter; p <= ebpf.Netfilter; p++ {
		all = append(all, engine.Feature{Program: p})
	}
	for m := ebpf.Hash; m <= ebpf.Arena; m++ {
		all = append(all, engine.Feature{Map: m})
	}
	for _, k := range kinds() {
		all = append(all, engine.Feature{Attach: k})
	}
	for _, name := range []string{
		engine.FeatureBTF, engine.FeatureNativeXDP, engine.FeatureBoundedLoops, engine.FeatureLargePrograms,
		engine.FeaturePins, engine.FeatureBatch, engine.FeatureISAv3, engine.FeatureISAv4,
	} {
		all = append(all, engine.Feature{Other: name})
	}
	for _, f := range all {
		err := e.Supports(t.Context(), f)
		var no *engine.NotSupportedError
		switch {
		case err == nil:
			t.Logf("%s: yes", f)
		case errors.As(err, &no):
			t.Logf("%s: %v", f, err)
			if no.Reason == "" {
				t.Errorf("%s: no reason given", f)
			}
		default:
			t.Errorf("%s: %v", f, err)
		}
		if again := e.Supports(t.Context(), f); again != err {
			t.Errorf("%s: answered %v, then %v", f, err, again)
		}
	}
}

func kinds() []engine.AttachKind {
	return []engine.AttachKind{
		engine.KindXDP, engine.KindTCX, engine.KindNetkit, engine.KindCgroup, engine.KindSkLookup,
		engine.KindFlowDissector, engine.KindSockMap, engine.KindSocketFilter, engine.KindSkReuseport,
		engine.KindTracepoint, engine.KindRawTracepoint, engine.KindKprobe, engine.KindKprobeMulti,
		engine.KindUprobe, engine.KindUprobeMulti, engine.KindUSDT, engine.KindTracing, engine.KindLSM,
		engine.KindPerfEvent, engine.KindIterator, engine.KindNetfilter, engine.KindStructOps,
		engine.KindFreplace, engine.KindLWT, engine.KindLirc,
	}
}

// TestSupportsCertain: what every kernel that can run these tests has, and what
// none has.
func TestSupportsCertain(t *testing.T) {
	e := newEngine(t)
	for _, f := range []engine.Feature{
		{Program: ebpf.XDP},
		{Program: ebpf.SocketFilter},
		{Map: ebpf.Hash},
		{Map: ebpf.RingBuf},
		{Attach: engine.KindXDP},
		{Attach: engine.KindTCX},
		{Attach: engine.KindRawTracepoint},
		{Attach: engine.KindUprobe},
		{Attach: engine.KindUSDT},
		{Attach: engine.KindSocketFilter},
		{Other: engine.FeatureNativeXDP},
		{Other: engine.FeatureBoundedLoops},
		{Other: engine.FeatureISAv3},
		{Other: engine.FeatureBatch},
		{Program: ebpf.XDP, Helper: asm.FnMapLookupElem},
		{Program: ebpf.XDP, Helper: asm.FnXdpAdjustHead},
		{Program: ebpf.SchedCLS, Helper: asm.FnSkbLoadBytes},
		{Program: ebpf.Kprobe, Helper: asm.FnGetCurrentPidTgid},
	} {
		if err := e.Supports(t.Context(), f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, f := range []engine.Feature{
		{Program: 9999},
		{Map: 9999},
		{Attach: "teleport"},
		{Other: "teleport"},
		{Program: ebpf.XDP, Helper: asm.FnSkbLoadBytes},
		{Program: ebpf.SocketFilter, Helper: asm.FnXdpAdjustHead},
		{Program: ebpf.XDP, Helper: 9999},
		{},
	} {
		if err := e.Supports(t.Context(), f); !errors.Is(err, engine.ErrNotSupported) {
			t.Errorf("%+v: %v, want ErrNotSupported", f, err)
		}
	}
}

// TestSupportsLeavesNothing: no cgroup, no pin, no descriptor stays.
func TestSupportsLeavesNothing(t *testing.T) {
	e := newEngine(t)
	e.Supports(t.Context(), engine.Feature{Attach: engine.KindXDP}) // what the first use opens for good
	before := openFiles(t)
	e.probes.forget()
	for _, k := range kinds() {
		e.Supports(t.Context(), engine.Feature{Attach: k})
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	for _, root := range []string{cgroupRoot(t), "/sys/fs/bpf"} {
		left, err := filepath.Glob(filepath.Join(root, "skep-probe-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
