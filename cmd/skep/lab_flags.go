package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/internal/btfdump"
	"github.com/skepdev/skep/lab"
)

// labFlags describe a lab on the command line.
type labFlags struct {
	file, world, name string
	endpoints         int
	onSwitch          bool
	mtu               int
	attach, capture   []string
	needExec          bool
}

func (t *labFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&t.file, "file", "f", "", "YAML file that describes the network")
	fl.IntVar(&t.endpoints, "endpoints", 2, "`NUMBER` of endpoints e1, e2, …")
	fl.BoolVar(&t.onSwitch, "switch", false, "put the endpoints on a switch instead of a router")
	fl.IntVar(&t.mtu, "mtu", 0, "MTU of the links in bytes; 0 means 1500")
	fl.StringVar(&t.name, "name", "lab", "the lab's name")
	fl.StringArrayVar(&t.attach, "attach", nil, "attach a program: `OBJECT[:PROGRAM]@ENDPOINT[:HOOK]`, hook xdp, ingress or egress (repeatable)")
	fl.StringArrayVar(&t.capture, "capture", nil, "write the packets of a link: `LINK=FILE` (repeatable)")
	addChoice(cmd, &t.world, "world", "", "auto", "world to build in", "auto", "kernel", "embedded")
}

// labFile is the YAML form of a lab.
type labFile struct {
	Name      string         `yaml:"name"`
	World     string         `yaml:"world"`
	MTU       int            `yaml:"mtu"`
	Nodes     []string       `yaml:"nodes"`
	Switches  []string       `yaml:"switches"`
	Links     [][]string     `yaml:"links"`
	Endpoints []fileEndpoint `yaml:"endpoints"`
	Programs  []fileProgram  `yaml:"programs"`
	Captures  []fileCapture  `yaml:"captures"`
}

type fileEndpoint struct {
	Name  string   `yaml:"name"`
	On    string   `yaml:"on"`
	Addrs []string `yaml:"addrs"`
	MTU   int      `yaml:"mtu"`
}

type fileProgram struct {
	Object  string   `yaml:"object"`
	Program string   `yaml:"program"`
	At      string   `yaml:"at"`
	Hook    string   `yaml:"hook"`
	Set     []string `yaml:"set"`
	// Maps are entries to fill maps with, by the map's name.
	Maps map[string]any `yaml:"maps"`
}

type fileCapture struct {
	Link string `yaml:"link"`
	File string `yaml:"file"`
}

// plan is the lab that flags and file describe together.
func (t *labFlags) plan() (*labFile, error) {
	p := &labFile{}
	if t.file != "" {
		text, err := readLimited(t.file)
		if err != nil {
			return nil, err
		}
		if err := parseYAML(t.file, text, p); err != nil {
			return nil, err
		}
	} else {
		if t.endpoints < 1 || t.endpoints > 250 {
			return nil, usage(fmt.Errorf("--endpoints %d: must be from 1 to 250", t.endpoints))
		}
		on := ""
		if t.onSwitch {
			on = "switch"
			p.Switches = []string{on}
		}
		for i := range t.endpoints {
			p.Endpoints = append(p.Endpoints, fileEndpoint{Name: fmt.Sprintf("e%d", i+1), On: on})
		}
	}
	for _, a := range t.attach {
		prog, err := parseAttach(a)
		if err != nil {
			return nil, usage(err)
		}
		p.Programs = append(p.Programs, prog)
	}
	for _, c := range t.capture {
		link, file, ok := strings.Cut(c, "=")
		if !ok || link == "" || file == "" {
			return nil, usage(fmt.Errorf("--capture %q: want LINK=FILE", c))
		}
		p.Captures = append(p.Captures, fileCapture{link, file})
	}
	inputs := []string{t.file}
	for _, prog := range p.Programs {
		inputs = append(inputs, prog.Object)
	}
	for _, c := range p.Captures {
		if err := keepInputs(c.File, inputs...); err != nil {
			return nil, err
		}
	}
	if p.Name == "" {
		p.Name = t.name
	}
	if t.world != "auto" || p.World == "" {
		p.World = t.world
	}
	if t.mtu != 0 {
		p.MTU = t.mtu
	}
	return p, p.check()
}

// parseAttach reads OBJECT[:PROGRAM]@ENDPOINT[:HOOK].
func parseAttach(s string) (fileProgram, error) {
	what, where, _ := cutLast(s, "@")
	p := fileProgram{}
	p.Object, p.Program, _ = strings.Cut(what, ":")
	p.At, p.Hook, _ = strings.Cut(where, ":")
	if p.Object == "" || p.At == "" {
		return fileProgram{}, fmt.Errorf("--attach %q: want OBJECT[:PROGRAM]@ENDPOINT[:HOOK]", s)
	}
	return p, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (p *labFile) check() error {
	if len(p.Endpoints) == 0 {
		return errors.New("a lab needs at least one endpoint")
	}
	for i, l := range p.Links {
		if len(l) != 2 {
			return fmt.Errorf("link %d: want two names, have %d", i+1, len(l))
		}
	}
	for i, prog := range p.Programs {
		if prog.Object == "" || prog.At == "" {
			return fmt.Errorf("program %d: object and at must be given", i+1)
		}
		if !slices.Contains(hooks(), prog.Hook) && prog.Hook != "" {
			return fmt.Errorf("program %d: hook %q: must be one of %s", i+1, prog.Hook, strings.Join(hooks(), ", "))
		}
	}
	return nil
}

// builtLab is a lab with everything in it.
type builtLab struct {
	plan      *labFile
	lab       *lab.Lab
	endpoints []*lab.Endpoint
	attached  []attachedProgram
	captures  []fileCapture
	cleanup   []func() error
}

func (t *labFlags) build(ctx context.Context, visible bool) (_ *builtLab, err error) {
	p, err := t.plan()
	if err != nil {
		return nil, err
	}
	world, err := lab.ParseWorld(p.World)
	if err != nil {
		return nil, usage(err)
	}
	if t.needExec && world == lab.Auto {
		world = lab.Kernel
	}
	l, err := lab.New(lab.Config{World: world, Name: p.Name, MTU: p.MTU, Visible: visible})
	if err != nil {
		if world == lab.Kernel && !t.needExec {
			err = withHint(err, "--world embedded needs no privilege")
		} else if t.needExec {
			err = withHint(err, "commands need network namespaces: run as root")
		}
		return nil, err
	}
	b := &builtLab{plan: p, lab: l, cleanup: []func() error{l.Close}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err := b.connect(); err != nil {
		return nil, err
	}
	for _, c := range p.Captures {
		if err := b.capture(c); err != nil {
			return nil, err
		}
	}
	for _, prog := range p.Programs {
		if err := b.attach(ctx, prog); err != nil {
			return nil, err
		}
	}
	return b, ctx.Err()
}

// connect makes nodes, switches, endpoints and links.
func (b *builtLab) connect() error {
	for _, name := range b.plan.Nodes {
		if _, err := b.lab.Node(name); err != nil {
			return err
		}
	}
	for _, name := range b.plan.Switches {
		if _, err := b.lab.Switch(name); err != nil {
			return err
		}
	}
	for _, l := range b.plan.Links {
		one, err := b.lookup(l[0])
		if err != nil {
			return err
		}
		other, err := b.lookup(l[1])
		if err != nil {
			return err
		}
		if _, err := b.lab.Connect(one, other, lab.LinkConfig{}); err != nil {
			return err
		}
	}
	for _, e := range b.plan.Endpoints {
		cfg := lab.EndpointConfig{MTU: e.MTU}
		if e.On != "" {
			on, err := b.lookup(e.On)
			if err != nil {
				return fmt.Errorf("endpoint %s: %w", e.Name, err)
			}
			cfg.On = on
		}
		for _, a := range e.Addrs {
			prefix, err := netip.ParsePrefix(a)
			if err != nil {
				return fmt.Errorf("endpoint %s: address %q: want one such as 10.0.0.2/24", e.Name, a)
			}
			cfg.Addrs = append(cfg.Addrs, prefix)
		}
		made, err := b.lab.Endpoint(e.Name, cfg)
		if err != nil {
			return err
		}
		b.endpoints = append(b.endpoints, made)
	}
	return nil
}

// lookup finds a node, switch or endpoint, and suggests one if there is none.
func (b *builtLab) lookup(name string) (lab.Attachment, error) {
	a, err := b.lab.Lookup(name)
	if err == nil {
		return a, nil
	}
	var names []string
	for _, t := range b.lab.Things() {
		names = append(names, t.Name())
	}
	if near := btfdump.Suggest(name, names); near != "" {
		err = withHint(err, fmt.Sprintf("did you mean %q?", near))
	}
	return nil, err
}

// endpoint finds an endpoint; the empty name means the first one.
func (b *builtLab) endpoint(name string) (*lab.Endpoint, error) {
	if name == "" {
		return b.endpoints[0], nil
	}
	var names []string
	for _, e := range b.endpoints {
		if e.Name() == name {
			return e, nil
		}
		names = append(names, e.Name())
	}
	return nil, fmt.Errorf("no endpoint %q: there is %s", name, strings.Join(names, ", "))
}

func (b *builtLab) onClose(f func() error) { b.cleanup = append(b.cleanup, f) }

// close undoes everything, the last first. It is safe twice.
func (b *builtLab) close() error {
	var errs []error
	for _, f := range slices.Backward(b.cleanup) {
		errs = append(errs, f())
	}
	b.cleanup = nil
	return errors.Join(errs...)
}
