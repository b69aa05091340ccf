package corpus

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/object"
)

// Object is an opened file and its cases.
type Object struct {
	Path string
	Spec *ebpf.CollectionSpec
	// Cases by the names of their programs, privileged before unprivileged.
	Cases []*Case
	// Notes are tags that nobody here understands.
	Notes []string
}

// Open opens an object file and reads its expectations. Variables that this
// machine does not have stay zero.
func Open(path string) (*Object, error) {
	spec, err := object.OpenFile(path, nil)
	if err != nil {
		// A .kconfig variable or a weak symbol that cannot be resolved.
		var again error
		if spec, again = object.OpenFile(path, &object.Options{AllowUnresolved: true}); again != nil {
			return nil, err
		}
	}
	o := &Object{Path: path, Spec: spec}
	if err := o.readCases(); err != nil {
		return nil, fmt.Errorf("object %s: %w", path, err)
	}
	return o, nil
}

// Files lists the object files in a folder and below it.
func Files(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".o") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("corpus: no object files (*.o) in %s: %w", dir, fs.ErrNotExist)
	}
	slices.Sort(out)
	return out, nil
}

func (o *Object) readCases() error {
	tagged := map[string]*expectation{}
	any := false
	for _, name := range slices.Sorted(maps.Keys(o.Spec.Programs)) {
		e, err := readTags(o.tagsOf(name))
		if err != nil {
			return fmt.Errorf("program %s: %w", name, err)
		}
		tagged[name] = e
		any = any || e.tagged
		o.Notes = append(o.Notes, e.unknown...)
	}
	for _, name := range slices.Sorted(maps.Keys(tagged)) {
		e := tagged[name]
		if e.auxiliary {
			continue
		}
		for _, m := range []Mode{Privileged, Unprivileged} {
			side := &e.priv
			if m == Unprivileged {
				side = &e.unpriv
			}
			if side.named {
				o.Cases = append(o.Cases, o.newCase(name, m, e, side, any, auxiliaries(tagged, m)))
			}
		}
	}
	return nil
}

func (o *Object) newCase(name string, m Mode, e *expectation, side *mode, any bool, with []string) *Case {
	c := &Case{
		Object: o.Path, Program: name, Section: o.Spec.Programs[name].SectionName, Description: e.description, Mode: m,
		Expected: any, Explicit: e.tagged, Success: !side.failure,
		Messages: side.messages, Xlated: side.xlated, Jited: side.jited, Retval: side.retval,
		LogLevel: e.log, Arch: e.arch, BTFPath: e.btfPath, LoadMode: e.loadMode, Caps: e.caps,
		With: slices.DeleteFunc(slices.Clone(with), func(w string) bool { return w == name }),
	}
	if any {
		c.Flags = e.flags
	}
	return c
}

func auxiliaries(tagged map[string]*expectation, m Mode) []string {
	var out []string
	for name, e := range tagged {
		if e.auxiliary && (m == Privileged && e.priv.named || m == Unprivileged && e.unpriv.named) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// tagsOf are the declaration tags of a function.
func (o *Object) tagsOf(name string) []string {
	if o.Spec.Types == nil {
		return nil
	}
	var fn *btf.Func
	if err := o.Spec.Types.TypeByName(name, &fn); err != nil {
		return nil // without type information, or ambiguous: no tags
	}
	return fn.Tags
}

// Pick is a collection for one case: its program with the case's flags, the
// auxiliary ones, and the maps they refer to. It shares nothing that loading
// changes with the object.
func (o *Object) Pick(c *Case) *ebpf.CollectionSpec {
	out := *o.Spec
	out.Programs = map[string]*ebpf.ProgramSpec{}
	out.Maps = map[string]*ebpf.MapSpec{}
	for _, name := range append([]string{c.Program}, c.With...) {
		if p := o.Spec.Programs[name]; p != nil {
			out.Programs[name] = p.Copy()
			nameParameters(out.Programs[name].Instructions)
			o.pickMaps(p.Instructions, out.Maps)
		}
	}
	out.Programs[c.Program].Flags |= c.Flags
	out.Variables = maps.Clone(o.Spec.Variables)
	maps.DeleteFunc(out.Variables, func(_ string, v *ebpf.VariableSpec) bool { return out.Maps[v.SectionName] == nil })
	return &out
}

// nameParameters gives names to parameters without one, which clang leaves where
// the source has none and the kernel does not take. The BPF library loads such
// programs without type information instead.
func nameParameters(insns asm.Instructions) {
	for i := range insns {
		fn := btf.FuncMetadata(&insns[i])
		if fn == nil || !anonymousParameter(fn) {
			continue
		}
		fn = btf.Copy(fn).(*btf.Func)
		proto := fn.Type.(*btf.FuncProto)
		for k := range proto.Params {
			if _, void := proto.Params[k].Type.(*btf.Void); proto.Params[k].Name == "" && !void {
				proto.Params[k].Name = fmt.Sprintf("arg%d", k+1)
			}
		}
		insns[i] = btf.WithFuncMetadata(insns[i], fn)
	}
}

func anonymousParameter(fn *btf.Func) bool {
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok {
		return false
	}
	// A last parameter without name and type stands for "...".
	return slices.ContainsFunc(proto.Params, func(p btf.FuncParam) bool {
		_, void := p.Type.(*btf.Void)
		return p.Name == "" && !void
	})
}

// pickMaps copies the maps that instructions refer to and those they hold.
func (o *Object) pickMaps(insns asm.Instructions, to map[string]*ebpf.MapSpec) {
	for i := range insns {
		if insns[i].IsLoadFromMap() {
			o.pickMap(insns[i].Reference(), to)
		}
	}
}

func (o *Object) pickMap(name string, to map[string]*ebpf.MapSpec) {
	spec := o.Spec.Maps[name]
	if spec == nil || to[name] != nil {
		return
	}
	spec = spec.Copy()
	completeMap(spec)
	to[name] = spec
	if spec.Type == ebpf.ProgramArray {
		spec.Contents = nil // programs that are not loaded
		return
	}
	for _, kv := range spec.Contents {
		if inner, ok := kv.Value.(string); ok {
			o.pickMap(inner, to)
		}
	}
}

// completeMap fills in what the program that the object belongs to sets before it
// loads, such as the number of entries by the number of processors.
func completeMap(m *ebpf.MapSpec) {
	const page = 4096
	m.Pinning = ebpf.PinNone
	m.Extra = nil // fields of other loaders
	switch m.Type {
	case ebpf.PerfEventArray, ebpf.InodeStorage, ebpf.TaskStorage, ebpf.SkStorage, ebpf.CgroupStorage, ebpf.CGroupStorage, ebpf.PerCPUCGroupStorage:
	case ebpf.RingBuf, ebpf.UserRingbuf:
		size := uint32(page)
		for size < m.MaxEntries && size < 1<<30 {
			size *= 2
		}
		m.MaxEntries = size
	default:
		m.MaxEntries = max(1, m.MaxEntries)
	}
	if m.InnerMap != nil {
		m.InnerMap = m.InnerMap.Copy()
		completeMap(m.InnerMap)
	}
}

var errNoProgram = errors.New("no such program")

func compareCases(a, b *Case) int {
	return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Program, b.Program), cmp.Compare(a.Mode, b.Mode))
}
