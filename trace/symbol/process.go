package symbol

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
)

// freshFor is how long a process's mappings are believed without looking again:
// it may have loaded a library, or become another program.
const freshFor = time.Second

// process is what is known of a process's address space.
type process struct {
	pid  int
	maps []Mapping
	read time.Time // when maps were read
	dead bool      // it was gone when we looked again
	root *os.File  // its root directory, if that is not ours
	used uint64
	// files behind mappings, by where these start.
	files map[uint64]*file

	jit     *table
	jitSize int64
	jitTime time.Time
}

func (p *process) close() {
	if p.root != nil {
		p.root.Close()
	}
}

// refresh reads the mappings anew. Those of a process that has ended stay, until
// another one has its number.
func (p *process) refresh(now time.Time) {
	if now.Sub(p.read) < freshFor/20 {
		return
	}
	p.read = now
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", p.pid))
	if err != nil {
		p.dead = true
		return
	}
	defer f.Close()
	ms, err := ParseMaps(f)
	if err != nil || len(ms) == 0 { // a process that is ending has none
		return
	}
	p.maps, p.files = ms, nil
	if p.dead {
		p.close()
		p.dead, p.root, p.jit = false, nil, nil
	}
	if p.root == nil {
		p.root, _ = openRoot(p.pid)
	}
}

// rootPath is what to put in front of the process's paths.
func (p *process) rootPath() string {
	if p.root == nil {
		return ""
	}
	if !p.dead {
		return fmt.Sprintf("/proc/%d/root", p.pid)
	}
	return fmt.Sprintf("/proc/self/fd/%d", p.root.Fd())
}

// open opens the file behind a mapping: through the kernel's own link, which
// works for deleted and replaced files but asks for privilege, or by name if
// that still is the same file.
func (p *process) open(m Mapping) (*os.File, error) {
	if !p.dead {
		if f, err := openRegular(fmt.Sprintf("/proc/%d/map_files/%x-%x", p.pid, m.Start, m.End)); err == nil {
			return f, nil
		}
	}
	f, err := openRegular(p.rootPath() + m.Path)
	if err != nil {
		return nil, err
	}
	if key, err := keyOf(f); err != nil || (key.inode != 0 && key.inode != m.Inode) {
		f.Close()
		return nil, fmt.Errorf("%s was replaced since process %d mapped it", m.Path, p.pid)
	}
	return f, nil
}

// jitTable is the map that a JIT compiler in the process wrote; nil if none
// did. It grows while the process runs.
func (p *process) jitTable() *table {
	ns := innerPID(p.pid)
	for _, path := range []string{fmt.Sprintf("%s/tmp/perf-%d.map", p.rootPath(), ns), fmt.Sprintf("/tmp/perf-%d.map", p.pid)} {
		f, err := openRegular(path)
		if err != nil {
			continue
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			continue
		}
		if p.jit == nil || st.Size() != p.jitSize || !st.ModTime().Equal(p.jitTime) {
			p.jit, p.jitSize, p.jitTime = parseJITMap(f), st.Size(), st.ModTime()
		}
		break
	}
	return p.jit
}

// innerPID is the process's number in its own PID namespace.
func innerPID(pid int) int {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return pid
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		rest, ok := strings.CutPrefix(sc.Text(), "NSpid:")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		inner := pid
		if len(fields) > 0 {
			fmt.Sscanf(fields[len(fields)-1], "%d", &inner)
		}
		return inner
	}
	return pid
}
