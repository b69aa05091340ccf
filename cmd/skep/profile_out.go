package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/trace/flame"
	"github.com/skepdev/skep/trace/profile"
)

// profileFormats are the formats, and the ends of file names that choose them.
var profileFormats = []struct{ name, suffix string }{
	{"html", ".html"},
	{"pprof", ".pb.gz"},
	{"pprof", ".pprof"},
	{"speedscope", ".speedscope.json"},
	{"firefox", ".json"},
	{"folded", ".folded"},
	{"folded", ".txt"},
}

// profileOutput says where a profile goes, and in what form.
type profileOutput struct {
	file, format string
	top          int
	count        bool
}

func (o *profileOutput) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&o.file, "output", "o", "", "write to `FILE`; its name says how: .html, .pb.gz, .folded, .speedscope.json, .json (Firefox)")
	addChoice(cmd, &o.format, "format", "f", "", "how to write", "table", "html", "pprof", "folded", "speedscope", "firefox")
	fl.IntVar(&o.top, "top", 20, "how many functions the table has")
	fl.BoolVar(&o.count, "count", false, "by number of samples, not by time or bytes")
}

// check chooses the format.
func (o *profileOutput) check() error {
	if o.format != "" {
		return nil
	}
	o.format = "table"
	if o.file == "" {
		return nil
	}
	for _, f := range profileFormats {
		if strings.HasSuffix(o.file, f.suffix) {
			o.format = f.name
			return nil
		}
	}
	return usage(withHint(fmt.Errorf("%s: the name does not say in what form to write", o.file), "end it with .html, .pb.gz, .folded, .speedscope.json or .json, or add --format"))
}

func (o *profileOutput) value() int {
	if o.count {
		return 0
	}
	return 1
}

// write writes a profile, and says on standard error what was lost.
func (o *profileOutput) write(s *streams, p *profile.Profile) error {
	g := flame.New(p, o.value())
	g.Subtitle = strings.TrimPrefix(g.Subtitle+", "+account(p), ", ")
	err := o.to(s, func(w io.Writer) error {
		switch o.format {
		case "html":
			return g.WriteHTML(w)
		case "pprof":
			return p.WritePprof(w)
		case "folded":
			return p.WriteFolded(w, o.value())
		case "speedscope":
			return p.WriteSpeedscope(w, o.value())
		case "firefox":
			return p.WriteFirefox(w, o.value())
		}
		return o.table(s, w, g, p)
	})
	if err != nil {
		return err
	}
	if o.file != "" || o.format != "table" {
		fmt.Fprintf(s.err, "%s\n", account(p))
	}
	st := p.Stats
	if st.LostFull > 0 {
		fmt.Fprintf(s.err, "lost %d samples: no room for more stacks (--stacks)\n", st.LostFull)
	}
	if st.LostBusy > 0 {
		fmt.Fprintf(s.err, "lost %d samples: too many at once on a processor\n", st.LostBusy)
	}
	if st.Skipped > 0 {
		fmt.Fprintf(s.err, "%d binaries were walked by frame pointers: no room for their tables (--rows)\n", st.Skipped)
	}
	return nil
}

// account is what was sampled, in a line.
func account(p *profile.Profile) string {
	text := fmt.Sprintf("%d samples", p.Total(0))
	if p.Types[1].Unit != "count" {
		text += ", " + flame.Value(p.Total(1), p.Types[1].Unit) + " of " + p.Types[1].Name
	}
	if lost := p.Stats.LostFull + p.Stats.LostBusy; lost > 0 {
		text += fmt.Sprintf(", %d lost", lost)
	}
	return text
}

// to opens where output goes.
func (o *profileOutput) to(s *streams, f func(io.Writer) error) error {
	if o.file == "" || o.file == "-" {
		b := bufio.NewWriter(s.out)
		if err := f(b); err != nil {
			return err
		}
		return b.Flush()
	}
	return writeFile(o.file, f)
}

// writeFile writes a file that is there whole or not at all.
func writeFile(path string, f func(io.Writer) error) error {
	tmp, err := os.CreateTemp(dirOf(path), ".skep-profile-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	b := bufio.NewWriter(tmp)
	err = f(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func dirOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i+1]
	}
	return "."
}

// table prints the functions that have most.
func (o *profileOutput) table(s *streams, w io.Writer, g *flame.Graph, p *profile.Profile) error {
	fmt.Fprintf(w, "%s profile: %s\n", p.Kind, account(p))
	t := newTable("<SELF", "<", "<TOTAL", "<", "FUNCTION")
	total := g.Root.Total
	for i, f := range g.Functions() {
		if i == o.top {
			break
		}
		t.add(g.Value(f.Self), portion(f.Self, total), g.Value(f.Total), portion(f.Total, total), f.Name)
	}
	return t.write(s, w)
}

func portion(v, of int64) string {
	if of == 0 {
		return "0.0 %"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(v)/float64(of))
}
