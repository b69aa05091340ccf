package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/doctor"
)

const doctorLong = `Find out what this machine can do with eBPF, on both engines, by doing it: load
programs of every type, create maps, call helpers, attach to objects made for
the purpose. For each missing thing say what it would give and how to get it.

Works as root, as an ordinary user and in containers; leaves nothing behind.`

const doctorExample = `  skep doctor
  skep doctor --missing
  skep doctor --all-helpers -o json`

func newDoctorCommand(s *streams) *cobra.Command {
	var f format
	var missing, allHelpers bool
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Say what this machine can do, by trying",
		Long:    doctorLong,
		Example: doctorExample,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := examine(cmd.Context(), s, allHelpers)
			if err != nil {
				return err
			}
			if f != formatTable {
				return s.print(f, r)
			}
			if !missing {
				if err := printExamination(s, r); err != nil {
					return err
				}
			}
			return printMissing(s, r)
		},
	}
	cmd.Flags().BoolVar(&missing, "missing", false, "print only what is missing")
	cmd.Flags().BoolVar(&allHelpers, "all-helpers", false, "try the helpers of every program type, which takes longer")
	addFormat(cmd, &f)
	return cmd
}

// examine opens what engines there are, working or not, and tries them.
func examine(ctx context.Context, s *streams, allHelpers bool) (*doctor.Report, error) {
	opts := doctor.Options{AllHelpers: allHelpers, Unavailable: map[string]error{}}
	for _, want := range []choose.Want{choose.Kernel, choose.Embedded} {
		eng, err := choose.OpenUntried(want)
		if err != nil {
			opts.Unavailable[want.String()] = err
			continue
		}
		defer eng.Close()
		opts.Engines = append(opts.Engines, eng)
	}
	p := newProgress(s)
	opts.Progress = p.step
	defer p.clear()
	return doctor.Examine(ctx, opts)
}

// progress is a line on a terminal that shows how far something is, from the
// first second on.
type progress struct {
	s     *streams
	begun time.Time

	mu   sync.Mutex
	last time.Time
	open bool
}

func newProgress(s *streams) *progress { return &progress{s: s, begun: time.Now()} }

func (p *progress) step(done, total int, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.s.errTerminal || now.Sub(p.begun) < time.Second || now.Sub(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.open = now, true
	fmt.Fprintf(p.s.err, "\r\x1b[Ktrying %d of %d: %s", done, total, what)
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		fmt.Fprint(p.s.err, "\r\x1b[K")
	}
}

func printExamination(s *streams, r *doctor.Report) error {
	fmt.Fprintln(s.out, s.paint(bold, "machine"))
	t := &table{indent: "  "}
	for _, f := range r.Facts {
		style := ""
		if f.Missing {
			style = red
		}
		t.addCells(cell{text: f.Name}, cell{f.Value, style})
	}
	for _, e := range r.Engines {
		c := cell{"works", green}
		if !e.Works {
			c = cell{"does not work: " + e.Why, red}
		}
		t.addCells(cell{text: e.Name + " engine"}, c)
	}
	if err := t.write(s, s.out); err != nil {
		return err
	}
	for _, group := range []string{doctor.GroupPrograms, doctor.GroupMaps, doctor.GroupAttach, doctor.GroupOther} {
		fmt.Fprintln(s.out)
		if err := groupTable(r, group).write(s, s.out); err != nil {
			return err
		}
	}
	if len(r.Helpers) > 0 {
		fmt.Fprintln(s.out)
		return helperTable(r).write(s, s.out)
	}
	return nil
}

// engineNames are those that were tried.
func engineNames(r *doctor.Report) []string {
	if len(r.Features) == 0 {
		return nil
	}
	var names []string
	for _, a := range r.Features[0].Answers {
		names = append(names, a.Engine)
	}
	return names
}

func groupTable(r *doctor.Report, group string) *table {
	headings := []string{group}
	for _, n := range engineNames(r) {
		headings = append(headings, strings.ToUpper(n))
	}
	t := newTable(append(headings, "GIVES")...)
	for i := range r.Features {
		f := &r.Features[i]
		if f.Group != group {
			continue
		}
		row := []cell{{text: "  " + f.Name}}
		for _, a := range f.Answers {
			if a.Works {
				row = append(row, cell{"yes", green})
			} else {
				row = append(row, cell{"no", red})
			}
		}
		t.addCells(append(row, cell{f.Gives, dim})...)
	}
	return t
}

func helperTable(r *doctor.Report) *table {
	names := engineNames(r)
	headings := []string{"helpers by program type"}
	for _, n := range names {
		headings = append(headings, "<"+strings.ToUpper(n))
	}
	t := newTable(append(headings, "<KNOWN")...)
	counts := map[string]map[string]doctor.HelperCount{}
	var order []string
	for _, h := range r.Helpers {
		if counts[h.Program] == nil {
			counts[h.Program] = map[string]doctor.HelperCount{}
			order = append(order, h.Program)
		}
		counts[h.Program][h.Engine] = h
	}
	for _, p := range order {
		row := []string{"  " + p}
		known := 0
		for _, n := range names {
			row = append(row, fmt.Sprint(counts[p][n].Works))
			known = max(known, counts[p][n].Known)
		}
		t.add(append(row, fmt.Sprint(known))...)
	}
	return t
}

// lack is a reason for which an engine lacks things.
type lack struct {
	engine, why, remedy string
	names, gives        []string
}

// lacks groups what is missing by engine and reason, engine by engine, the first
// met first.
func lacks(r *doctor.Report) []*lack {
	var out []*lack
	add := func(engine, why, remedy, name, gives string) {
		i := slices.IndexFunc(out, func(l *lack) bool { return l.engine == engine && l.why == why && l.remedy == remedy })
		if i < 0 {
			i = len(out)
			out = append(out, &lack{engine: engine, why: why, remedy: remedy})
		}
		l := out[i]
		l.names = append(l.names, name)
		if gives != "" && !slices.Contains(l.gives, gives) {
			l.gives = append(l.gives, gives)
		}
	}
	for _, e := range r.Engines {
		if !e.Works {
			add(e.Name, e.Why, e.Remedy, "the engine", "")
		}
	}
	for i := range r.Features {
		f := &r.Features[i]
		for _, a := range f.Answers {
			if !a.Works {
				name := f.Name
				if f.Group == doctor.GroupAttach {
					name = "attaching " + name
				}
				add(a.Engine, a.Why, a.Remedy, name, f.Gives)
			}
		}
	}
	names := engineNames(r)
	slices.SortStableFunc(out, func(a, b *lack) int { return slices.Index(names, a.engine) - slices.Index(names, b.engine) })
	return out
}

func printMissing(s *streams, r *doctor.Report) error {
	var b strings.Builder
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "    %s %s\n", s.paint(dim, fmt.Sprintf("%-7s", label)), text)
		}
	}
	for _, f := range r.Facts {
		if f.Missing {
			fmt.Fprintf(&b, "  %s: %s\n", s.paint(bold, f.Name), f.Value)
			line("gives", f.Gives)
			line("get it", f.Remedy)
		}
	}
	for _, l := range lacks(r) {
		fmt.Fprintf(&b, "  %s: %s\n", s.paint(bold, l.engine+" engine"), enumerate(l.names, 8))
		line("why", l.why)
		line("gives", enumerateWith(l.gives, 3, "; "))
		line("get it", l.remedy)
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := fmt.Fprintf(s.out, "\n%s\n%s", s.paint(bold, "missing"), b.String())
	return err
}

// enumerate lists the first names, and how many more there are.
func enumerate(names []string, limit int) string { return enumerateWith(names, limit, ", ") }

func enumerateWith(names []string, limit int, separator string) string {
	if len(names) <= limit+1 {
		return strings.Join(names, separator)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], separator), len(names)-limit)
}
