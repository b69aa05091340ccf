package profile

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
)

// WriteSpeedscope writes the value with the given index in the file format of
// speedscope.app: one profile per process or thread, its stacks by weight.
func (p *Profile) WriteSpeedscope(w io.Writer, value int) error {
	type frame struct {
		Name string `json:"name"`
		File string `json:"file,omitempty"`
		Line int    `json:"line,omitempty"`
	}
	type sampled struct {
		Type       string  `json:"type"`
		Name       string  `json:"name"`
		Unit       string  `json:"unit"`
		StartValue int64   `json:"startValue"`
		EndValue   int64   `json:"endValue"`
		Samples    [][]int `json:"samples"`
		Weights    []int64 `json:"weights"`
	}
	frames, index := []frame{}, map[frame]int{}
	units := map[string]string{"nanoseconds": "nanoseconds", "bytes": "bytes"}
	unit, ok := units[p.Types[value].Unit]
	if !ok {
		unit = "none"
	}
	profiles := []*sampled{}
	for _, g := range p.threads() {
		out := &sampled{Type: "sampled", Name: g.name, Unit: unit, Samples: [][]int{}, Weights: []int64{}}
		for _, s := range g.samples {
			if s.Values[value] == 0 {
				continue
			}
			stack := []int{}
			for _, f := range s.Stack {
				fr := frame{f.Name, f.File, f.Line}
				if fr.File == "" {
					fr.File = f.Module
				}
				i, ok := index[fr]
				if !ok {
					i = len(frames)
					index[fr] = i
					frames = append(frames, fr)
				}
				stack = append(stack, i)
			}
			out.Samples = append(out.Samples, stack)
			out.Weights = append(out.Weights, s.Values[value])
			out.EndValue += s.Values[value]
		}
		profiles = append(profiles, out)
	}
	return json.NewEncoder(w).Encode(map[string]any{
		"$schema": "https://www.speedscope.app/file-format-schema.json", "exporter": "skep profile", "name": p.Kind,
		"activeProfileIndex": 0, "shared": map[string]any{"frames": frames}, "profiles": profiles,
	})
}

// thread is the samples of one process, or of one thread where they were told
// apart.
type thread struct {
	name     string
	pid, tid int
	samples  []*Sample
	total    int64
}

// threads groups samples, the heaviest group first.
func (p *Profile) threads() []*thread {
	type key struct {
		pid, tid int
		comm     string
	}
	groups := map[key]*thread{}
	var out []*thread
	for i := range p.Samples {
		s := &p.Samples[i]
		k := key{s.PID, s.TID, s.Comm}
		g := groups[k]
		if g == nil {
			g = &thread{name: fmt.Sprintf("%s (%d)", s.Comm, s.PID), pid: s.PID, tid: s.TID}
			if s.TID != 0 {
				g.name = fmt.Sprintf("%s (%d/%d)", s.Comm, s.PID, s.TID)
			}
			groups[k] = g
			out = append(out, g)
		}
		g.samples = append(g.samples, s)
		g.total += s.Values[1]
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].total > out[j].total })
	return out
}
