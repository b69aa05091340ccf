package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/agent"
	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/client"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/strictyaml"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

const upLong = `Balance load as the resources in files say: Kubernetes Services and
EndpointSlices as they are, and ServicePolicies for what those cannot say.

Runs in the foreground, follows the files as they change, checks backends, and
answers on a local socket (skep service, skep lb). What it has set up goes on
working when it stops or dies; the next skep up takes it over without a gap, and
skep down removes it.

Packets are balanced on the interfaces given (XDP), the sockets of processes in
the cgroup given go to backends by themselves, and what comes in through the
devices given with --tc is translated there. With none of these, the tables are kept
and nothing is attached.`

const upExample = `  skep up -f services/ --interface eth0
  skep up -f services/ --cgroup /sys/fs/cgroup
  skep up -f services/ --dry-run                     what would change
  skep up -f services/ --userspace --listen 127.0.0.1 --socket ./agent.sock --state ./state
  skep up -f web.yaml --engine embedded              try it without privilege`

// defaultPins is where the dataplane stays between runs.
const defaultPins = "/run/skep/bpf"

type upFlags struct {
	files, interfaces, addrs []string
	tc                       []string
	cgroup, engine           string
	socket, state, pins      string
	dryRun, verbose          bool
	userspace                bool
	listen                   string
	node, zone               string
	source4, source6         string
	prefix6                  string
	gateway, forward         string
	mtu                      uint16
	connections              uint32
}

func newUpCommand(s *streams) *cobra.Command {
	var u upFlags
	var f format
	cmd := &cobra.Command{
		Use:     "up -f FILE|FOLDER [flags]",
		Short:   "Balance load as resources in files say",
		Long:    upLong,
		Example: upExample,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(u.files) == 0 {
				return usage(errors.New("-f is missing: files or folders with resources"))
			}
			return u.run(cmd.Context(), s, f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&u.files, "file", "f", nil, "file or folder with resources (again for more)")
	fl.StringArrayVarP(&u.interfaces, "interface", "i", nil, "interface whose packets are balanced (again for more)")
	fl.StringArrayVar(&u.tc, "tc", nil, "interface whose packets are balanced on tc, by NAT (again for more)")
	fl.StringVar(&u.cgroup, "cgroup", "", "folder of the cgroup whose sockets are balanced")
	fl.BoolVar(&u.userspace, "userspace", false, "take TCP connections and UDP datagrams in this process, without privilege, and choose backends on the embedded engine")
	fl.StringVar(&u.listen, "listen", "", "address to listen on with --userspace (default: the services' own)")
	fl.BoolVar(&u.dryRun, "dry-run", false, "print what would change, and change nothing")
	fl.StringVar(&u.node, "node", "", "this node's name in EndpointSlices (default: the host's name)")
	fl.StringVar(&u.zone, "zone", "", "this node's zone")
	fl.StringArrayVar(&u.addrs, "node-address", nil, "this node's address for node ports (default: those of the interfaces)")
	fl.StringVar(&u.source4, "source4", "", "our IPv4 address in tunnels and NAT (default: the first interface's)")
	fl.StringVar(&u.source6, "source6", "", "our IPv6 address in tunnels and NAT")
	fl.StringVar(&u.prefix6, "prefix6", "", "prefix in which IPv4 clients appear to IPv6 backends, such as 64:ff9b::/96 (RFC 6052), routed to this host (default: they appear as our IPv6 address)")
	fl.StringVar(&u.gateway, "gateway", "", "hardware address to send everything to (default: ask the routing table)")
	addChoice(cmd, &u.forward, "forward", "", "nat", "how packets get to backends where no policy says", "nat", "ipip", "gue", "geneve", "dsr")
	fl.Uint16Var(&u.mtu, "mtu", 0, "MTU of the way to backends; longer packets are answered with an error (default: not checked)")
	fl.Uint32Var(&u.connections, "max-connections", 0, "connections remembered (default: 262144)")
	fl.StringVar(&u.socket, "socket", client.Socket, "path of the API's socket; empty: none")
	fl.StringVar(&u.state, "state", "/run/skep", "folder for resources applied over the API")
	fl.StringVar(&u.pins, "pins", defaultPins, "folder where the dataplane stays between runs; empty: it ends with the process")
	fl.BoolVarP(&u.verbose, "verbose", "v", false, "log every step")
	addChoice(cmd, &u.engine, "engine", "", "auto", "where programs run", "auto", "kernel", "embedded")
	addFormat(cmd, &f)
	return cmd
}

// config turns flags into an agent's configuration.
func (u *upFlags) config(s *streams, eng engine.Engine) (agent.Config, error) {
	level := slog.LevelInfo
	if u.verbose {
		level = slog.LevelDebug
	}
	c := agent.Config{
		Files: u.files, Socket: u.socket, State: u.state, Cgroup: u.cgroup,
		Log: slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level})),
	}
	c.LB.Forward, c.LB.MTU, c.LB.Size.Connections = service.Forward(u.forward), u.mtu, u.connections
	if eng.Name() == "kernel" {
		c.LB.PinPath = u.pins
	}
	var errs []error
	address := func(flag, text string) netip.Addr {
		if text == "" {
			return netip.Addr{}
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			errs = append(errs, usage(fmt.Errorf("--%s: %w", flag, err)))
		}
		return a
	}
	c.LB.Source4, c.LB.Source6 = address("source4", u.source4), address("source6", u.source6)
	for _, a := range u.addrs {
		c.Place.NodeAddrs = append(c.Place.NodeAddrs, address("node-address", a))
	}
	if u.prefix6 != "" {
		p, err := netip.ParsePrefix(u.prefix6)
		if err != nil {
			errs = append(errs, usage(fmt.Errorf("--prefix6: %w", err)))
		}
		c.LB.Prefix6 = p
	}
	if u.gateway != "" {
		mac, err := net.ParseMAC(u.gateway)
		if err != nil {
			errs = append(errs, usage(fmt.Errorf("--gateway: %w", err)))
		}
		c.LB.Gateway = mac
	}
	c.Userspace, c.Listen = u.userspace, address("listen", u.listen)
	c.Place.Node, c.Place.Zone = u.node, u.zone
	if c.Place.Node == "" {
		c.Place.Node, _ = os.Hostname() // without, no endpoint is local
	}
	errs = append(errs, u.addInterfaces(&c))
	return c, errors.Join(errs...)
}

// addInterfaces adds the interfaces and takes from them the addresses that were
// not given.
func (u *upFlags) addInterfaces(c *agent.Config) error {
	for _, name := range u.tc {
		if _, err := net.InterfaceByName(name); err != nil {
			return usage(fmt.Errorf("interface %s: %w", name, err))
		}
		c.TC = append(c.TC, engine.Device{Name: name})
	}
	for _, name := range u.interfaces {
		dev, err := net.InterfaceByName(name)
		if err != nil {
			return usage(fmt.Errorf("interface %s: %w", name, err))
		}
		c.Interfaces = append(c.Interfaces, engine.XDP{Device: engine.Device{Name: name}})
		addrs, err := dev.Addrs()
		if err != nil {
			return fmt.Errorf("addresses of %s: %w", name, err)
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || p.Addr().IsLinkLocalUnicast() || p.Addr().IsLoopback() {
				continue
			}
			ip := p.Addr().Unmap()
			if len(u.addrs) == 0 {
				c.Place.NodeAddrs = append(c.Place.NodeAddrs, ip)
			}
			if ip.Is4() && !c.LB.Source4.IsValid() {
				c.LB.Source4 = ip
			} else if ip.Is6() && !c.LB.Source6.IsValid() {
				c.LB.Source6 = ip
			}
		}
	}
	return nil
}

func (u *upFlags) run(ctx context.Context, s *streams, f format) error {
	want, err := choose.Parse(u.engine)
	if err != nil {
		return usage(err)
	}
	if u.userspace {
		if len(u.interfaces)+len(u.tc) > 0 || u.cgroup != "" || want == choose.Kernel {
			return usage(errors.New("--userspace works on the embedded engine and attaches to nothing"))
		}
		want = choose.Embedded
	} else if u.listen != "" {
		return usage(errors.New("--listen needs --userspace"))
	}
	eng, why, err := choose.Open(ctx, want)
	if err != nil {
		return err
	}
	defer eng.Close()
	cfg, err := u.config(s, eng)
	if err != nil {
		return err
	}
	if u.dryRun {
		return plan(ctx, s, f, eng, cfg)
	}
	if cfg.LB.PinPath != "" {
		if err := agent.MountPins(cfg.LB.PinPath); err != nil {
			return err
		}
	}
	a, err := agent.Open(ctx, eng, cfg)
	if err != nil {
		return pointed(err)
	}
	fmt.Fprintf(s.err, "skep: up on the %s engine (%s)\n", why.Engine, why.Why)
	err = a.Run(ctx)
	if err := errors.Join(err, a.Close()); err != nil {
		return err
	}
	if cfg.LB.PinPath != "" {
		fmt.Fprintln(s.err, "skep: stopped; the dataplane goes on (skep down removes it)")
	}
	return nil
}

// pointed shows the place of a mistake in a resource.
func pointed(err error) error {
	var e *strictyaml.Error
	if errors.As(err, &e) {
		return withHint(err, e.Picture)
	}
	return err
}

func plan(ctx context.Context, s *streams, f format, eng engine.Engine, cfg agent.Config) error {
	steps, problems, err := agent.Plan(ctx, eng, cfg)
	if err != nil {
		return pointed(err)
	}
	if f != formatTable {
		if steps == nil {
			steps = []lb.Step{}
		}
		return s.print(f, map[string]any{"steps": steps, "problems": problems})
	}
	for _, step := range steps {
		fmt.Fprintln(s.out, step)
	}
	for _, p := range problems {
		fmt.Fprintf(s.out, "! %v\n", p)
	}
	if len(steps) == 0 {
		fmt.Fprintln(s.out, "nothing would change")
	}
	return nil
}

const downLong = `Remove what skep up has set up: detach its programs and remove its tables.
Connections that they balanced end or stall. An agent that still runs must be
stopped first.`

func newDownCommand(s *streams) *cobra.Command {
	var pins, socket string
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Remove what skep up has set up",
		Long:    downLong,
		Example: "  skep down",
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if st, err := client.New(socket).Status(cmd.Context()); err == nil {
				return withHint(fmt.Errorf("an agent is running (process %d)", st.PID), fmt.Sprintf("stop it first: kill %d", st.PID))
			}
			if _, err := os.Stat(pins); errors.Is(err, os.ErrNotExist) {
				fmt.Fprintln(s.out, "nothing is set up")
				return nil
			}
			eng, _, err := choose.Open(cmd.Context(), choose.Kernel)
			if err != nil {
				return err
			}
			defer eng.Close()
			did, err := lb.Detach(eng, pins)
			for _, d := range did {
				fmt.Fprintln(s.out, d)
			}
			if len(did) == 0 && err == nil {
				fmt.Fprintln(s.out, "nothing is set up")
			}
			return errors.Join(err, agent.UnmountPins(filepath.Clean(pins)))
		},
	}
	cmd.Flags().StringVar(&pins, "pins", defaultPins, "folder where the dataplane stays between runs")
	cmd.Flags().StringVar(&socket, "socket", client.Socket, "path of the API's socket")
	return cmd
}
