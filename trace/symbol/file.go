package symbol

import (
	"debug/elf"
	"io"
	"os"
	"sync"
)

// file is a binary that processes share: looked into when first asked.
type file struct {
	key  fileKey
	path string // as the process that it was first opened for sees it
	root string // of that process: where its separate debug file is looked for
	opt  Options
	used uint64 // when last, by the symbolizer's count
	// forgotten: closed to make room.
	forgotten bool

	mu       sync.Mutex
	src      *os.File // nil for the vdso
	img      *image
	names    *table
	golang   *goTable
	dwarf    *lines
	dwarfTry bool
	debug    *os.File
	debugImg *image
	debugTry bool
}

// openFile reads the headers of a binary; src is the file's from then on.
func openFile(path, root string, opt Options, src *os.File) (*file, error) {
	img, err := newImage(path, src)
	if err != nil {
		return nil, err
	}
	return &file{path: path, root: root, opt: opt, src: src, img: img}, nil
}

func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range []*os.File{f.src, f.debug} {
		if c != nil {
			c.Close()
		}
	}
}

// bytes is how much memory the file's tables take.
func (f *file) bytes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 4096
	if f.names != nil {
		n += f.names.bytes()
	}
	if f.golang != nil {
		n += len(f.golang.data)
	}
	if f.dwarf != nil {
		for _, img := range []*image{f.img, f.debugImg} {
			if img == nil {
				continue
			}
			for _, s := range img.Sections {
				if len(s.Name) > 7 && s.Name[:7] == ".debug_" {
					n += int(s.Size)
				}
			}
		}
	}
	return n
}

// frames are the functions at an address of the file, innermost first.
func (f *file) frames(addr uint64, withLines bool) []Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load()
	name, start, ok := f.names.find(addr)
	fr := Frame{Name: demangled(name, f.opt.Parameters), Symbol: name, Offset: addr - start, Module: f.path}
	if !ok {
		fr.Offset = addr
	}
	if !withLines {
		return []Frame{fr}
	}
	if d := f.lines(); d != nil {
		if out := d.find(addr); len(out) > 0 {
			last := &out[len(out)-1]
			// The symbol table's name is preferred: DWARF's knows no versions
			// and no clones.
			if ok {
				last.Name, last.Symbol, last.Offset = fr.Name, fr.Symbol, fr.Offset
			}
			for i := range out {
				out[i].Module = f.path
			}
			return out
		}
	}
	if f.golang != nil {
		fr.File, fr.Line = f.golang.line(addr)
	}
	return []Frame{fr}
}

// load fills the table of names, once.
func (f *file) load() {
	if f.names != nil {
		return
	}
	t := &table{}
	f.golang, _ = f.img.goTable()
	static := f.img.functions(t, elf.SHT_SYMTAB) == nil && len(t.syms) > 0
	_ = f.img.functions(t, elf.SHT_DYNSYM)
	switch {
	case static:
	case f.golang != nil:
		f.golang.functions(t)
	default:
		if d := f.debugImage(); d != nil && d.functions(t, elf.SHT_SYMTAB) == nil {
			break
		}
		_ = f.img.miniDebug(t)
	}
	f.img.linkage(t)
	t.finish()
	f.names = t
}

// lines are those of the file or its debug file; nil if there are none.
func (f *file) lines() *lines {
	if f.dwarfTry {
		return f.dwarf
	}
	f.dwarfTry = true
	if l, err := f.img.dwarfLines(); err == nil {
		f.dwarf = l
	} else if d := f.debugImage(); d != nil {
		if l, err := d.dwarfLines(); err == nil {
			f.dwarf = l
		}
	}
	return f.dwarf
}

// debugImage opens the separate debug file, once; nil if there is none.
func (f *file) debugImage() *image {
	if f.debugTry {
		return f.debugImg
	}
	f.debugTry = true
	roots := []string{f.root}
	if f.root != "" {
		roots = append(roots, "")
	}
	for _, name := range f.img.debugNames(f.path, f.opt.DebugDirs) {
		for _, root := range roots {
			if f.tryDebug(root + name) {
				return f.debugImg
			}
		}
	}
	return nil
}

func (f *file) tryDebug(path string) bool {
	src, err := openRegular(path)
	if err != nil {
		return false
	}
	img, err := newImage(path, src)
	if err != nil || !f.img.matches(img, io.NewSectionReader(src, 0, 1<<62)) {
		src.Close()
		return false
	}
	f.debug, f.debugImg = src, img
	return true
}
