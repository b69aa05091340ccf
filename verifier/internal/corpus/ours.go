package corpus

import (
	"context"
	"errors"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/verifier"
)

// OursName is the judge that is measured.
const OursName = "skep"

// Ours is the judge that asks package verifier, with the running kernel's types,
// to judge as a version of the kernel would; "" is the newest.
func Ours(version string) Judge {
	types := sync.OnceValues(btf.LoadKernelSpec)
	cpus, _ := host.NumPossibleCPUs() // elsewhere than on Linux: any number
	return func(ctx context.Context, c *Case, spec *ebpf.CollectionSpec, prog string) Verdict {
		kernel, err := types()
		if c.BTFPath != "" {
			kernel, err = btf.LoadSpec(c.BTFPath)
		}
		if err != nil {
			return Verdict{NotSupported: err.Error()}
		}
		if !c.Runs(Arch) {
			return Verdict{NotSupported: "for another processor"}
		}
		if c.Mode == Unprivileged && !c.Expected && !keeps(c.Caps, "CAP_BPF") {
			dropTypes(spec) // as the kernel gets it
		}
		p, err := verifier.FromSpec(spec, prog, kernel)
		if err != nil {
			return Verdict{NotSupported: err.Error()}
		}
		o := verifier.Options{KernelTypes: kernel, Kernel: version, CPUs: cpus}
		if c.Expected {
			if o.LogLevel = c.LogLevel; c.LogLevel&3 == 0 {
				o.LogLevel |= 1
			}
		}
		if c.Mode == Unprivileged {
			o.Privilege = privilege(c.Caps)
		}
		rep, err := verifier.Verify(ctx, p, o)
		if rep == nil {
			return Verdict{Err: err}
		}
		v := Verdict{Accepted: err == nil, Err: err, Log: rep.Log, Stats: Stats{Time: rep.Time, Insns: rep.Processed, TotalStates: rep.States, PeakStates: rep.Peak}}
		if errors.Is(err, verifier.ErrNotSupported) {
			v.NotSupported = err.Error()
		}
		if v.Log == "" && err != nil {
			v.Log = err.Error()
		}
		return v
	}
}

func privilege(caps []string) verifier.Privilege {
	have := make(map[string]bool)
	for _, c := range caps {
		have[c] = true
	}
	switch {
	case have["CAP_BPF"] && have["CAP_PERFMON"]:
		return verifier.Privileged
	case have["CAP_BPF"]:
		return verifier.NoPerfmon
	}
	return verifier.Unprivileged
}
