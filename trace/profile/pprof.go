package profile

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/google/pprof/profile"
)

// WritePprof writes the profile as pprof's compressed protocol buffer
// (github.com/google/pprof/proto/profile.proto), which `go tool pprof` and
// others read. Process and thread are labels.
func (p *Profile) WritePprof(w io.Writer) error {
	out := &profile.Profile{
		TimeNanos: p.Start.UnixNano(), DurationNanos: int64(p.Duration), Period: p.Period,
		PeriodType:        &profile.ValueType{Type: p.Types[1].Name, Unit: p.Types[1].Unit},
		DefaultSampleType: p.Types[1].Name,
		Comments:          []string{"skep profile: " + p.Kind},
	}
	for _, t := range p.Types {
		out.SampleType = append(out.SampleType, &profile.ValueType{Type: t.Name, Unit: t.Unit})
	}
	b := pprofBuilder{p: out, functions: map[pprofFunction]*profile.Function{}, locations: map[Frame]*profile.Location{}, mappings: map[string]*profile.Mapping{}}
	for i := range p.Samples {
		b.add(&p.Samples[i])
	}
	if err := out.CheckValid(); err != nil {
		return fmt.Errorf("write pprof: %w", err)
	}
	return out.Write(w)
}

type pprofFunction struct{ name, file string }

type pprofBuilder struct {
	p         *profile.Profile
	functions map[pprofFunction]*profile.Function
	locations map[Frame]*profile.Location // by the innermost of its lines
	mappings  map[string]*profile.Mapping
}

// add enters a sample; pprof counts from the innermost function.
func (b *pprofBuilder) add(s *Sample) {
	out := &profile.Sample{
		Value:    s.Values[:],
		Label:    map[string][]string{"comm": {s.Comm}},
		NumLabel: map[string][]int64{"pid": {int64(s.PID)}},
	}
	if s.TID != 0 {
		out.NumLabel["tid"] = []int64{int64(s.TID)}
		out.Label["thread"] = []string{s.Comm + "/" + strconv.Itoa(s.TID)}
	}
	for i := len(s.Stack) - 1; i >= 0; i-- {
		out.Location = append(out.Location, b.location(s.Stack[i]))
	}
	b.p.Sample = append(b.p.Sample, out)
}

func (b *pprofBuilder) location(f Frame) *profile.Location {
	if l := b.locations[f]; l != nil {
		return l
	}
	key := pprofFunction{f.Name, f.File}
	fn := b.functions[key]
	if fn == nil {
		fn = &profile.Function{ID: uint64(len(b.functions) + 1), Name: f.Name, SystemName: f.Name, Filename: f.File}
		b.functions[key] = fn
		b.p.Function = append(b.p.Function, fn)
	}
	m := b.mappings[f.Module]
	if m == nil {
		m = &profile.Mapping{ID: uint64(len(b.mappings) + 1), File: f.Module, HasFunctions: true, HasFilenames: true, HasLineNumbers: true}
		b.mappings[f.Module] = m
		b.p.Mapping = append(b.p.Mapping, m)
	}
	l := &profile.Location{ID: uint64(len(b.locations) + 1), Mapping: m, Address: f.Address, Line: []profile.Line{{Function: fn, Line: int64(f.Line)}}}
	b.locations[f] = l
	b.p.Location = append(b.p.Location, l)
	return l
}

// maxPprof is how much of a pprof file is read, in bytes.
const maxPprof = 256 << 20

// ReadPprof reads a pprof file. Of its values the default one counts, or the last.
func ReadPprof(r io.Reader) (_ *Profile, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read pprof: broken: %v", p)
		}
	}()
	in, err := profile.Parse(io.LimitReader(r, maxPprof))
	if err != nil {
		return nil, fmt.Errorf("read pprof: %w", err)
	}
	if len(in.SampleType) == 0 {
		return nil, errors.New("read pprof: no values")
	}
	value := len(in.SampleType) - 1
	for i, t := range in.SampleType {
		if t.Type == in.DefaultSampleType {
			value = i
		}
	}
	t := ValueType{in.SampleType[value].Type, in.SampleType[value].Unit}
	p := &Profile{Kind: t.Name, Types: [2]ValueType{t, t}, Period: in.Period}
	for _, s := range in.Sample {
		out := Sample{Values: [2]int64{s.Value[value], s.Value[value]}}
		if c := s.Label["comm"]; len(c) > 0 {
			out.Comm = c[0]
		}
		for _, l := range s.Location { // innermost first, of its lines too
			for _, line := range l.Line {
				f := Frame{Name: "[unknown]", Line: int(line.Line), Address: l.Address}
				if line.Function != nil {
					f.Name, f.File = line.Function.Name, line.Function.Filename
				}
				if l.Mapping != nil {
					f.Module = l.Mapping.File
				}
				f.Kernel = f.Module == "[kernel]"
				out.Stack = append(out.Stack, f)
			}
		}
		for i, j := 0, len(out.Stack)-1; i < j; i, j = i+1, j-1 {
			out.Stack[i], out.Stack[j] = out.Stack[j], out.Stack[i]
		}
		p.Samples = append(p.Samples, out)
	}
	return p, nil
}
