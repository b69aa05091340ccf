package replay_test

import (
	"context"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/kernel"
	"github.com/skepdev/skep/object"
)

// kernelEngine returns the kernel engine, or skips where it cannot load.
func kernelEngine(t *testing.T) engine.Engine {
	t.Helper()
	eng, err := kernel.New(kernel.Config{})
	if err == nil {
		var coll *engine.Collection
		coll, err = eng.Load(t.Context(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"pass": {
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

// embeddedEngine returns an engine in this process.
func embeddedEngine(t *testing.T) engine.Engine {
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

func open(t *testing.T, path string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := object.OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func load(t *testing.T, eng engine.Engine, spec *ebpf.CollectionSpec) *engine.Collection {
	t.Helper()
	coll, err := eng.Load(context.Background(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	return coll
}
