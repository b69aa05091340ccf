package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/btfdump"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/replay"
)

// prepared is an object ready to be loaded, on one engine or on two.
type prepared struct {
	spec    *ebpf.CollectionSpec
	program string
	types   *btf.Spec
	fill    []mapFill
	// log takes the verifier's log, if it was asked for.
	log io.Writer
}

type mapFill struct {
	name string
	data any
}

// prepare opens the object and everything else that is read before loading.
func (f *runFlags) prepare(path string) (*prepared, error) {
	opts := &object.Options{Kconfig: map[string]string{}}
	for _, s := range f.kconfig {
		name, value, _ := strings.Cut(s, "=")
		opts.Kconfig[name] = value
	}
	spec, err := object.OpenFile(path, opts)
	if err != nil {
		return nil, err
	}
	p := &prepared{spec: spec}
	if p.program, err = pickProgram(spec, f.program); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range f.set {
		name, value, _ := strings.Cut(s, "=")
		if err := replay.SetVariable(spec, name, value); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, s := range f.fill {
		name, file, _ := strings.Cut(s, "=")
		data, err := readData(file)
		if err != nil {
			return nil, fmt.Errorf("fill map %s: %w", name, err)
		}
		p.fill = append(p.fill, mapFill{name, data})
	}
	if f.btf != "" {
		if p.types, err = object.OpenTypes(f.btf); err != nil {
			return nil, err
		}
	}
	p.trim(append(slices.Clone(f.dumpMaps), f.ignoreMaps...))
	if err := p.sizeMaps(f.sizes); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// sizeMaps sets the sizes that were asked for and finds maps that have none
// because the object leaves it to its own loader. Maps that are to be pinned by
// name are made afresh: a run leaves nothing behind and finds nothing.
func (p *prepared) sizeMaps(sizes []string) error {
	for _, s := range sizes {
		name, value, _ := strings.Cut(s, "=")
		m := p.spec.Maps[name]
		if m == nil {
			return fmt.Errorf("--max-entries %s: no such map: there is %s", name, strings.Join(slices.Sorted(maps.Keys(p.spec.Maps)), ", "))
		}
		n, err := strconv.ParseUint(value, 0, 32)
		if err != nil {
			return usage(fmt.Errorf("--max-entries %s: %q is no number of entries", name, value))
		}
		m.MaxEntries = uint32(n)
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(p.spec.Maps)) {
		m := p.spec.Maps[name]
		m.Pinning = ebpf.PinNone
		if m.MaxEntries == 0 && sized(m.Type) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return withHint(fmt.Errorf("no size of %s: the object leaves that to its own loader", strings.Join(missing, ", ")),
		"give one: --max-entries "+strings.Join(missing, "=64 --max-entries ")+"=64")
}

// sized says whether maps of type t must have a number of entries that no
// loader can guess.
func sized(t ebpf.MapType) bool {
	switch t {
	case ebpf.PerfEventArray, ebpf.SkStorage, ebpf.InodeStorage, ebpf.TaskStorage, ebpf.CgroupStorage,
		ebpf.CGroupStorage, ebpf.PerCPUCGroupStorage, ebpf.StructOpsMap:
		return false
	}
	return true
}

// readData reads a JSON file, or YAML if it is called so.
func readData(path string) (any, error) {
	text, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml") {
		var v any
		if err := parseYAML(path, text, &v); err != nil {
			return nil, err
		}
		return v, nil
	}
	v, err := btfdump.ParseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// maxText is the longest JSON or YAML file that is read, in bytes.
const maxText = 64 << 20

// readLimited reads a whole file, whatever it is: devices have no end.
func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("read %s: longer than %d MiB", path, maxText>>20)
	}
	return text, nil
}

// pickProgram finds the program to run: the named one, or the only one that
// runs on packets.
func pickProgram(spec *ebpf.CollectionSpec, name string) (string, error) {
	names := slices.Sorted(maps.Keys(spec.Programs))
	var packets []string
	for _, n := range names {
		if replay.Replayable(spec.Programs[n].Type) {
			packets = append(packets, n)
		}
	}
	switch {
	case name != "" || len(names) == 0:
		return nameProgram(spec, name)
	case len(packets) == 1:
		return packets[0], nil
	case len(packets) == 0:
		return "", withHint(errors.New("no program runs on packets"), "the object has "+describePrograms(spec, names))
	}
	return "", usage(withHint(errors.New("several programs run on packets"), "choose with --program: "+describePrograms(spec, packets)))
}

// nameProgram finds a program by its name, or says what there is.
func nameProgram(spec *ebpf.CollectionSpec, name string) (string, error) {
	names := slices.Sorted(maps.Keys(spec.Programs))
	switch {
	case spec.Programs[name] != nil:
		return name, nil
	case len(names) == 0:
		return "", errors.New("the object has no programs")
	case name == "":
		return "", usage(withHint(errors.New("the object has several programs"), "choose with --program: "+describePrograms(spec, names)))
	}
	hint := "there is " + strings.Join(names, ", ")
	if near := btfdump.Suggest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return "", withHint(fmt.Errorf("no program %q", name), hint)
}

func describePrograms(spec *ebpf.CollectionSpec, names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf("%s (%s)", n, abi.ProgramType(spec.Programs[n].Type)))
	}
	return strings.Join(out, ", ")
}

// trim leaves in the spec only the chosen program and what belongs to it, so
// that an engine need not know the rest.
func (p *prepared) trim(named []string) {
	programs := map[string]bool{p.program: true}
	used := map[string]bool{}
	for _, name := range named {
		used[name] = true
	}
	for _, f := range p.fill {
		used[f.name] = true
		for _, s := range stringsIn(f.data, nil) {
			if _, ok := p.spec.Programs[s]; ok {
				programs[s] = true
			}
			if _, ok := p.spec.Maps[s]; ok {
				used[s] = true
			}
		}
	}
	if slices.Contains(named, allMaps) {
		for name := range p.spec.Maps {
			used[name] = true
		}
	}
	// A program brings its maps, a map its contents: until nothing is new.
	for before := -1; before != len(programs)+len(used); {
		before = len(programs) + len(used)
		for name := range programs {
			for i := range p.spec.Programs[name].Instructions {
				if ref := p.spec.Programs[name].Instructions[i].Reference(); ref != "" && p.spec.Maps[ref] != nil {
					used[ref] = true
				}
			}
		}
		for name := range used {
			if m := p.spec.Maps[name]; m != nil {
				for _, kv := range m.Contents {
					if s, ok := kv.Value.(string); ok {
						if p.spec.Programs[s] != nil {
							programs[s] = true
						}
						if p.spec.Maps[s] != nil {
							used[s] = true
						}
					}
				}
			}
		}
	}
	maps.DeleteFunc(p.spec.Programs, func(n string, _ *ebpf.ProgramSpec) bool { return !programs[n] })
	maps.DeleteFunc(p.spec.Maps, func(n string, _ *ebpf.MapSpec) bool { return !used[n] })
	maps.DeleteFunc(p.spec.Variables, func(_ string, v *ebpf.VariableSpec) bool { return p.spec.Maps[v.SectionName] == nil })
}

// stringsIn collects the strings of a parsed file.
func stringsIn(v any, out []string) []string {
	switch v := v.(type) {
	case string:
		return append(out, v)
	case []any:
		for _, e := range v {
			out = stringsIn(e, out)
		}
	case map[string]any:
		for _, e := range v {
			out = stringsIn(e, out)
		}
	}
	return out
}

// load makes the object real and fills its maps.
func (p *prepared) load(ctx context.Context, eng engine.Engine) (*engine.Collection, error) {
	coll, err := eng.Load(ctx, p.spec, &engine.LoadOptions{KernelTypes: p.types, VerifierLog: p.log != nil})
	if err != nil {
		return nil, verifierHint(err, p.log)
	}
	for _, f := range p.fill {
		if _, err := replay.FillMap(coll, f.name, f.data); err != nil {
			return nil, errors.Join(err, coll.Close())
		}
	}
	return coll, nil
}
