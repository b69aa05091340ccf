package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/agent"
	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/client"
	"github.com/skepdev/skep/net/lb"
)

func newLBCommand(s *streams) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "lb",
		Short: "Look into the load balancer",
		Example: `  skep lb trace 'tcp 10.0.0.1:40000 > 10.96.0.1:80'
  skep lb trace -f services/ 'udp [fd00::1]:5000 > [fd00:96::1]:53'
  skep lb tables -o json
  skep lb connections
  skep lb status`,
	}
	cmd.PersistentFlags().StringVar(&socket, "socket", client.Socket, "path of the API's socket")
	c := func() *client.Client { return client.New(socket) }
	cmd.AddCommand(lbTrace(s, c), lbTables(s, c), lbConnections(s, c), lbStatus(s, c), lbMetrics(s, c))
	return needsVerb(cmd)
}

// offline makes the tables of files on the embedded engine, where they hurt
// nobody.
func offline(ctx context.Context, s *streams, files []string) (*lb.Dataplane, func() error, error) {
	eng, _, err := choose.Open(ctx, choose.Embedded)
	if err != nil {
		return nil, nil, err
	}
	d, err := agent.Offline(ctx, eng, agent.Config{Files: files, Log: slog.New(slog.NewTextHandler(s.err, nil))})
	if err != nil {
		return nil, nil, errors.Join(pointed(err), eng.Close())
	}
	return d, func() error { return errors.Join(d.Close(), eng.Close()) }, nil
}

const lbTraceLong = `Explain where a packet would go and why, step by step, without sending it and
without a trace in the tables. The tables are those of the running agent, or with
-f those that the resources in files make.

A packet is written: tcp|udp|sctp CLIENT:PORT > ADDRESS:PORT [syn]`

func lbTrace(s *streams, c func() *client.Client) *cobra.Command {
	var f format
	var files []string
	cmd := &cobra.Command{
		Use: "trace PACKET", Short: "Explain where a packet would go and why", Long: lbTraceLong, Args: args("PACKET"),
		Example: `  skep lb trace 'tcp 10.0.0.1:40000 > 10.96.0.1:80'
  skep lb trace -f services/ 'tcp 10.0.0.1:40000 > 10.96.0.1:80 syn'`,
		RunE: func(cmd *cobra.Command, words []string) error {
			p, err := lb.ParsePacket(words[0])
			if err != nil {
				return usage(err)
			}
			e, err := explain(cmd.Context(), s, c(), files, words[0], p)
			if err != nil {
				return err
			}
			if f != formatTable {
				return s.print(f, e)
			}
			for i, step := range e.Steps {
				fmt.Fprintf(s.out, "%d. %s\n", i+1, step)
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file or folder with resources, instead of the running agent's")
	addFormat(cmd, &f)
	return cmd
}

func explain(ctx context.Context, s *streams, c *client.Client, files []string, text string, p lb.Packet) (e lb.Explanation, err error) {
	if len(files) == 0 {
		raw, err := c.Trace(ctx, text)
		if err != nil {
			return e, reached(err)
		}
		return e, json.Unmarshal(raw, &e)
	}
	d, done, err := offline(ctx, s, files)
	if err != nil {
		return e, err
	}
	e, err = d.Explain(p)
	return e, errors.Join(err, done())
}

func lbTables(s *streams, c func() *client.Client) *cobra.Command {
	var f format
	var files []string
	cmd := &cobra.Command{
		Use: "tables", Short: "Print the tables as the programs see them", Args: args(),
		Example: "  skep lb tables\n  skep lb tables -f services/ -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := readTables(cmd.Context(), s, c(), files)
			if err != nil {
				return err
			}
			if f != formatTable {
				return s.print(f, t)
			}
			return printTables(s, &t)
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file or folder with resources, instead of the running agent's")
	addFormat(cmd, &f)
	return cmd
}

func readTables(ctx context.Context, s *streams, c *client.Client, files []string) (t lb.Tables, err error) {
	if len(files) == 0 {
		raw, err := c.Tables(ctx)
		if err != nil {
			return t, reached(err)
		}
		return t, json.Unmarshal(raw, &t)
	}
	d, done, err := offline(ctx, s, files)
	if err != nil {
		return t, err
	}
	t, err = d.Tables()
	return t, errors.Join(err, done())
}

func printTables(s *streams, t *lb.Tables) error {
	front := newTable("<ID", "FRONTEND", "PROTOCOL", "POOL", "<TABLE", "<ENTRIES", "FLAGS")
	for _, f := range t.Frontends {
		flags := "-"
		if len(f.Flags) > 0 {
			flags = fmt.Sprint(f.Flags)
		}
		front.add(fmt.Sprint(f.ID), f.Addr.String(), f.Protocol, f.Pool, fmt.Sprint(f.Table), fmt.Sprint(f.Size), flags)
	}
	if err := front.write(s, s.out); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	back := newTable("<ID", "BACKEND", "FORWARD", "STATE", "<WEIGHT", "<ENTRIES", "POOL")
	for _, b := range t.Backends {
		back.add(fmt.Sprint(b.ID), b.Addr.String(), b.Forward, b.State, fmt.Sprint(b.Weight), fmt.Sprint(b.Entries), b.Pool)
	}
	return back.write(s, s.out)
}

func lbConnections(s *streams, c func() *client.Client) *cobra.Command {
	return &cobra.Command{
		Use: "connections", Short: "Print the connection table, one JSON object a line", Args: args(),
		Example: "  skep lb connections | jq .backend",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return reached(c().Connections(cmd.Context(), func(line json.RawMessage) bool {
				_, err := fmt.Fprintf(s.out, "%s\n", line)
				return err == nil
			}))
		},
	}
}

func lbStatus(s *streams, c func() *client.Client) *cobra.Command {
	var f format
	cmd := &cobra.Command{
		Use: "status", Short: "Say what the running agent does, and what it cannot", Args: args(), Example: "  skep lb status",
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := c().Status(cmd.Context())
			if err != nil {
				return reached(err)
			}
			if f == formatTable {
				f = formatYAML
			}
			return s.print(f, st)
		},
	}
	addFormat(cmd, &f)
	return cmd
}

func lbMetrics(s *streams, c func() *client.Client) *cobra.Command {
	return &cobra.Command{
		Use: "metrics", Short: "Print the metrics that Prometheus scrapes", Args: args(), Example: "  skep lb metrics",
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := c().Metrics(cmd.Context())
			if err != nil {
				return reached(err)
			}
			_, err = fmt.Fprint(s.out, text)
			return err
		},
	}
}
