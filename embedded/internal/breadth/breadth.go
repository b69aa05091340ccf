// Package breadth measures what the embedded engine lacks for objects as they
// come: it asks of each map and each program of an object by itself whether it
// loads, and of each call whether its function is there.
package breadth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/vm"
)

// Report is what a survey found.
type Report struct {
	Objects, Unreadable int
	Maps, Programs      int
	// MapsLoaded and ProgramsLoaded are those that the engine took.
	MapsLoaded, ProgramsLoaded int
	// Reasons has the objects' programs and maps ("object:name") by why they
	// were refused. A program has as many reasons as things are missing.
	Reasons map[string][]string
}

// Survey tries every object below dir.
func Survey(ctx context.Context, eng engine.Engine, dir string) (*Report, error) {
	r := &Report{Reasons: map[string][]string{}}
	return r, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".o") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		spec, err := object.OpenFile(path, nil)
		if err != nil {
			r.Unreadable++
			r.add("object: "+last(err), name)
			return nil
		}
		r.Objects++
		return r.object(ctx, eng, name, spec)
	})
}

func (r *Report) add(reason, who string) {
	r.Reasons[reason] = append(r.Reasons[reason], who)
}

func (r *Report) object(ctx context.Context, eng engine.Engine, name string, spec *ebpf.CollectionSpec) error {
	bad := map[string]bool{}
	for _, m := range slices.Sorted(maps.Keys(spec.Maps)) {
		r.Maps++
		cpy := bare(spec.Maps[m].Copy())
		live, err := eng.NewMap(cpy)
		if err != nil {
			bad[m] = true
			r.add("map: "+general(err), name+":"+m)
			continue
		}
		r.MapsLoaded++
		if err := live.Close(); err != nil {
			return err
		}
	}
	for _, p := range slices.Sorted(maps.Keys(spec.Programs)) {
		if spec.Programs[p].Type == ebpf.UnspecifiedProgram {
			continue
		}
		r.Programs++
		if reasons := r.program(ctx, eng, spec, p, bad); len(reasons) == 0 {
			r.ProgramsLoaded++
		} else {
			for _, why := range reasons {
				r.add(why, name+":"+p)
			}
		}
	}
	return nil
}

// program says why a program does not load.
func (r *Report) program(ctx context.Context, eng engine.Engine, spec *ebpf.CollectionSpec, name string, badMaps map[string]bool) []string {
	p := spec.Programs[name]
	var out []string
	t := abi.ProgramType(p.Type)
	if why := vm.ProgramTypeMissing(t); why != "" {
		out = append(out, "program type "+t.String())
	}
	one := alone(spec, name)
	for m := range one.Maps {
		if badMaps[m] {
			out = append(out, "program needs a map of type "+one.Maps[m].Type.String())
		}
	}
	out = append(out, calls(p, spec, t)...)
	if len(out) == 0 {
		coll, err := eng.Load(ctx, one, nil)
		if err != nil {
			return []string{"load: " + general(err)}
		}
		if err := coll.Close(); err != nil {
			return []string{"close: " + err.Error()}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// bare is the map as it stands for itself: neither pinned, nor holding what the
// object names.
func bare(m *ebpf.MapSpec) *ebpf.MapSpec {
	m.Pinning = ebpf.PinNone
	switch m.Type {
	case ebpf.ProgramArray, ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		m.Contents = nil
	}
	return m
}

// calls says which of the functions that a program calls are missing.
func calls(p *ebpf.ProgramSpec, spec *ebpf.CollectionSpec, t abi.ProgramType) (out []string) {
	code, err := object.Instructions(p, spec)
	if err != nil {
		return nil
	}
	for _, in := range code.Instructions {
		if in.Op != isa.Call {
			continue
		}
		switch in.Src {
		case isa.PseudoHelper:
			if id := abi.HelperID(in.Imm); vm.HelperMissing(t, id) != "" {
				out = append(out, fmt.Sprintf("helper %s for %s", id, t))
			}
		case isa.PseudoKfuncCall:
			if n := code.Kfuncs[in.Imm].Name; vm.KfuncMissing(t, n) != "" {
				out = append(out, "kfunc "+n)
			}
		}
	}
	return out
}

// alone is the spec with one program and the maps it uses.
func alone(spec *ebpf.CollectionSpec, name string) *ebpf.CollectionSpec {
	out := spec.Copy()
	out.Programs = map[string]*ebpf.ProgramSpec{name: out.Programs[name]}
	used := map[string]bool{}
	for _, ins := range out.Programs[name].Instructions {
		if ref := ins.Reference(); ref != "" {
			used[ref] = true
		}
	}
	for m, ms := range out.Maps {
		if !used[m] {
			delete(out.Maps, m)
			continue
		}
		bare(ms)
	}
	for v, vs := range out.Variables {
		if !used[vs.SectionName] {
			delete(out.Variables, v)
		}
	}
	return out
}

// What differs between refusals of one kind: names, numbers, places.
var (
	quoted  = regexp.MustCompile(`"[^"]*"`)
	named   = regexp.MustCompile(`(program|map|symbol|instruction|array) [A-Za-z0-9_.]+`)
	numbers = regexp.MustCompile(`\b(0x[0-9a-f]+|[0-9]+)\b`)
)

func general(err error) string {
	var n *engine.NotSupportedError
	s := last(err)
	if errors.As(err, &n) {
		s = n.Feature + ": " + n.Reason
		if i := strings.Index(s, ", instruction "); i >= 0 {
			s = n.Reason
		}
	}
	s = quoted.ReplaceAllString(s, "…")
	s = named.ReplaceAllString(s, "$1 …")
	return numbers.ReplaceAllString(s, "N")
}

// last is the innermost text of an error, bounded.
func last(err error) string {
	s := err.Error()
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	return s[:min(len(s), 200)]
}

// Print writes the report, the most frequent reason first; with examples each.
func (r *Report) Print(w io.Writer, examples int) error {
	_, err := fmt.Fprintf(w, "%d objects (%d more could not be read): %d of %d maps, %d of %d programs load\n",
		r.Objects, r.Unreadable, r.MapsLoaded, r.Maps, r.ProgramsLoaded, r.Programs)
	keys := slices.SortedFunc(maps.Keys(r.Reasons), func(a, b string) int {
		if n := len(r.Reasons[b]) - len(r.Reasons[a]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	for _, k := range keys {
		who := r.Reasons[k]
		if err == nil {
			_, err = fmt.Fprintf(w, "%5d  %s\n", len(who), k)
		}
		for _, n := range who[:min(examples, len(who))] {
			if err == nil {
				_, err = fmt.Fprintf(w, "         %s\n", n)
			}
		}
	}
	return err
}
