package differ

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/verifier"
	"github.com/skepdev/skep/verifier/internal/corpus"
	"github.com/skepdev/skep/verifier/internal/gen"
)

// OursAndKernel returns a function that opens this verifier and the running
// kernel's, for [Options.Open]. Ours judges as that kernel's version ("6.12"; "" is
// the newest known). Privilege is Privileged, NoPerfmon for who has CAP_BPF and
// CAP_NET_ADMIN only, or Unprivileged where the machine allows that; see [TypesFor].
func OursAndKernel(privilege verifier.Privilege, version string) func() (*Pair, error) {
	types := sync.OnceValues(btf.LoadKernelSpec)
	cpus, cpuErr := host.NumPossibleCPUs()
	return func() (*Pair, error) {
		if cpuErr != nil {
			return nil, cpuErr
		}
		k, err := gen.OpenKernel()
		if err != nil {
			return nil, err
		}
		kernel, err := types()
		if err != nil {
			return nil, errors.Join(err, k.Close())
		}
		p := &Pair{Ours: ours(kernel, verifier.Options{Kernel: version, KernelTypes: kernel, CPUs: cpus, Privilege: privilege}), Theirs: theirs(k), Close: k.Close}
		switch privilege {
		case verifier.NoPerfmon:
			p.Theirs = keeping(p.Theirs, "CAP_BPF", "CAP_NET_ADMIN")
		case verifier.Unprivileged:
			p.Theirs = keeping(p.Theirs)
		}
		return p, nil
	}
}

// keeping asks as somebody who has no capabilities of BPF but these.
func keeping(j Judge, caps ...string) Judge {
	return func(ctx context.Context, p *gen.Program, withLog bool) (v Verdict, err error) {
		perr := corpus.WithoutPrivileges(caps, func() { v, err = j(ctx, p, withLog) })
		return v, errors.Join(perr, err)
	}
}

func theirs(k *gen.Kernel) Judge {
	return func(_ context.Context, p *gen.Program, withLog bool) (Verdict, error) {
		level := uint32(gen.LogNone)
		if withLog {
			level = gen.LogPaths
		}
		ok, log, err := k.Accepts(p, level)
		if errors.Is(err, gen.ErrVerifierBug) || errors.Is(err, gen.ErrTypes) {
			return Verdict{}, fmt.Errorf("%w: %w", ErrNoVerdict, err)
		}
		return Verdict{ok, log}, err
	}
}

func ours(kernel *btf.Spec, o verifier.Options) Judge {
	return func(ctx context.Context, p *gen.Program, withLog bool) (v Verdict, err error) {
		defer func() {
			if r := recover(); r != nil {
				v = Verdict{Log: fmt.Sprintf("%s\nBUG: panic: %v", debug.Stack(), r)}
			}
		}()
		spec, err := p.Spec()
		if err != nil {
			return Verdict{}, err
		}
		prog, err := verifier.FromSpec(spec, gen.SpecName, kernel)
		if err != nil {
			return Verdict{}, fmt.Errorf("%w: %w", ErrNoVerdict, err)
		}
		o := o
		if withLog {
			o.LogLevel = 1
		}
		rep, err := verifier.Verify(ctx, prog, o)
		if errors.Is(err, verifier.ErrNotSupported) || ctx.Err() != nil {
			return Verdict{}, fmt.Errorf("%w: %w", ErrNoVerdict, err)
		}
		v.Accepted = err == nil
		if rep != nil {
			v.Log = rep.Log
		}
		if err != nil && v.Log == "" {
			v.Log = err.Error()
		}
		return v, nil
	}
}
