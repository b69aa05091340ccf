// Package debuginfo reads what scripts ask of a binary's DWARF: prototypes of
// functions, types by name, and the addresses of source lines. Types are given
// as BTF, so that a script knows one kind of them.
package debuginfo

import (
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// ErrNotFound says that the debug information has nothing of a name.
var ErrNotFound = errors.New("not found in the debug information")

// maxDWARF is how many bytes of debug information are read.
const maxDWARF = 1 << 30

// Info is the debug information of one binary. Not safe for concurrent use.
type Info struct {
	path  string
	data  *dwarf.Data
	types map[dwarf.Type]btf.Type
}

// Open reads the debug information of a binary: its own, or that of a separate
// file, found by build id or .gnu_debuglink in dirs, beside the binary, in its
// .debug, and in /usr/lib/debug.
func Open(path string, dirs []string) (info *Info, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	err = guard(path, func() error {
		if info, err = read(path, f); err == nil {
			return nil
		}
		for _, name := range separate(f, path, append(dirs, "/usr/lib/debug")) {
			d, openErr := elf.Open(name)
			if openErr != nil {
				continue
			}
			if want := buildID(f); want == "" || buildID(d) == want {
				info, openErr = read(name, d)
			} else {
				openErr = errors.New("another binary's")
			}
			d.Close()
			if openErr == nil {
				return nil
			}
		}
		return err
	})
	return info, err
}

// guard turns panics of debug/elf and debug/dwarf on broken files into errors.
func guard(path string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: broken debug information: %v", path, r)
		}
	}()
	return f()
}

func read(path string, f *elf.File) (*Info, error) {
	total := uint64(0)
	for _, s := range f.Sections {
		if strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			total += s.Size
		}
	}
	switch {
	case f.Section(".debug_info") == nil && f.Section(".zdebug_info") == nil:
		return nil, fmt.Errorf("%s has no debug information: compile with -g, or name its folder with --debuginfo", path)
	case total > maxDWARF:
		return nil, fmt.Errorf("%s: %d bytes of debug information, more than %d", path, total, maxDWARF)
	}
	d, err := f.DWARF()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Info{path: path, data: d, types: map[dwarf.Type]btf.Type{}}, nil
}

// separate are names under which a binary's debug file may be.
func separate(f *elf.File, path string, dirs []string) []string {
	var out []string
	for i, d := range dirs {
		// As in gdb, a folder may be meant from where the binary is.
		if !filepath.IsAbs(d) {
			dirs = append(dirs[:len(dirs):len(dirs)], filepath.Join(filepath.Dir(path), dirs[i]))
		}
	}
	for _, d := range dirs {
		out = append(out, filepath.Join(d, filepath.Base(path)+".debug"))
	}
	if id := buildID(f); len(id) > 2 {
		for _, d := range dirs {
			out = append(out, filepath.Join(d, ".build-id", id[:2], id[2:]+".debug"))
		}
	}
	s := f.Section(".gnu_debuglink")
	if s == nil || s.Size > 4096 {
		return out
	}
	b, err := s.Data()
	if err != nil {
		return out
	}
	link, _, _ := strings.Cut(string(b), "\x00")
	if link == "" || strings.Contains(link, "/") {
		return out
	}
	dir := filepath.Dir(path)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	for _, n := range []string{filepath.Join(dir, link), filepath.Join(dir, ".debug", link)} {
		if same(n, path) {
			continue
		}
		out = append(out, n)
	}
	for _, d := range dirs {
		out = append(out, filepath.Join(d, link), filepath.Join(d, dir, link))
	}
	return out
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func buildID(f *elf.File) string {
	s := f.Section(".note.gnu.build-id")
	if s == nil || s.Size < 16 || s.Size > 1024 {
		return ""
	}
	b, err := s.Data()
	if err != nil || len(b) < 16 {
		return ""
	}
	n, d := f.ByteOrder.Uint32(b), f.ByteOrder.Uint32(b[4:])
	start := 12 + (n+3)&^3
	if n > 64 || d > 64 || int(start+d) > len(b) {
		return ""
	}
	return fmt.Sprintf("%x", b[start:start+d])
}

// Func is the prototype of a function, by its name in the source or in the
// symbol table.
func (i *Info) Func(name string) (p *btf.FuncProto, err error) {
	err = i.entries("function "+name, func(r *dwarf.Reader, e *dwarf.Entry) (enter, found bool, err error) {
		switch e.Tag {
		case dwarf.TagCompileUnit, dwarf.TagNamespace, dwarf.TagPartialUnit, dwarf.TagClassType, dwarf.TagStructType:
			return true, false, nil
		case dwarf.TagSubprogram:
			n, _ := e.Val(dwarf.AttrName).(string)
			l, _ := e.Val(dwarf.AttrLinkageName).(string)
			if (n == name || l == name) && !declares(e) {
				p, err = i.proto(r, e)
				return false, true, err
			}
		}
		return false, false, nil
	})
	return p, err
}

// declares says that an entry only names what another defines.
func declares(e *dwarf.Entry) bool {
	decl, _ := e.Val(dwarf.AttrDeclaration).(bool)
	return decl
}

// entries shows the entries of all units to visit, in order, until it has found
// what it looks for: that there is none of it is an error that names what. visit
// says whether the entry's children are to be shown, too.
func (i *Info) entries(what string, visit func(*dwarf.Reader, *dwarf.Entry) (enter, found bool, err error)) error {
	return guard(i.path, func() error {
		r := i.data.Reader()
		for {
			e, err := r.Next()
			if err != nil {
				return fmt.Errorf("%s: %w", i.path, err)
			}
			if e == nil {
				return fmt.Errorf("%s: %s: %w", i.path, what, ErrNotFound)
			}
			enter, found, err := visit(r, e)
			if found || err != nil {
				return err
			}
			if !enter {
				r.SkipChildren()
			}
		}
	})
}

// proto reads a function's parameters; r stands behind its entry.
func (i *Info) proto(r *dwarf.Reader, fn *dwarf.Entry) (*btf.FuncProto, error) {
	p := &btf.FuncProto{Return: (*btf.Void)(nil)}
	if off, ok := fn.Val(dwarf.AttrType).(dwarf.Offset); ok {
		t, err := i.data.Type(off)
		if err != nil {
			return nil, err
		}
		p.Return = i.convert(t)
	}
	for fn.Children {
		e, err := r.Next()
		if err != nil {
			return nil, err
		}
		if e == nil || e.Tag == 0 {
			break
		}
		r.SkipChildren()
		if e.Tag != dwarf.TagFormalParameter {
			continue
		}
		off, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
		if !ok {
			continue
		}
		t, err := i.data.Type(off)
		if err != nil {
			return nil, err
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		p.Params = append(p.Params, btf.FuncParam{Name: name, Type: i.convert(t)})
	}
	return p, nil
}

// Type finds a type: tag is "struct", "union", "enum", or "" for a typedef.
func (i *Info) Type(tag, name string) (t btf.Type, err error) {
	err = i.entries("type "+tag+" "+name, func(_ *dwarf.Reader, e *dwarf.Entry) (enter, found bool, err error) {
		if e.Tag == dwarf.TagCompileUnit || e.Tag == dwarf.TagPartialUnit || e.Tag == dwarf.TagNamespace {
			return true, false, nil
		}
		if n, _ := e.Val(dwarf.AttrName).(string); n != name || declares(e) || !isTag(e.Tag, tag) {
			return false, false, nil
		}
		dt, err := i.data.Type(e.Offset)
		if err != nil {
			return false, false, fmt.Errorf("%s: %w", i.path, err)
		}
		t = i.convert(dt)
		return false, true, nil
	})
	return t, err
}

func isTag(t dwarf.Tag, tag string) bool {
	switch t {
	case dwarf.TagStructType, dwarf.TagClassType:
		return tag == "struct"
	case dwarf.TagUnionType:
		return tag == "union"
	case dwarf.TagEnumerationType:
		return tag == "enum"
	case dwarf.TagTypedef:
		return tag == ""
	}
	return false
}

// Line are the virtual addresses where the code of a source line begins: the
// lowest of each run of the line, in the units that have the file. file is a
// path's end; column 0 means any.
func (i *Info) Line(file string, line, column int) (out []uint64, err error) {
	err = guard(i.path, func() error {
		r := i.data.Reader()
		for {
			e, err := r.Next()
			if err != nil {
				return fmt.Errorf("%s: %w", i.path, err)
			}
			if e == nil {
				break
			}
			if e.Tag == dwarf.TagCompileUnit {
				if lr, err := i.data.LineReader(e); err == nil && lr != nil {
					out = append(out, rows(lr, file, line, column)...)
				}
			}
			r.SkipChildren()
		}
		if len(out) == 0 {
			return fmt.Errorf("%s: no code at %s:%d: %w", i.path, file, line, ErrNotFound)
		}
		return nil
	})
	return out, err
}

func rows(lr *dwarf.LineReader, file string, line, column int) []uint64 {
	best, found := uint64(0), false
	var e dwarf.LineEntry
	for lr.Next(&e) == nil {
		if e.EndSequence || !e.IsStmt || e.File == nil || e.Line != line || column > 0 && e.Column != column {
			continue
		}
		if e.File.Name != file && !strings.HasSuffix(e.File.Name, "/"+file) {
			continue
		}
		if !found || e.Address < best {
			best, found = e.Address, true
		}
	}
	if !found {
		return nil
	}
	return []uint64{best}
}
