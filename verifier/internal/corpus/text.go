package corpus

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Table writes how far the judges agree.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d objects, %d not opened; %d programs, %d with an expectation of their own; %.1f s\n\n",
		r.Objects, len(r.NotOpened), len(r.Results), r.expected(), r.Elapsed.Seconds())
	row := func(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") }
	row("JUDGE", "AGAINST", "VERDICT", "%", "SUCCESS", "%", "FAILURE", "%", "MESSAGES", "%", "CANNOT SAY")
	for _, a := range r.Agreements() {
		row(slices.Concat([]string{a.Judge, a.Reference}, cells(a.All()), cells(a.Success), cells(a.Failure), cells(a.Messages), []string{fmt.Sprint(a.CannotSay)})...)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range r.Speeds() {
		fmt.Fprintf(w, "\n%s takes %.2f of the kernel's time (geometric mean of %d programs); worst %.2f: %s\n", s.Judge, s.Ratio, s.Programs, s.Worst, s.WorstCase)
	}
	return nil
}

func cells(c Count) []string {
	if c.Of == 0 {
		return []string{"-", "-"}
	}
	return []string{fmt.Sprintf("%d/%d", c.Same, c.Of), fmt.Sprintf("%.1f", c.Percent())}
}

func (r *Report) expected() int {
	n := 0
	for i := range r.Results {
		if r.Results[i].Case.Expected {
			n++
		}
	}
	return n
}

// PerFile writes, for each object, how many verdicts and messages of a judge are
// right, the worst first.
func (r *Report) PerFile(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OBJECT\tJUDGE\tAGAINST\tVERDICT\tMESSAGES\tCANNOT SAY")
	var rows []fileRow
	for _, part := range r.byObject() {
		for _, a := range part.Agreements() {
			rows = append(rows, fileRow{ObjectName(part.Results[0].Case.Object), a})
		}
	}
	slices.SortStableFunc(rows, func(a, b fileRow) int { return cmp.Compare(b.wrong(), a.wrong()) })
	for _, row := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", row.object, row.Judge, row.Reference, cells(row.All())[0], cells(row.Messages)[0], row.CannotSay)
	}
	return t.Flush()
}

type fileRow struct {
	object string
	Agreement
}

func (f fileRow) wrong() int {
	return f.All().Of - f.All().Same + f.Messages.Of - f.Messages.Same
}

// byObject splits the report.
func (r *Report) byObject() []*Report {
	var out []*Report
	for i := range r.Results {
		if i == 0 || r.Results[i].Case.Object != r.Results[i-1].Case.Object {
			out = append(out, &Report{Judges: r.Judges, Objects: 1})
		}
		last := out[len(out)-1]
		last.Results = append(last.Results, r.Results[i])
	}
	return out
}

// List writes the disagreements, one a line; with verbose, every verdict and the
// logs' last lines (all of them with more).
func (r *Report) List(w io.Writer, lines int) error {
	for _, d := range r.Disagreements() {
		if _, err := io.WriteString(w, r.describe(d, lines)); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) describe(d Disagreement, lines int) string {
	var b strings.Builder
	c, v := d.Result.Case, &d.Result.Verdicts[d.Judge]
	fmt.Fprintf(&b, "%s (%s): %s %s", c.Name(), c.Section, r.Judges[d.Judge], v)
	switch {
	case d.Missing != "":
		fmt.Fprintf(&b, ", without the message %q\n", d.Missing)
	case d.Reference == Expectation && c.Success:
		fmt.Fprintf(&b, ", expected to load\n")
	case d.Reference == Expectation:
		fmt.Fprintf(&b, ", expected to fail\n")
	default:
		fmt.Fprintf(&b, ", against %s\n", strings.Replace(d.Reference, KernelName, "the kernel", 1))
	}
	if lines > 0 {
		b.WriteString(r.Describe(d.Result, lines))
	}
	return b.String()
}

// Describe writes everything that is known of one case, with the last lines of
// each log.
func (r *Report) Describe(res *Result, lines int) string {
	var b strings.Builder
	c := res.Case
	if c.Expected {
		fmt.Fprintf(&b, "  expected: success %v\n", c.Success)
		for _, m := range c.Messages {
			fmt.Fprintf(&b, "    message %q\n", m.Text)
		}
	}
	for i, name := range r.Judges {
		v := &res.Verdicts[i]
		fmt.Fprintf(&b, "  %s %s", name, v)
		if v.Stats.Insns > 0 {
			fmt.Fprintf(&b, " (%d instructions, %v)", v.Stats.Insns, res.time(i))
		}
		b.WriteString("\n")
		if log := LastWords(v.Log, lines); log != "" {
			b.WriteString("    " + strings.ReplaceAll(log, "\n", "\n    ") + "\n")
		}
	}
	return b.String()
}

// CannotSay writes why a judge had no verdict, by reason, most frequent first.
func (r *Report) CannotSay(w io.Writer) {
	for i, name := range r.Judges {
		reasons := map[string]int{}
		for j := range r.Results {
			if why := r.Results[j].Verdicts[i].NotSupported; why != "" {
				reasons[r.general(why, r.Results[j].Case)]++
			}
		}
		order := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
			return cmp.Or(cmp.Compare(reasons[b], reasons[a]), cmp.Compare(a, b))
		})
		for _, why := range order {
			fmt.Fprintf(w, "%s cannot say, %d programs: %s\n", name, reasons[why], why)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(r.NotOpened)) {
		fmt.Fprintf(w, "not opened: %s: %s\n", ObjectName(f), r.NotOpened[f])
	}
}

// general is a reason without the program's name, so that equal ones count as one.
func (r *Report) general(why string, c *Case) string {
	return strings.TrimPrefix(why, "program "+c.Program+": ")
}

// resultJSON is a result for machines.
type resultJSON struct {
	Object   string                 `json:"object"`
	Program  string                 `json:"program"`
	Section  string                 `json:"section"`
	Mode     string                 `json:"mode"`
	Expected *bool                  `json:"expected_success,omitempty"`
	Messages []string               `json:"expected_messages,omitempty"`
	Flags    uint32                 `json:"flags,omitempty"`
	Verdicts map[string]verdictJSON `json:"verdicts"`
}

type verdictJSON struct {
	savedVerdict
	// Matched is how many of the expected messages were found.
	Matched int   `json:"messages_matched,omitempty"`
	Elapsed int64 `json:"elapsed_ns,omitempty"`
}

// JSON writes every result, without logs if they are not wanted.
func (r *Report) JSON(w io.Writer, logs bool) error {
	out := struct {
		Judges    []string          `json:"judges"`
		Objects   int               `json:"objects"`
		NotOpened map[string]string `json:"not_opened"`
		Agreement []Agreement       `json:"agreement"`
		Results   []resultJSON      `json:"results"`
	}{r.Judges, r.Objects, r.NotOpened, r.Agreements(), []resultJSON{}}
	for i := range r.Results {
		out.Results = append(out.Results, r.resultJSON(&r.Results[i], logs))
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(out)
}

func (r *Report) resultJSON(res *Result, logs bool) resultJSON {
	c := res.Case
	j := resultJSON{Object: c.Object, Program: c.Program, Section: c.Section, Mode: c.Mode.String(), Flags: c.Flags, Verdicts: map[string]verdictJSON{}}
	if c.Expected {
		j.Expected = &c.Success
	}
	for _, m := range c.Messages {
		j.Messages = append(j.Messages, m.Text)
	}
	for i, name := range r.Judges {
		v := verdictJSON{save(res.Verdicts[i]), Match(res.Verdicts[i].Log, c.Messages), res.Elapsed[i].Nanoseconds()}
		if !logs {
			v.Log = ""
		}
		j.Verdicts[name] = v
	}
	return j
}
