package main

import (
	"net/url"
	"path/filepath"
	"strings"

	"github.com/skepdev/skep/verifier"
)

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
	ID               string    `json:"id"`
	ShortDescription sarifText `json:"shortDescription"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations,omitempty"`
	// CodeFlows is the path that leads to the place.
	CodeFlows []sarifCodeFlow `json:"codeFlows,omitempty"`
}

type sarifCodeFlow struct {
	ThreadFlows []sarifThreadFlow `json:"threadFlows"`
}

type sarifThreadFlow struct {
	Locations []sarifStep `json:"locations"`
}

type sarifStep struct {
	Location sarifLocation `json:"location"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
	Message  *sarifText    `json:"message,omitempty"`
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
		res := sarifResult{RuleID: "object", Level: "error", Message: sarifText{strings.TrimPrefix(v.Program+": ", ": ") + v.Error}}
		place := sarifPhysical{Artifact: sarifArtifact{URI: uri(v.Object)}}
		if e := v.Explanation; e != nil {
			res.RuleID, res.Message.Text = e.Rule, v.Program+": "+sentence(e)
			if e.Place.Line > 0 {
				place = physical(e.Place)
			}
			res.CodeFlows = flowOf(e, place)
		}
		res.Locations = []sarifLocation{{Physical: place}}
		if !seen[res.RuleID] {
			seen[res.RuleID] = true
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{res.RuleID, sarifText{describe(res.RuleID)}})
		}
		run.Results = append(run.Results, res)
	}
	return sarif{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

func physical(p verifier.Place) sarifPhysical {
	return sarifPhysical{sarifArtifact{uri(p.File)}, &sarifRegion{p.Line, p.Column}}
}

// uri is a path as a relative or file reference (RFC 3986).
func uri(path string) string {
	u := url.URL{Path: filepath.ToSlash(filepath.Clean(path))}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}

// flowOf is the path as editors step through it: the branches, and the place
// itself at the end.
func flowOf(e *verifier.Explanation, end sarifPhysical) []sarifCodeFlow {
	var steps []sarifStep
	for _, b := range e.Path {
		if b.Place.Line > 0 {
			steps = append(steps, sarifStep{sarifLocation{physical(b.Place), &sarifText{"goes on with " + b.Holds}}})
		}
	}
	if len(steps) == 0 {
		return nil
	}
	steps = append(steps, sarifStep{sarifLocation{end, &sarifText{e.Summary}}})
	return []sarifCodeFlow{{[]sarifThreadFlow{{steps}}}}
}

// describe says what a rule is about.
func describe(rule string) string {
	if rule == "object" {
		return "The object cannot be read or relocated."
	}
	return "Rule of the eBPF verifier: " + strings.ReplaceAll(rule, "-", " ") + "."
}

// sentence is an explanation in one paragraph.
func sentence(e *verifier.Explanation) string {
	s := e.Summary
	if e.Cause != "" {
		s += " Why: " + e.Cause + "."
	}
	if e.Advice != "" {
		s += " Try: " + e.Advice
	}
	return s
}
