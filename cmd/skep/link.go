package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/object"
)

const linkLong = `Make one object of several, as bpftool gen object does: functions, maps and
variables that one declares extern are those that another defines, __weak
definitions give way to others, and types are kept once. What comes out runs on
either engine, and can be linked again.`

const linkExample = `  skep link main.o lib.o --out whole.o
  skep run whole.o --program filter --pcap syn.pcap`

func newLinkCommand(s *streams) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "link OBJECT...",
		Short:   "Link several objects into one",
		Long:    linkLong,
		Example: linkExample,
		Args: func(_ *cobra.Command, a []string) error {
			if len(a) == 0 {
				return usage(errors.New("an object file is missing"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, paths []string) error {
			data, err := object.LinkFiles(paths...)
			if err != nil {
				return err
			}
			if out == "" {
				_, err = s.out.Write(data)
				return err
			}
			if err := os.WriteFile(out, data, 0o644); err != nil {
				return fmt.Errorf("link: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write to a file instead of standard output")
	return cmd
}
