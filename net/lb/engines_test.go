package lb_test

import (
	"context"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/kernel"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

func kernelEngine(t testing.TB) engine.Engine {
	t.Helper()
	eng, err := kernel.New(kernel.Config{})
	if err == nil {
		var coll *engine.Collection
		coll, err = eng.Load(context.Background(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"pass": {
			Name: "pass", Type: ebpf.XDP, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
		}}}, nil)
		coll.Close()
	}
	if err != nil {
		t.Skip("needs the kernel engine:", err)
	}
	t.Cleanup(func() { eng.Close() })
	return eng
}

func embeddedEngine(t testing.TB) engine.Engine {
	t.Helper()
	eng, err := embedded.New(embedded.Config{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	return eng
}

// onEngines runs a test on every engine there is.
func onEngines(t *testing.T, test func(t *testing.T, eng engine.Engine)) {
	t.Run("embedded", func(t *testing.T) { test(t, embeddedEngine(t)) })
	t.Run("kernel", func(t *testing.T) { test(t, kernelEngine(t)) })
}

func open(t testing.TB, eng engine.Engine, cfg lb.Config) *lb.Dataplane {
	t.Helper()
	d, err := lb.Open(context.Background(), eng, cfg)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// apply reads resources and applies every service in them.
func apply(t testing.TB, d *lb.Dataplane, set *service.Set, opts *service.Options, text string) []lb.Step {
	t.Helper()
	rs, err := service.Read("services.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		set.Put(r)
	}
	var steps []lb.Step
	for _, key := range set.Services() {
		pools, problems := set.Resolve(key, opts)
		for _, p := range problems {
			t.Log("problem:", p)
		}
		s, err := d.Apply(key, pools)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, s...)
	}
	return steps
}
