package trace

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/lang"
	"github.com/skepdev/skep/trace/internal/debuginfo"
)

// Machine is what this machine has, as [lang.Env]. It reads tracefs, kernel
// types, symbol tables and binaries when they are first asked for.
type Machine struct {
	// PID and its executable narrow "*" as a binary.
	PID int
	// DummyClock says that time series are given a clock of their own.
	DummyClock bool
	// Unsafe lets uprobes be placed in files that are no ELF binaries.
	Unsafe bool

	// Processes says that processes are traced without the kernel's leave:
	// tracepoints are the few that can be had so, whose formats are known here.
	Processes bool

	// Filter, if not nil, keeps the probes whose name it approves of.
	Filter func(name string) bool
	// DebugDirs are searched for separate debug files first.
	DebugDirs []string
	// IncludeDirs are searched for headers first.
	IncludeDirs []string

	tracefs tracefs
	types   func() (*btf.Spec, error)
	symbols map[string]uint64
	calls   map[string]int
	formats map[string][]lang.TracepointField
	events  [][2]string
	debug   map[string]func() (*debuginfo.Info, error)
}

// Open prepares a Machine; nothing is read yet.
func Open() *Machine {
	return &Machine{types: sync.OnceValues(loadTypes), formats: map[string][]lang.TracepointField{}}
}

// Close gives descriptors back.
func (m *Machine) Close() error { return m.tracefs.close() }

// CPUs is how many CPUs there may be.
func (m *Machine) CPUs() int {
	if n := possibleCPUs(); n > 0 {
		return n
	}
	return runtime.NumCPU()
}

func unknown(format string, a ...any) error {
	return fmt.Errorf(format+": %w", append(a, lang.ErrUnknown)...)
}

// Tracepoint reads a tracepoint's format.
func (m *Machine) Tracepoint(group, name string) ([]lang.TracepointField, error) {
	key := group + ":" + name
	if f, ok := m.formats[key]; ok {
		return f, nil
	}
	read := m.tracefs.read
	if m.Processes {
		read = processFormat
	}
	text, err := read("events/" + group + "/" + name + "/format")
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, unknown("tracepoint %s", key)
		}
		return nil, err
	}
	f, err := ParseFormat(text)
	if err != nil {
		return nil, fmt.Errorf("tracepoint %s: %w", key, err)
	}
	m.formats[key] = f
	return f, nil
}

// Match lists the places of a pattern that the filter keeps.
func (m *Machine) Match(p lang.Attach) ([]lang.Attach, error) {
	found, err := m.match(p)
	if m.Filter == nil || p.Provider == "begin" || p.Provider == "end" {
		return found, err
	}
	var kept []lang.Attach
	for _, a := range found {
		if m.Filter(a.String()) {
			kept = append(kept, a)
		}
	}
	if len(kept) == 0 && len(found) > 0 {
		return nil, lang.ErrUnwanted
	}
	return kept, err
}

func (m *Machine) match(p lang.Attach) ([]lang.Attach, error) {
	switch p.Provider {
	case "tracepoint":
		return m.matchTracepoints(p)
	case "rawtracepoint":
		return m.matchRaw(p)
	case "kprobe", "kretprobe", "fentry", "fexit":
		return m.matchKernel(p)
	case "uprobe", "uretprobe":
		return m.matchUser(p)
	case "usdt":
		return m.matchUSDT(p)
	case "software", "hardware":
		return m.matchCounted(p)
	case "iter":
		return m.matchIter(p)
	}
	return []lang.Attach{p}, nil
}

func (m *Machine) matchCounted(p lang.Attach) ([]lang.Attach, error) {
	table := softEvents
	if p.Provider == "hardware" {
		table = hardEvents
	}
	var out []lang.Attach
	for n := range table {
		if lang.Glob(p.Target, n) {
			a := p
			a.Target = n
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, unknown("no %s event %s", p.Provider, p.Target)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Target < out[j].Target })
	return out, nil
}

func (m *Machine) matchTracepoints(p lang.Attach) ([]lang.Attach, error) {
	if !p.Wild() {
		if m.Processes {
			if _, err := m.Tracepoint(p.Target, p.Func); err != nil {
				return nil, fmt.Errorf("%w (without privilege system calls, sched_process_exec, _exit and _fork, and signal_deliver can be traced; the kernel's others need root)", err)
			}
			return []lang.Attach{p}, nil
		}
		if !m.tracefs.exists("events/" + p.Target + "/" + p.Func + "/id") {
			return nil, unknown("tracepoint %s:%s not found", p.Target, p.Func)
		}
		return []lang.Attach{p}, nil
	}
	all, err := m.Tracepoints()
	if err != nil {
		return nil, err
	}
	var out []lang.Attach
	for _, e := range all {
		if lang.Glob(p.Target, e[0]) && lang.Glob(p.Func, e[1]) {
			a := p
			a.Target, a.Func = e[0], e[1]
			out = append(out, a)
		}
	}
	return out, nil
}

// Tracepoints lists all tracepoints, group and name, in order.
func (m *Machine) Tracepoints() ([][2]string, error) {
	if m.events != nil {
		return m.events, nil
	}
	if m.Processes {
		m.events = processEvents()
		return m.events, nil
	}
	text, err := m.tracefs.read("available_events")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text) {
		group, name, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok {
			m.events = append(m.events, [2]string{group, name})
		}
	}
	sort.Slice(m.events, func(i, j int) bool {
		return m.events[i][0]+":"+m.events[i][1] < m.events[j][0]+":"+m.events[j][1]
	})
	return m.events, nil
}

// matchRaw finds raw tracepoints: the kernel's types list them all; without
// types an exact name is taken on trust.
func (m *Machine) matchRaw(p lang.Attach) ([]lang.Attach, error) {
	if all, err := m.Tracepoints(); err == nil && !p.Wild() {
		// Most are tracepoints, too: that spares reading all types.
		for _, e := range all {
			if e[1] == p.Func && (p.Target == "" || lang.Glob(p.Target, "vmlinux")) {
				p.Target = "vmlinux"
				return []lang.Attach{p}, nil
			}
		}
	}
	names, err := m.RawTracepoints()
	if err != nil {
		if p.Wild() {
			return nil, err
		}
		return []lang.Attach{p}, nil
	}
	var out []lang.Attach
	for _, n := range names {
		if lang.Glob(p.Func, n) && (p.Target == "" || lang.Glob(p.Target, "vmlinux")) {
			a := p
			a.Func, a.Target = n, "vmlinux"
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, unknown("no raw tracepoint %s", p.Func)
	}
	return out, nil
}

// matchKernel finds functions. An exact name need only be a symbol; patterns
// are matched against what can be traced.
func (m *Machine) matchKernel(p lang.Attach) ([]lang.Attach, error) {
	typed := p.Provider == "fentry" || p.Provider == "fexit"
	switch {
	case p.Func == "", p.Target == "bpf":
		return []lang.Attach{p}, nil
	case !p.Wild() && typed:
		if _, err := m.FuncProto(p.Func); err != nil {
			return nil, unknown("no BTF found for %s", p.Func)
		}
		if p.Target == "" {
			p.Target = "vmlinux"
		}
		return []lang.Attach{p}, nil
	case !p.Wild():
		if _, err := m.KernelSymbol(p.Func); err != nil {
			return nil, unknown("no function %s in the kernel", p.Func)
		}
		return []lang.Attach{p}, nil
	}
	funcs, err := m.KernelFunctions(typed)
	if err != nil {
		return nil, err
	}
	var out []lang.Attach
	for _, f := range funcs {
		if !lang.Glob(p.Func, f.name) || p.Target != "" && !lang.Glob(p.Target, f.module) {
			continue
		}
		a := p
		a.Func = f.name
		a.Target = f.module
		if !typed && p.Target == "" {
			a.Target = ""
		}
		out = append(out, a)
	}
	return out, nil
}

func (m *Machine) matchIter(p lang.Attach) ([]lang.Attach, error) {
	names, err := m.Iterators()
	if err != nil {
		return nil, err
	}
	var out []lang.Attach
	for _, n := range names {
		if lang.Glob(p.Func, n) {
			a := p
			a.Func = n
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, unknown("iter %s not available for your kernel version.", p.Func)
	}
	return out, nil
}

// binaries are the files that a target of a uprobe means.
func (m *Machine) binaries(target string) ([]string, error) {
	switch {
	case (target == "*" || target == "") && m.PID != 0:
		return mappedFiles(m.PID)
	case lang.HasWildcard(target):
		found, err := filepath.Glob(target)
		if err != nil {
			return nil, err
		}
		var out []string
		for _, f := range found {
			if strings.HasPrefix(target, "./") {
				f = "./" + f
			}
			if isELF(f) {
				out = append(out, f)
			}
		}
		return out, nil
	}
	path, err := m.resolveBinary(target)
	if err != nil {
		return nil, err
	}
	return []string{path}, nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func isELF(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// resolveBinary finds a program by path or in $PATH, or a library by its name.
func (m *Machine) resolveBinary(name string) (string, error) {
	if strings.Contains(name, "/") {
		if st, err := os.Stat(name); err != nil || st.IsDir() {
			// A process may have another root.
			if in := fmt.Sprintf("/proc/%d/root%s", m.PID, name); m.PID != 0 && name[0] == '/' {
				if st, err := os.Stat(in); err == nil && !st.IsDir() {
					return in, nil
				}
			}
			return "", unknown("uprobe target file '%s' does not exist or is not executable", name)
		}
		return name, nil
	}
	if st, err := os.Stat(name); err == nil && st.Mode()&0o111 != 0 && !st.IsDir() {
		return absolute(name), nil
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin") {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode()&0o111 != 0 && !st.IsDir() {
			return absolute(p), nil
		}
	}
	if p := findLibrary(name); p != "" {
		return absolute(p), nil
	}
	return "", unknown("uprobe target file '%s' does not exist or is not executable", name)
}

// findLibrary looks where libraries lie: libc, libc.so.6, libssl.so.3.
func findLibrary(name string) string {
	base := name
	if !strings.HasPrefix(base, "lib") {
		base = "lib" + base
	}
	for _, dir := range []string{
		"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
		"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib",
	} {
		for _, pattern := range []string{base, base + ".so.*", base + ".so"} {
			found, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, f := range found {
				if isELF(f) {
					return f
				}
			}
		}
	}
	return ""
}

// matchUser finds functions of binaries.
func (m *Machine) matchUser(p lang.Attach) ([]lang.Attach, error) {
	files, err := m.binaries(p.Target)
	if err != nil {
		return nil, err
	}
	var out []lang.Attach
	for _, f := range files {
		if p.File != "" {
			at, err := m.matchLine(f, p)
			if err != nil && len(files) == 1 {
				return nil, err
			}
			out = append(out, at...)
			continue
		}
		if p.Func == "" {
			a := p
			a.Target = f
			out = append(out, a)
			continue
		}
		names, err := m.functions(f, p)
		if err != nil {
			if len(files) == 1 {
				return nil, err
			}
			continue
		}
		for _, n := range names {
			a := p
			a.Target, a.Func, a.Lang = f, n, ""
			out = append(out, a)
		}
	}
	return out, nil
}

// ReadFile reads headers and imported scripts.
func (m *Machine) ReadFile(path string, angle bool) ([]byte, error) {
	if !angle {
		if b, err := os.ReadFile(path); err == nil {
			return b, nil
		}
	}
	dirs := append(append([]string{}, m.IncludeDirs...), "/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu", "/usr/local/include")
	for _, v := range []string{"C_INCLUDE_PATH", "CPATH"} {
		dirs = append(dirs, filepath.SplitList(os.Getenv(v))...)
	}
	for _, dir := range dirs {
		if b, err := os.ReadFile(filepath.Join(dir, path)); err == nil {
			return b, nil
		}
	}
	return nil, os.ErrNotExist
}
