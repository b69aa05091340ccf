package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/lab"
)

const labLong = `Build a network of nodes, switches and endpoints on this machine to try things
in: IPv4 and IPv6, every packet through real eBPF programs where they are
attached.

In the kernel world hosts are network namespaces, and commands run inside. In
the embedded world they are TCP/IP stacks in this process; it needs no
privilege. Nothing stays behind, however the command ends.

The network comes from flags, a star of endpoints e1, e2, … around a node, or
from a YAML file:

  nodes: [left, right]
  links:
    - [left, right]
  endpoints:
    - {name: client, on: left}
    - {name: server, on: right, addrs: [10.9.0.2/24, "fd09::2/64"]}
  programs:
    - object: prog.o
      program: filter
      at: server
      hook: xdp
      set: [limit=10]
      maps: {blocked: {10.9.0.0/16: 1}}
  captures:
    - {link: client-left, file: client.pcapng}`

func newLabCommand(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Build a network on this machine to try things in",
		Long:  labLong,
		Example: `  skep lab up --endpoints 3
  skep lab ping --endpoints 2 --attach drop.o:filter@e2:xdp
  sudo skep lab run --endpoints 2 -- ping -c 3 e2
  sudo skep lab exec e1 -- ip addr`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, a []string) error {
			if len(a) > 0 {
				return unknownCommand(cmd, a[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newLabUpCommand(s), newLabPingCommand(s), newLabRunCommand(s), newLabExecCommand(s))
	return cmd
}

func newLabUpCommand(s *streams) *cobra.Command {
	var t labFlags
	var f format
	var length time.Duration
	var ping bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a lab and keep it until Ctrl-C",
		Long: `Start a lab, print its addresses, and keep it until Ctrl-C.

In the kernel world its namespaces are named under /run/netns meanwhile, for
skep lab exec and ip netns.`,
		Example: "  skep lab up --endpoints 3\n  skep lab up --file lab.yaml --for 10m\n  skep lab up --endpoints 2 --capture e1-node=e1.pcapng",
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("for") && length <= 0 {
				return usage(fmt.Errorf("--for %v: must be more than nothing", length))
			}
			ctx := cmd.Context()
			b, err := t.build(ctx, true)
			if err != nil {
				return err
			}
			defer b.close()
			r := b.describe()
			if ping {
				r.Pings = b.pingAll(ctx)
			}
			if f != formatTable {
				err = s.print(f, r)
			} else {
				err = r.print(s)
			}
			if err != nil {
				return err
			}
			var end <-chan time.Time
			if length > 0 {
				end = time.After(length)
			} else if f == formatTable {
				fmt.Fprintln(s.out, "\nup until Ctrl-C")
			}
			select {
			case <-ctx.Done():
			case <-end:
			}
			return b.close()
		},
	}
	t.add(cmd)
	cmd.Flags().DurationVar(&length, "for", 0, "end after this `TIME` (10s, 5m)")
	cmd.Flags().BoolVar(&ping, "ping", false, "ping from every endpoint to every other first")
	addFormat(cmd, &f)
	return cmd
}

func newLabPingCommand(s *streams) *cobra.Command {
	var t labFlags
	var f format
	cmd := &cobra.Command{
		Use:     "ping",
		Short:   "Start a lab, ping between all endpoints, end",
		Long:    "Start a lab, ping from every endpoint to every other over IPv4 and IPv6, and end.\nExits with 1 if a ping got no reply.",
		Example: "  skep lab ping --endpoints 3 --switch\n  skep lab ping --endpoints 2 --attach prog.o:filter@e2:xdp",
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := t.build(cmd.Context(), false)
			if err != nil {
				return err
			}
			defer b.close()
			r := b.describe()
			r.Pings = b.pingAll(cmd.Context())
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if f != formatTable {
				err = s.print(f, r)
			} else {
				err = r.print(s)
			}
			if err := errors.Join(err, b.close()); err != nil {
				return err
			}
			for _, p := range r.Pings {
				if p.Error != "" {
					return errSilent
				}
			}
			return nil
		},
	}
	t.add(cmd)
	addFormat(cmd, &f)
	return cmd
}

func newLabRunCommand(s *streams) *cobra.Command {
	var t labFlags
	var in string
	cmd := &cobra.Command{
		Use:   "run -- COMMAND…",
		Short: "Start a lab, run a command inside an endpoint, end",
		Long: `Start a lab in the kernel world, run a command inside one of its endpoints, and
end with the command's exit code.

The command finds the addresses of every endpoint NAME in the environment, as
LAB_NAME_IP4 and LAB_NAME_IP6, and its own endpoint's name in LAB_ENDPOINT.`,
		Example: `  sudo skep lab run --endpoints 2 -- sh -c 'ping -c 3 $LAB_E2_IP4'
  sudo skep lab run --file lab.yaml --in client -- bash`,
		Args: func(_ *cobra.Command, a []string) error {
			if len(a) == 0 {
				return usage(errors.New("a command is missing"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			t.needExec = true
			b, err := t.build(cmd.Context(), false)
			if err != nil {
				return err
			}
			defer b.close()
			host, err := b.endpoint(in)
			if err != nil {
				return err
			}
			return errors.Join(runInside(cmd.Context(), s, b, host, a), b.close())
		},
	}
	t.add(cmd)
	cmd.Flags().StringVar(&in, "in", "", "endpoint to run in; the first one if not said")
	return cmd
}

// runInside runs a command in an endpoint with the addresses of all of them in
// its environment.
func runInside(ctx context.Context, s *streams, b *builtLab, host *lab.Endpoint, words []string) error {
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Stdin, c.Stdout, c.Stderr = s.in, s.out, s.err
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 2 * time.Second
	c.Env = append(os.Environ(), "LAB_ENDPOINT="+host.Name())
	for _, e := range b.endpoints {
		name := strings.ToUpper(strings.ReplaceAll(e.Name(), "-", "_"))
		c.Env = append(c.Env, "LAB_"+name+"_IP4="+e.Addr4().String(), "LAB_"+name+"_IP6="+e.Addr6().String())
	}
	err := host.Exec(c)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exitCode(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}

// exitCode is a command's own, passed on without words.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func newLabExecCommand(s *streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "exec HOST -- COMMAND…",
		Short: "Run a command inside a host of a lab that is up",
		Long: `Run a command inside an endpoint or node of a lab that another skep lab up keeps
in the kernel world. The command takes this process's place.`,
		Example: "  sudo skep lab exec e1 -- ip addr\n  sudo skep lab exec --lab web server -- ss -tln",
		Args: func(_ *cobra.Command, a []string) error {
			switch len(a) {
			case 0:
				return usage(errors.New("a host is missing"))
			case 1:
				return usage(errors.New("a command is missing"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, a []string) error { return execInNamespace(name, a[0], a[1:]) },
	}
	cmd.Flags().StringVar(&name, "lab", "", "the lab's name, if several are up")
	return cmd
}
