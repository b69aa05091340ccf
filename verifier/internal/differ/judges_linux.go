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
	"github.com/skepdev/skep/verifier/internal/gen"
)

// OursAndKernel returns a function that opens this verifier and the running
// kernel's, for [Options.Open].
func OursAndKernel() func() (*Pair, error) {
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
		return &Pair{Ours: ours(kernel, cpus), Theirs: theirs(k), Close: k.Close}, nil
	}
}

func theirs(k *gen.Kernel) Judge {
	return func(_ context.Context, p *gen.Program, withLog bool) (Verdict, error) {
		level := uint32(gen.LogNone)
		if withLog {
			level = gen.LogPaths
		}
		ok, log, err := k.Accepts(p, level)
		if errors.Is(err, gen.ErrVerifierBug) {
			return Verdict{}, fmt.Errorf("%w: %w", ErrNoVerdict, err)
		}
		return Verdict{ok, log}, err
	}
}

func ours(kernel *btf.Spec, cpus int) Judge {
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
		o := verifier.Options{KernelTypes: kernel, CPUs: cpus}
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
