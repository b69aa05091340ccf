package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/trace/flame"
	"github.com/skepdev/skep/trace/profile"
)

const profileDiffLong = `Compare two profiles, in pprof's form or folded: which functions have a larger
share than before, and which a smaller one. Shares are of each profile's own
total, so that profiles of different lengths can be compared.

As HTML: a flame graph of the second, red where it grew and blue where it shrank.`

func newProfileDiffCommand(s *streams) *cobra.Command {
	var o profileOutput
	cmd := &cobra.Command{
		Use:     "diff BEFORE AFTER",
		Short:   "What grew and what shrank between two profiles",
		Long:    profileDiffLong,
		Example: "  skep profile diff before.pb.gz after.pb.gz\n  skep profile diff before.folded after.folded -o diff.html",
		Args:    args("BEFORE, a profile", "AFTER, a profile"),
		RunE: func(_ *cobra.Command, a []string) error {
			return profileDiff(s, &o, a[0], a[1])
		},
	}
	cmd.Flags().StringVarP(&o.file, "output", "o", "", "write to `FILE`: .html")
	addChoice(cmd, &o.format, "format", "f", "", "how to write", "table", "html")
	cmd.Flags().IntVar(&o.top, "top", 20, "how many functions the table has")
	return cmd
}

func profileDiff(s *streams, o *profileOutput, before, after string) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.format != "table" && o.format != "html" {
		return usage(fmt.Errorf("a difference is written as table or html, not as %s", o.format))
	}
	a, err := readProfile(s, before)
	if err != nil {
		return err
	}
	b, err := readProfile(s, after)
	if err != nil {
		return err
	}
	if a.Types[1].Unit != b.Types[1].Unit {
		return fmt.Errorf("%s has %s, %s has %s: they cannot be compared", before, a.Types[1].Unit, after, b.Types[1].Unit)
	}
	g := flame.Diff(a, b, 1)
	g.Subtitle = fmt.Sprintf("from %s to %s", before, after)
	return o.to(s, func(w io.Writer) error {
		if o.format == "html" {
			return g.WriteHTML(w)
		}
		return diffTable(s, w, g, o.top)
	})
}

// diffTable prints the functions whose own share changed most.
func diffTable(s *streams, w io.Writer, g *flame.Graph, top int) error {
	part := func(v, of int64) float64 {
		if of == 0 {
			return 0
		}
		return 100 * float64(v) / float64(of)
	}
	type line struct {
		flame.Function
		change float64
	}
	var lines []line
	for _, f := range g.Functions() {
		lines = append(lines, line{f, part(f.Self, g.Root.Total) - part(f.BeforeSelf, g.Root.Before)})
	}
	abs := func(v float64) float64 { return max(v, -v) }
	sort.SliceStable(lines, func(i, j int) bool { return abs(lines[i].change) > abs(lines[j].change) })
	t := newTable("<CHANGE", "<BEFORE", "<AFTER", "FUNCTION")
	for i, l := range lines {
		if i == top || abs(l.change) < 0.05 {
			break
		}
		t.add(fmt.Sprintf("%+.1f", l.change), portion(l.BeforeSelf, g.Root.Before), portion(l.Self, g.Root.Total), l.Name)
	}
	return t.write(s, w)
}

// readProfile reads a file in pprof's form, which is compressed, or folded.
func readProfile(s *streams, path string) (*profile.Profile, error) {
	var r io.Reader = s.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b := bufio.NewReader(r)
	head, _ := b.Peek(2)
	read := profile.ReadFolded
	if bytes.Equal(head, []byte{0x1f, 0x8b}) {
		read = profile.ReadPprof
	}
	p, err := read(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
