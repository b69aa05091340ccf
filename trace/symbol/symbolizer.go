package symbol

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sort"
	"sync"
	"time"
)

// Frame is a function at an address.
type Frame struct {
	// Name is demangled; empty if it is not known. Symbol is the name as it
	// stands in the binary; empty for inlined functions.
	Name, Symbol string
	// Offset of the address in the function, in bytes; without a name in the
	// module, as its ELF file counts.
	Offset uint64
	// File and Line of the source, if they are known and were asked for.
	File string
	Line int
	// Inlined: the function's code is part of the next frame's.
	Inlined bool
	// Module is the path of the binary, or a name in brackets.
	Module string
}

// Options of a symbolizer. The zero value is good.
type Options struct {
	// Lines asks for source lines and inlined functions.
	Lines bool
	// Parameters keeps the parameters in names of C++ functions.
	Parameters bool
	// DebugDirs are where separate debug files are; nil means /usr/lib/debug.
	DebugDirs []string
	// CacheBytes bounds the memory of names and lines; 0 means 256 MiB. One
	// file's are kept however large they are.
	CacheBytes int
	// Processes and Files are how many are remembered; 0 means 4096 and 512.
	Processes, Files int
}

// Symbolizer names addresses of processes. Safe for concurrent use.
type Symbolizer struct {
	opt Options

	mu    sync.Mutex
	procs map[int]*process
	files map[fileKey]*file
	bad   map[fileKey]bool // files that are no binaries
	found map[place][]Frame
	clock uint64
}

// place is an address of a file.
type place struct {
	file *file
	addr uint64
}

// keptPlaces is how many answers are kept.
const keptPlaces = 64 << 10

// New makes a symbolizer. The caller closes it.
func New(opt Options) *Symbolizer {
	if opt.DebugDirs == nil {
		opt.DebugDirs = []string{"/usr/lib/debug"}
	}
	if opt.CacheBytes == 0 {
		opt.CacheBytes = 256 << 20
	}
	if opt.Processes == 0 {
		opt.Processes = 4096
	}
	if opt.Files == 0 {
		opt.Files = 512
	}
	return &Symbolizer{
		opt: opt, procs: map[int]*process{}, files: map[fileKey]*file{}, bad: map[fileKey]bool{}, found: map[place][]Frame{},
	}
}

// Close gives files and memory back. It is safe to call twice.
func (s *Symbolizer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		p.close()
	}
	for _, f := range s.files {
		f.close()
	}
	s.procs, s.files, s.found = map[int]*process{}, map[fileKey]*file{}, map[place][]Frame{}
	return nil
}

// Observe remembers a process's mappings now, so that its addresses have names
// after its end.
func (s *Symbolizer) Observe(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.process(pid)
	p.read = time.Time{}
	p.refresh(time.Now())
}

// AddMapping adds a mapping that a process made, as the kernel reported it; it
// takes the place of what it covers.
func (s *Symbolizer) AddMapping(pid int, m Mapping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.reported(pid)
	kept := make([]Mapping, 0, len(p.maps)+1)
	for _, o := range p.maps {
		if o.End <= m.Start || o.Start >= m.End {
			kept = append(kept, o)
		}
	}
	if len(kept) < MaxMappings {
		kept = append(kept, m)
	}
	sort.Slice(kept, func(i, j int) bool { return kept[i].Start < kept[j].Start })
	p.maps, p.files = kept, nil
}

// Replaced says that a process became another program.
func (s *Symbolizer) Replaced(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.reported(pid)
	p.maps, p.files, p.jit = nil, nil, nil
}

// Forked says that a process began as a copy of another.
func (s *Symbolizer) Forked(parent, child int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.procs[child]; old != nil { // of an earlier process with this number
		old.close()
		delete(s.procs, child)
	}
	from := s.process(parent)
	p := s.reported(child)
	p.maps, p.read = from.maps, from.read
	if from.root != nil {
		p.root, _ = openRoot(child)
	}
}

// reported is a process that others report on: what it has mapped is not read
// until it is asked for. s.mu is held.
func (s *Symbolizer) reported(pid int) *process {
	s.clock++
	p := s.procs[pid]
	if p == nil {
		if len(s.procs) >= s.opt.Processes {
			s.forgetProcess()
		}
		p = &process{pid: pid}
		p.root, _ = openRoot(pid)
		s.procs[pid] = p
	}
	p.used = s.clock
	return p
}

// Mappings are a process's mappings as they are known, sorted by address; read
// if they are not. The caller leaves them unchanged.
func (s *Symbolizer) Mappings(pid int) []Mapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.process(pid)
	if p.maps == nil {
		p.refresh(time.Now())
	}
	return p.maps
}

// Symbolize names the function at an address of a process, how far in it is,
// and the file that holds it.
func (s *Symbolizer) Symbolize(pid int, addr uint64) (name string, offset uint64, file string, ok bool) {
	fs := s.frames(pid, addr, false)
	f := fs[len(fs)-1]
	return f.Name, f.Offset, f.Module, f.Name != ""
}

// Frames are the functions at an address of a process, innermost first: those
// that were inlined there, then the one that holds them. There is always one;
// it has no name if nothing is known. For a caller's frame the address is the
// one before that of return, which may belong to the next line or function.
func (s *Symbolizer) Frames(pid int, addr uint64) []Frame {
	return s.frames(pid, addr, s.opt.Lines)
}

func (s *Symbolizer) frames(pid int, addr uint64, lines bool) []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.process(pid)
	now := time.Now()
	if now.Sub(p.read) > freshFor {
		p.refresh(now)
	}
	m, ok := find(p.maps, addr)
	if !ok {
		p.refresh(now)
		if m, ok = find(p.maps, addr); !ok {
			return []Frame{{Offset: addr}}
		}
	}
	unknown := Frame{Offset: addr, Module: m.Path}
	if !m.IsFile() && m.Path != "[vdso]" {
		if t := p.jitTable(); t != nil {
			if name, start, ok := t.find(addr); ok {
				return []Frame{{Name: name, Symbol: name, Offset: addr - start, Module: "[jit]"}}
			}
		}
		return []Frame{unknown}
	}
	f := s.file(p, m)
	if f == nil {
		return []Frame{unknown}
	}
	v, ok := f.img.vaddr(addr - m.Start + m.Offset)
	if !ok {
		return []Frame{unknown}
	}
	at := place{f, v}
	if out, ok := s.found[at]; ok && (!lines || s.opt.Lines) {
		return out
	}
	out := f.frames(v, lines)
	if lines == s.opt.Lines {
		if len(s.found) >= keptPlaces {
			clear(s.found)
		}
		s.found[at] = out
	}
	return out
}

// process is what is remembered of a process. s.mu is held.
func (s *Symbolizer) process(pid int) *process {
	s.clock++
	p := s.procs[pid]
	if p == nil {
		if len(s.procs) >= s.opt.Processes {
			s.forgetProcess()
		}
		p = &process{pid: pid}
		s.procs[pid] = p
		p.refresh(time.Now())
	}
	p.used = s.clock
	return p
}

func (s *Symbolizer) forgetProcess() {
	oldest := -1
	for pid, p := range s.procs {
		if oldest < 0 || p.used < s.procs[oldest].used {
			oldest = pid
		}
	}
	s.procs[oldest].close()
	delete(s.procs, oldest)
}

// file is the binary behind a mapping; nil if it cannot be read.
func (s *Symbolizer) file(p *process, m Mapping) *file {
	if f := p.files[m.Start]; f != nil && !f.forgotten {
		f.used = s.clock
		return f
	}
	f := s.open(p, m)
	if f != nil {
		if p.files == nil {
			p.files = map[uint64]*file{}
		}
		p.files[m.Start] = f
	}
	return f
}

func (s *Symbolizer) open(p *process, m Mapping) *file {
	src, key, err := s.source(p, m)
	if err != nil || s.bad[key] {
		if src != nil {
			src.Close()
		}
		return nil
	}
	if f := s.files[key]; f != nil {
		if src != nil {
			src.Close()
		}
		f.used = s.clock
		return f
	}
	var f *file
	if src == nil {
		f, err = vdsoFile()
	} else {
		f, err = openFile(m.Path, p.rootPath(), s.opt, src)
	}
	if err != nil {
		if src != nil {
			src.Close()
		}
		if len(s.bad) < keptPlaces {
			s.bad[key] = true
		}
		return nil
	}
	s.makeRoom()
	f.key, f.used = key, s.clock
	s.files[key] = f
	return f
}

// source opens what is behind a mapping; no file for the vdso.
func (s *Symbolizer) source(p *process, m Mapping) (*os.File, fileKey, error) {
	if m.Path == "[vdso]" {
		return nil, fileKey{name: m.Path}, nil
	}
	src, err := p.open(m)
	if err != nil {
		return nil, fileKey{}, err
	}
	key, err := keyOf(src)
	return src, key, err
}

// makeRoom forgets the files that were not used for the longest time.
func (s *Symbolizer) makeRoom() {
	for {
		total, oldest := 0, (*file)(nil)
		for _, f := range s.files {
			total += f.bytes()
			if oldest == nil || f.used < oldest.used {
				oldest = f
			}
		}
		if oldest == nil || (total < s.opt.CacheBytes && len(s.files) < s.opt.Files) {
			return
		}
		oldest.close()
		oldest.forgotten = true
		delete(s.files, oldest.key)
		for at := range s.found {
			if at.file == oldest {
				delete(s.found, at)
			}
		}
	}
}

// vdsoFile is what the kernel maps into every process.
func vdsoFile() (*file, error) {
	b, err := readVDSO()
	if err != nil {
		return nil, err
	}
	img, err := newImage("[vdso]", bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return &file{path: "[vdso]", img: img}, nil
}

// readVDSO reads it from this process: it is the same in all of its kind.
func readVDSO() ([]byte, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	ms, err := ParseMaps(maps)
	if err != nil {
		return nil, err
	}
	for _, m := range ms {
		const most = 1 << 20
		if m.Path != "[vdso]" || m.End-m.Start > most {
			continue
		}
		mem, err := os.Open("/proc/self/mem")
		if err != nil {
			return nil, err
		}
		defer mem.Close()
		b := make([]byte, m.End-m.Start)
		if _, err := mem.ReadAt(b, int64(m.Start)); err != nil {
			return nil, fmt.Errorf("read vdso: %w", err)
		}
		return b, nil
	}
	return nil, errors.New("no vdso here")
}
