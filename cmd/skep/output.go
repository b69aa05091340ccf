package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/internal/btfdump"
)

// format is the value of -o.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
)

func formats() []string { return []string{string(formatTable), string(formatJSON), string(formatYAML)} }

// choice is a flag that takes one of a few words.
type choice struct {
	value *string
	words []string
}

func (c choice) String() string { return *c.value }
func (c choice) Type() string   { return strings.Join(c.words, "|") }

func (c choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.words, ", "))
	}
	*c.value = s
	return nil
}

// addChoice adds a flag with completion of its words.
func addChoice(cmd *cobra.Command, value *string, name, short, def, help string, words ...string) {
	*value = def
	cmd.Flags().VarP(choice{value, words}, name, short, help)
	_ = cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	})
}

func addFormat(cmd *cobra.Command, f *format) {
	addChoice(cmd, (*string)(f), "output", "o", string(formatTable), "how to print", formats()...)
}

// print writes v as JSON or YAML. The two have the same fields in the same
// order: YAML is made from the JSON.
func (s *streams) print(f format, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	if f == formatYAML {
		tree, err := btfdump.FromJSON(b.Bytes())
		if err != nil {
			return err
		}
		b.Reset()
		b.Write(tree.AppendYAML(nil))
	}
	_, err := s.out.Write(b.Bytes())
	return err
}
