package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/skepdev/skep/demo"
)

// afterFlip is how long a script without an end goes on after its last flip.
const afterFlip = 2 * time.Second

// parseScript reads flips such as 2s:drop,4s:pass,6s:end, in order of time.
func parseScript(text string) (*demo.Script, error) {
	s := &demo.Script{}
	var last time.Duration
	for step := range strings.SplitSeq(text, ",") {
		at, what, ok := strings.Cut(strings.TrimSpace(step), ":")
		d, err := time.ParseDuration(at)
		if !ok || err != nil || d <= 0 {
			return nil, fmt.Errorf("--script: %q: want a step such as 2s:drop", step)
		}
		if d <= last {
			return nil, fmt.Errorf("--script: %q: comes after %s and must be later", step, last)
		}
		if s.Length != 0 {
			return nil, fmt.Errorf("--script: %q: comes after the end", step)
		}
		last = d
		switch strings.ToLower(what) {
		case "drop":
			s.Flips = append(s.Flips, demo.Flip{At: d, To: demo.Drop})
		case "pass":
			s.Flips = append(s.Flips, demo.Flip{At: d, To: demo.Pass})
		case "end":
			s.Length = d
		default:
			return nil, fmt.Errorf("--script: %q: want drop, pass or end", what)
		}
	}
	if s.Length == 0 {
		s.Length = last + afterFlip
	}
	return s, nil
}
