package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/client"
	"github.com/skepdev/skep/internal/btfdump"
	"github.com/skepdev/skep/internal/strictyaml"
)

func newServiceCommand(s *streams) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Show and change the services that skep up balances",
		Example: `  skep service list
  skep service get default/web
  skep service apply -f web.yaml
  skep service watch`,
	}
	cmd.PersistentFlags().StringVar(&socket, "socket", client.Socket, "path of the API's socket")
	agent := func() *client.Client { return client.New(socket) }
	cmd.AddCommand(serviceList(s, agent), serviceGet(s, agent), serviceApply(s, agent), serviceDelete(s, agent), serviceWatch(s, agent))
	return needsVerb(cmd)
}

// needsVerb makes a command that only groups others say which there are.
func needsVerb(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
	return cmd
}

// reached adds the next step to take where no agent runs.
func reached(err error) error {
	if errors.Is(err, client.ErrNoAgent) {
		return withHint(err, "skep up -f FILE starts one")
	}
	return err
}

func serviceList(s *streams, agent func() *client.Client) *cobra.Command {
	var f format
	cmd := &cobra.Command{
		Use: "list", Short: "List services, one line a port and family", Example: "  skep service list -o json", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			services, err := agent().Services(cmd.Context())
			if err != nil {
				return reached(err)
			}
			if f != formatTable {
				return s.print(f, services)
			}
			return listServices(s, services)
		},
	}
	addFormat(cmd, &f)
	return cmd
}

func listServices(s *streams, services []client.Service) error {
	t := newTable("SERVICE", "ADDRESSES", "<BACKENDS", "ALGORITHM", "<CONNECTIONS", "<PACKETS", "<BYTES")
	for _, sv := range services {
		for _, p := range sv.Pools {
			var addrs []string
			for _, f := range p.Frontends {
				addrs = append(addrs, f.Addr.String())
			}
			up := 0
			for _, b := range p.Backends {
				if b.State == "active" && b.Weight > 0 {
					up++
				}
			}
			t.add(p.Name, strings.Join(addrs, " "), fmt.Sprintf("%d/%d", up, len(p.Backends)), p.Algorithm,
				fmt.Sprint(p.Connections), fmt.Sprint(p.Packets), fmt.Sprint(p.Bytes))
		}
		for _, problem := range sv.Problems {
			t.add(sv.Name, "! "+problem, "", "", "", "", "")
		}
	}
	return t.write(s, s.out)
}

func serviceGet(s *streams, agent func() *client.Client) *cobra.Command {
	var f format
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Show a service with its backends", Example: "  skep service get web\n  skep service get shop/web -o yaml", Args: args("NAME"),
		RunE: func(cmd *cobra.Command, words []string) error {
			services, err := agent().Services(cmd.Context())
			if err != nil {
				return reached(err)
			}
			sv, err := findService(services, words[0])
			if err != nil {
				return err
			}
			if f != formatTable {
				return s.print(f, sv)
			}
			return showService(s, sv)
		},
	}
	addFormat(cmd, &f)
	return cmd
}

func qualified(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "default/" + name
}

func findService(services []client.Service, name string) (*client.Service, error) {
	var names []string
	for i := range services {
		if services[i].Name == qualified(name) {
			return &services[i], nil
		}
		names = append(names, services[i].Name)
	}
	err := fmt.Errorf("no service %q", qualified(name))
	if near := btfdump.Suggest(qualified(name), names); near != "" {
		return nil, withHint(err, fmt.Sprintf("did you mean %q?", near))
	}
	return nil, withHint(err, "skep service list shows what there is")
}

func showService(s *streams, sv *client.Service) error {
	for i, p := range sv.Pools {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		fmt.Fprintf(s.out, "%s  %s", s.paint(bold, p.Name), p.Algorithm)
		if p.Forward != "" {
			fmt.Fprintf(s.out, " by %s", p.Forward)
		}
		if p.Affinity != "" {
			fmt.Fprintf(s.out, ", affinity %s", p.Affinity)
		}
		if len(p.Sources) > 0 {
			fmt.Fprintf(s.out, ", from %v", p.Sources)
		}
		fmt.Fprintln(s.out)
		for _, f := range p.Frontends {
			fmt.Fprintf(s.out, "  at %v (%s)\n", f.Addr, f.Kind)
		}
		t := newTable("BACKEND", "STATE", "<WEIGHT", "<ACTIVE", "<CONNECTIONS", "<PACKETS", "<BYTES", "CHECK")
		t.indent = "  "
		for _, b := range p.Backends {
			check := "-"
			if c := b.Check; c != nil {
				check = fmt.Sprintf("ok in %.1f ms", c.LatencyMS)
				if c.Error != "" {
					check = c.Error
				}
			}
			t.add(b.Addr.String(), b.State, fmt.Sprint(b.Weight), fmt.Sprint(b.Active), fmt.Sprint(b.Connections), fmt.Sprint(b.Packets), fmt.Sprint(b.Bytes), check)
		}
		if err := t.write(s, s.out); err != nil {
			return err
		}
	}
	for _, problem := range sv.Problems {
		fmt.Fprintf(s.out, "! %s\n", problem)
	}
	return nil
}

func serviceApply(s *streams, agent func() *client.Client) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Apply resources from a file, - for standard input",
		Long:    "Apply resources. They stay until they are deleted, also when the agent restarts.",
		Example: "  skep service apply -f web.yaml", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usage(errors.New("-f is missing"))
			}
			text, err := readResource(s.in, file)
			if err != nil {
				return err
			}
			steps, err := agent().Apply(cmd.Context(), file, text)
			printSteps(s, steps)
			return reached(err)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with resources")
	return cmd
}

func readResource(in io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(in, strictyaml.MaxBytes+1))
	}
	return os.ReadFile(file)
}

func printSteps(s *streams, steps []client.Step) {
	for _, step := range steps {
		fmt.Fprintln(s.out, step.Text)
	}
}

func serviceDelete(s *streams, agent func() *client.Client) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME | KIND/NAMESPACE/NAME", Short: "Delete a resource that was applied",
		Example: "  skep service delete web\n  skep service delete endpointslice/default/web-1", Args: args("NAME"),
		RunE: func(cmd *cobra.Command, words []string) error {
			key := words[0]
			if strings.Count(key, "/") < 2 {
				key = "service/" + qualified(key)
			}
			steps, err := agent().Delete(cmd.Context(), key)
			printSteps(s, steps)
			return reached(err)
		},
	}
}

func serviceWatch(s *streams, agent func() *client.Client) *cobra.Command {
	return &cobra.Command{
		Use: "watch", Short: "Print changes as they happen, until interrupted", Example: "  skep service watch", Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := agent().Watch(cmd.Context(), func(e client.Event) bool {
				for _, step := range e.Steps {
					fmt.Fprintf(s.out, "%s %s\n", e.Time.Format("15:04:05.000"), step.Text)
				}
				if e.Error != "" {
					fmt.Fprintf(s.out, "%s ! %s: %s\n", e.Time.Format("15:04:05.000"), e.Service, e.Error)
				}
				return true
			})
			if errors.Is(err, context.Canceled) {
				return cmd.Context().Err()
			}
			return reached(err)
		},
	}
}
