package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// print prints all verdicts, but for text, which is printed as they come.
func (f *verifyFlags) print(s *streams, all []*verdict) error {
	switch f.format {
	case "text":
		return nil
	case "table":
		t := newTable("PROGRAM", "VERDICT", "<SIMULATED", "<STATES", "<STACK", "REASON")
		for _, v := range all {
			word, reason := "accepted", ""
			if !v.Accepted {
				word = "refused"
				if reason = v.Error; v.Explanation != nil {
					reason = v.Explanation.Summary
				}
			}
			t.add(cmp.Or(v.Program, v.Object), word, fmt.Sprint(v.Instructions), fmt.Sprint(v.States), fmt.Sprint(v.Stack), reason)
		}
		return t.write(s, s.out)
	case "sarif":
		return s.print(formatJSON, sarifOf(all))
	}
	return s.print(format(f.format), all)
}

// roundTime is a time in two digits or so.
func roundTime(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// printText prints one verdict for people.
func (f *verifyFlags) printText(s *streams, v *verdict) {
	head := fmt.Sprintf("%s: %s (%s): ", v.Object, v.Program, v.Section)
	if v.Program == "" {
		head = v.Object + ": "
	}
	switch {
	case v.Error != "":
		fmt.Fprintf(s.out, "%s%s\n  %s\n", head, s.paint(red, "cannot be verified"), v.Error)
	case v.Accepted:
		fmt.Fprintf(s.out, "%s%s\n", head, s.paint(green, "accepted"))
		printCost(s, v)
	default:
		fmt.Fprintf(s.out, "%s%s\n  %s", head, s.paint(red, "refused"), indentRest(v.Explanation.Text()))
	}
	f.printKernels(s, v)
	if v.log != "" {
		fmt.Fprintf(s.out, "\n%s", v.log)
	}
}

// printCost prints what an accepted program costs, and how near to the limits it
// is.
func printCost(s *streams, v *verdict) {
	const maxStack = 512
	fmt.Fprintf(s.out, "  %d instructions simulated (%s of %d), longest path %d, %d states, %d bytes of stack (%s of %d), %s\n",
		v.Instructions, percent(v.Instructions, v.Limit), v.Limit, v.LongestPath, v.States, v.Stack, percent(v.Stack, maxStack), maxStack, roundTime(v.Time))
	printSpectre(s, v.Spectre)
	if len(v.Functions) > 1 {
		for i, f := range v.Functions {
			lead := "          "
			if i == 0 {
				lead = "functions:"
			}
			fmt.Fprintf(s.out, "  %s %6d  %s(), %d bytes of stack\n", lead, f.Instructions, f.Function, f.Stack)
		}
	}
	for i, h := range v.Hot {
		if h.Instructions < 2*hotThreshold(v) {
			break
		}
		if i == 0 {
			fmt.Fprintf(s.out, "  costliest lines:\n")
		}
		fmt.Fprintf(s.out, "    %6d  %s in %s()  %s\n", h.Instructions, h.Line, h.Function, h.Text)
	}
}

// printSpectre prints what the kernel puts in for users without CAP_PERFMON.
func printSpectre(s *streams, x *spectre) {
	switch {
	case x == nil:
		return
	case len(x.Masked)+len(x.Fenced) == 0:
		fmt.Fprintf(s.out, "  spectre: nothing to mask\n")
	}
	if len(x.Masked) > 0 {
		fmt.Fprintf(s.out, "  spectre: sums are masked at %s\n", strings.Join(x.Masked, ", "))
	}
	if len(x.Fenced) > 0 {
		fmt.Fprintf(s.out, "  spectre: barriers are put in at %s\n", strings.Join(x.Fenced, ", "))
	}
}

// percent says how much of a limit is used.
func percent(n, limit int) string {
	switch {
	case limit <= 0 || n == 0:
		return "0 %"
	case n*100 < limit:
		return "under 1 %"
	}
	return fmt.Sprintf("%d %%", n*100/limit)
}

// hotThreshold is the cost below which no line is worth naming.
func hotThreshold(v *verdict) int { return max(v.Instructions/20, 50) }

func (f *verifyFlags) printKernels(s *streams, v *verdict) {
	for _, k := range v.Kernels {
		word := s.paint(green, "loads")
		if !k.Accepted {
			word = s.paint(red, "is refused")
		}
		fmt.Fprintf(s.out, "  on %-5s it %s", k.Kernel, word)
		if k.Reason != "" {
			fmt.Fprintf(s.out, ": %s", k.Reason)
		}
		fmt.Fprintln(s.out)
	}
	if k := v.Running; k != nil {
		word := "accepts it"
		if !k.Accepted {
			word = "refuses it: " + k.Reason
		}
		note := ""
		if k.Accepted != v.Accepted {
			note = s.paint(red, "  (the two differ)")
		}
		fmt.Fprintf(s.out, "  the running kernel (%s) %s%s\n", k.Kernel, word, note)
	}
}

// indentRest moves every line after the first as far as the first.
func indentRest(text string) string {
	return strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}
