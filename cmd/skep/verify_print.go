package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/skepdev/skep/verifier"
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
			t.add(v.Program, word, fmt.Sprint(v.Instructions), fmt.Sprint(v.States), fmt.Sprint(v.Stack), reason)
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
	switch {
	case v.Error != "":
		fmt.Fprintf(s.out, "%s%s\n  %s\n", head, s.paint(red, "cannot be verified"), v.Error)
	case v.Accepted:
		fmt.Fprintf(s.out, "%s%s\n", head, s.paint(green, "accepted"))
		fmt.Fprintf(s.out, "  %d instructions simulated (limit %d), %d states, %d bytes of stack, %s\n",
			v.Instructions, v.Limit, v.States, v.Stack, roundTime(v.Time))
		for i, h := range v.Hot {
			if h.Instructions < 2*hotThreshold(v) {
				break
			}
			if i == 0 {
				fmt.Fprintf(s.out, "  costliest lines:\n")
			}
			fmt.Fprintf(s.out, "    %6d  %s  %s\n", h.Instructions, h.Line, h.Text)
		}
	default:
		fmt.Fprintf(s.out, "%s%s\n  %s", head, s.paint(red, "refused"), indentRest(v.Explanation.Text()))
	}
	f.printKernels(s, v)
	if v.log != "" {
		fmt.Fprintf(s.out, "\n%s", v.log)
	}
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

// SARIF 2.1.0 (OASIS), as far as editors and CI read it.
type sarif struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name  string      `json:"name"`
	Rules []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID string `json:"id"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations,omitempty"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn,omitempty"`
}

func sarifOf(all []*verdict) sarif {
	run := sarifRun{Tool: sarifTool{Driver: sarifDriver{Name: "skep verify", Rules: []sarifRule{}}}, Results: []sarifResult{}}
	seen := make(map[string]bool)
	for _, v := range all {
		if v.Accepted {
			continue
		}
		res := sarifResult{RuleID: "object", Level: "error", Message: sarifText{v.Program + ": " + v.Error}}
		place := sarifPhysical{Artifact: sarifArtifact{URI: v.Object}}
		if e := v.Explanation; e != nil {
			res.RuleID, res.Message.Text = e.Rule, v.Program+": "+sentence(e)
			if e.Place.Line > 0 {
				place = sarifPhysical{sarifArtifact{e.Place.File}, &sarifRegion{e.Place.Line, e.Place.Column}}
			}
		}
		res.Locations = []sarifLocation{{place}}
		if !seen[res.RuleID] {
			seen[res.RuleID] = true
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{res.RuleID})
		}
		run.Results = append(run.Results, res)
	}
	return sarif{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

// sentence is an explanation in one paragraph.
func sentence(e *verifier.Explanation) string {
	s := e.Summary
	if e.Cause != "" {
		s += " " + strings.ToUpper(e.Cause[:1]) + e.Cause[1:] + "."
	}
	if e.Advice != "" {
		s += " Try: " + e.Advice
	}
	return s
}
