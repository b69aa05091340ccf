package lab

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/kernel"
)

// openKernel opens the kernel world after trying, in namespaces of its own,
// what a lab needs. It also sweeps what killed labs left; what stands in the
// way of that is a note and no reason not to start.
func openKernel(cfg Config) (_ world, note string, err error) {
	w := &kernelWorld{eng: cfg.Engine, offload: cfg.Offload}
	if w.eng == nil {
		eng, err := kernel.New(kernel.Config{})
		if err != nil {
			return nil, "", err
		}
		w.eng, w.ownEngine = eng, true
	}
	err = w.try()
	if err == nil {
		w.owner, err = newOwner(cfg.Name)
	}
	if err != nil {
		return nil, "", errors.Join(explain(err), w.close())
	}
	if err := sweep(); err != nil {
		note = fmt.Sprintf(" (what a killed lab left could not be removed: %v)", err)
	}
	w.visible = cfg.Visible
	return w, note, nil
}

// try builds a link from a router to a host with an XDP program on it, and
// takes it down again.
func (w *kernelWorld) try() error {
	t := &kernelWorld{eng: w.eng}
	err := t.tryLink()
	return errors.Join(err, t.close())
}

func (w *kernelWorld) tryLink() error {
	var plugs [2]plug
	for end := range plugs {
		s, err := w.newStack("probe", end == 0)
		if err != nil {
			return err
		}
		plugs[end] = plug{stack: s, dev: "probe", mac: hardwareAddr(0, end), mtu: 1500}
	}
	k, err := w.connect(plugs[0], plugs[1])
	if err != nil {
		return err
	}
	coll, err := w.eng.Load(context.Background(), &ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{"probe": {
			Name: "probe", Type: ebpf.XDP, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2 /* XDP_PASS */), asm.Return()},
		}},
	}, nil)
	if err != nil {
		return fmt.Errorf("load XDP program: %w", err)
	}
	defer coll.Close()
	l, err := w.eng.Attach(coll.Programs["probe"], engine.XDP{Device: k.device(0)})
	if err != nil {
		return fmt.Errorf("attach XDP program: %w", err)
	}
	return l.Close()
}

// explain adds what the kernel world needs to an error about rights.
func explain(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%w; namespaces and programs need root, or CAP_SYS_ADMIN and CAP_NET_ADMIN, and a writable /proc/sys", err)
	}
	return err
}
