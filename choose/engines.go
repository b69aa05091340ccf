package choose

import (
	"context"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/kernel"
)

func openKernel() (engine.Engine, error) {
	eng, err := kernel.New(kernel.Config{})
	if err != nil {
		return nil, err // not a typed nil
	}
	return eng, nil
}

func openEmbedded(opts Options) (engine.Engine, error) {
	eng, err := embedded.New(embedded.Config{Interpret: opts.Interpret, Profile: opts.Profile})
	if err != nil {
		return nil, err
	}
	return eng, nil
}

// loadsPrograms loads a program with a map and runs it on a packet.
func loadsPrograms(ctx context.Context, eng engine.Engine) error {
	const verdict = 2 // XDP_PASS
	coll, err := eng.Load(ctx, &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			"try": {Name: "try", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
		},
		Programs: map[string]*ebpf.ProgramSpec{
			"try": {Name: "try", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
				asm.LoadMapPtr(asm.R1, 0).WithReference("try"),
				asm.Mov.Imm(asm.R0, verdict),
				asm.Return(),
			}},
		},
	}, nil)
	if err != nil {
		return err
	}
	defer coll.Close()
	prog, err := coll.Program("try")
	if err != nil {
		return err
	}
	res, err := prog.Run(&engine.RunInput{Data: make([]byte, 64)})
	if err != nil {
		return err
	}
	if res.Return != verdict {
		return fmt.Errorf("run program try: it returned %d instead of %d", res.Return, verdict)
	}
	return nil
}

// OpenUntried opens the kernel's or the embedded engine without trying whether
// it works, for those who want to find out what does not.
func OpenUntried(want Want) (engine.Engine, error) {
	switch want {
	case Kernel:
		return openKernel()
	case Embedded:
		return openEmbedded(Options{})
	}
	return nil, fmt.Errorf("open %s engine: name one", want)
}
