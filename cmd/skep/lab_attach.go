package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/replay"
)

// hooks are where a program can stand at an endpoint: on its own device, which
// sees what the endpoint receives on xdp and ingress, and what it sends on
// egress.
func hooks() []string { return []string{"xdp", "ingress", "egress"} }

type attachedProgram struct {
	Object  string `json:"object"`
	Program string `json:"program"`
	Target  string `json:"target"`
}

// attach loads an object onto the lab's engine and attaches one program.
func (b *builtLab) attach(ctx context.Context, f fileProgram) error {
	at, err := b.endpoint(f.At)
	if err != nil {
		return fmt.Errorf("attach %s: %w", f.Object, err)
	}
	spec, err := object.OpenFile(f.Object, nil)
	if err != nil {
		return err
	}
	name, hook, err := pickHook(spec, f)
	if err != nil {
		return fmt.Errorf("attach %s: %w", f.Object, err)
	}
	for _, s := range f.Set {
		variable, value, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("attach %s: set %q: want NAME=VALUE", f.Object, s)
		}
		if err := replay.SetVariable(spec, variable, value); err != nil {
			return fmt.Errorf("attach %s: %w", f.Object, err)
		}
	}
	p := &prepared{spec: spec, program: name}
	for _, m := range slices.Sorted(maps.Keys(f.Maps)) {
		p.fill = append(p.fill, mapFill{m, f.Maps[m]})
	}
	p.trim(nil)
	if err := p.sizeMaps(nil); err != nil {
		return fmt.Errorf("attach %s: %w", f.Object, err)
	}
	coll, err := p.load(ctx, b.lab.Engine())
	if err != nil {
		return fmt.Errorf("attach %s: %w", f.Object, err)
	}
	b.onClose(coll.Close)
	lnk, err := b.lab.Engine().Attach(coll.Programs[name], targetOf(at.Device(), hook))
	if err != nil {
		return fmt.Errorf("attach %s: %w", f.Object, err)
	}
	b.onClose(lnk.Close)
	b.attached = append(b.attached, attachedProgram{f.Object, name, at.Name() + " " + hook})
	return nil
}

func targetOf(dev engine.Device, hook string) engine.Target {
	if hook == "xdp" {
		return engine.XDP{Device: dev}
	}
	return engine.TCX{Device: dev, Egress: hook == "egress"}
}

// pickHook finds the program and where it belongs: XDP programs on xdp, tc
// programs on ingress unless egress was asked for.
func pickHook(spec *ebpf.CollectionSpec, f fileProgram) (name, hook string, err error) {
	var fitting []string
	for n, p := range spec.Programs {
		if hookOf(p.Type, f.Hook) != "" {
			fitting = append(fitting, n)
		}
	}
	switch {
	case f.Program != "":
		p, ok := spec.Programs[f.Program]
		if !ok {
			return pickMissing(spec, f.Program)
		}
		if hook = hookOf(p.Type, f.Hook); hook == "" {
			return "", "", fmt.Errorf("program %s (%s) does not belong on %s", f.Program, abi.ProgramType(p.Type), orAny(f.Hook))
		}
		return f.Program, hook, nil
	case len(fitting) == 1:
		return fitting[0], hookOf(spec.Programs[fitting[0]].Type, f.Hook), nil
	case len(fitting) == 0:
		return "", "", fmt.Errorf("it has no program for %s", orAny(f.Hook))
	}
	return "", "", withHint(fmt.Errorf("it has %d programs for %s", len(fitting), orAny(f.Hook)), "name one: OBJECT:PROGRAM@ENDPOINT[:HOOK]")
}

func pickMissing(spec *ebpf.CollectionSpec, name string) (string, string, error) {
	_, err := pickProgram(spec, name)
	return "", "", err
}

func orAny(hook string) string {
	if hook == "" {
		return "a link"
	}
	return hook
}

func hookOf(t ebpf.ProgramType, wanted string) string {
	switch {
	case t == ebpf.XDP && (wanted == "" || wanted == "xdp"):
		return "xdp"
	case t == ebpf.SchedCLS && wanted == "":
		return "ingress"
	case t == ebpf.SchedCLS && wanted != "xdp":
		return wanted
	}
	return ""
}

// capture writes a link's packets to a file until the lab closes.
func (b *builtLab) capture(c fileCapture) error {
	var link *lab.Link
	var names []string
	for _, k := range b.lab.Links() {
		names = append(names, k.Name())
		if k.Name() == c.Link {
			link = k
		}
	}
	if link == nil {
		return fmt.Errorf("capture: no link %q: there is %s", c.Link, strings.Join(names, ", "))
	}
	f, err := os.Create(c.File)
	if err != nil {
		return fmt.Errorf("capture %s: %w", c.Link, err)
	}
	w := bufio.NewWriter(f)
	running, err := b.lab.Capture(link, w)
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(c.File))
	}
	b.captures = append(b.captures, c)
	b.onClose(func() error { return errors.Join(running.Close(), w.Flush(), f.Close()) })
	return nil
}
