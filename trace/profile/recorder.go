package profile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/trace/symbol"
)

// Recorder samples until it is stopped.
type Recorder struct {
	opt    Options
	coll   *engine.Collection
	links  []engine.Link
	tables *tables
	users  *symbol.Symbolizer
	kernel *symbol.Kernel
	watch  *symbol.Watcher // nil where that is not allowed
	place  []place
	config bpf.ProfConfig

	started time.Time
	ready   time.Duration
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu   sync.Mutex // guards tables and seen
	seen map[int]sight
}

// Start begins to sample. The caller stops the recorder; ctx only bounds
// starting.
func Start(ctx context.Context, opt Options) (_ *Recorder, err error) {
	began := time.Now()
	r := &Recorder{opt: opt, users: symbol.New(symbol.Options{Lines: opt.Lines}), kernel: &symbol.Kernel{}, seen: map[int]sight{}}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if r.opt.Frequency == 0 {
		r.opt.Frequency = 99
	}
	if err := r.choose(); err != nil {
		return nil, err
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	r.watch, _ = symbol.Watch(r.users, r.changed)
	for _, pid := range opt.PIDs {
		r.describe(pid)
	}
	if err := r.attach(); err != nil {
		return nil, err
	}
	r.ready, r.started = time.Since(began), time.Now()
	background, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.done.Add(1)
	go r.answer(background)
	return r, nil
}

// choose says what samples.
func (r *Recorder) choose() error {
	pid := 0
	if len(r.opt.PIDs) == 1 && !r.opt.Follow {
		pid = r.opt.PIDs[0]
	}
	switch r.opt.Mode {
	case CPU:
		r.place = []place{{bpf.ProfCPU, engine.PerfEvent{Type: 1, Frequency: uint64(r.opt.Frequency), CPU: -1}, 1}}
	case OffCPU:
		r.place = []place{{bpf.ProfSwitch, engine.RawTracepoint{Name: "sched_switch"}, 1}}
	case Alloc:
		if runtime.GOARCH != "amd64" {
			return &engine.NotSupportedError{Feature: "allocation profiles", Reason: "the arguments of malloc are read on x86-64 only, this is " + runtime.GOARCH}
		}
		lib, err := r.allocator()
		if err != nil {
			return err
		}
		for name, cookie := range map[string]uint64{"malloc": bpf.ProfArg0, "calloc": bpf.ProfArg0Arg1, "realloc": bpf.ProfArg1, "aligned_alloc": bpf.ProfArg1} {
			r.place = append(r.place, place{bpf.ProfFunction, engine.Uprobe{Path: lib, Symbol: name, PID: pid, Cookie: cookie}, 1})
		}
	case Events:
		p, err := parseProbe(r.opt.Probe, pid)
		if err != nil {
			return err
		}
		r.place = []place{p}
	}
	if r.opt.Follow {
		r.place = append(r.place, place{bpf.ProfFork, engine.RawTracepoint{Name: "sched_process_fork"}, 0})
	}
	return nil
}

// allocator is the library whose malloc is counted.
func (r *Recorder) allocator() (string, error) {
	if r.opt.Library != "" {
		return r.opt.Library, nil
	}
	if len(r.opt.PIDs) == 0 {
		return "", errors.New("allocations are counted by process: name one")
	}
	pid := r.opt.PIDs[0]
	const patience = 500 * time.Millisecond // a process that just began maps its libraries yet
	for began := time.Now(); time.Since(began) < patience; time.Sleep(5 * time.Millisecond) {
		r.users.Observe(pid)
		for _, m := range r.users.Mappings(pid) {
			name := m.Path[strings.LastIndexByte(m.Path, '/')+1:]
			if m.IsFile() && (strings.HasPrefix(name, "libc.so") || strings.HasPrefix(name, "libc-") || strings.HasPrefix(name, "ld-musl")) {
				return fmt.Sprintf("/proc/%d/root%s", pid, m.Path), nil
			}
		}
	}
	return "", fmt.Errorf("process %d uses no C library whose malloc could be counted: name the library or program that has it", pid)
}

func (r *Recorder) load(ctx context.Context) error {
	spec, err := bpf.Profiler()
	if err != nil {
		return err
	}
	if r.opt.Stacks > 0 {
		spec.Maps[bpf.ProfSamplesMap].MaxEntries = uint32(r.opt.Stacks)
	}
	if r.opt.Rows > 0 {
		spec.Maps[bpf.ProfRowsMap].MaxEntries = uint32(r.opt.Rows)
	}
	if r.opt.NoUnwind {
		spec.Maps[bpf.ProfRowsMap].MaxEntries = 1
	}
	needed := map[string]bool{}
	for _, p := range r.place {
		needed[p.program] = true
	}
	for name := range spec.Programs {
		if !needed[name] {
			delete(spec.Programs, name)
		}
	}
	if r.coll, err = r.opt.Engine.Load(ctx, spec, nil); err != nil {
		return err
	}
	if r.tables, err = newTables(r.coll.Maps[bpf.ProfRowsMap]); err != nil {
		return err
	}
	return r.configure()
}

// configure tells programs which processes are meant.
func (r *Recorder) configure() error {
	c := &r.config
	for flag, on := range map[uint32]bool{
		bpf.ProfOnlyTargets: len(r.opt.PIDs) > 0, bpf.ProfOnlyCgroup: r.opt.Cgroup != "", bpf.ProfThreads: r.opt.Threads,
		bpf.ProfKernel: !r.opt.NoKernel, bpf.ProfUser: !r.opt.NoUser, bpf.ProfFollow: r.opt.Follow, bpf.ProfUnwind: !r.opt.NoUnwind && runtime.GOARCH == "amd64",
	} {
		if on {
			c.Flags |= flag
		}
	}
	c.Shortest = r.opt.Shortest
	if dev, ino, inner := pidNamespace(); inner {
		c.Flags |= bpf.ProfNamespace
		c.Device, c.Inode = dev, ino
	}
	if r.opt.Cgroup != "" {
		var err error
		if c.Cgroup, c.Level, err = cgroupID(r.opt.Cgroup); err != nil {
			return err
		}
	}
	for _, pid := range r.opt.PIDs {
		if err := r.coll.Maps[bpf.ProfTargetsMap].Update(native(uint32(pid)), native(uint32(1)), 0); err != nil {
			return fmt.Errorf("tell programs of process %d: %w", pid, err)
		}
	}
	return r.setConfig()
}

func (r *Recorder) setConfig() error {
	if err := r.coll.Maps[bpf.ProfConfigMap].Update(make([]byte, 4), native(r.config), 0); err != nil {
		return fmt.Errorf("tell programs what to sample: %w", err)
	}
	return nil
}

// native is a value's bytes as the kernel lays it out.
func native(v any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, v); err != nil {
		panic("BUG: no fixed size: " + err.Error())
	}
	return b.Bytes()
}

func (r *Recorder) attach() error {
	for _, p := range r.place {
		l, err := r.opt.Engine.Attach(r.coll.Programs[p.program], p.target)
		if err != nil {
			return err
		}
		r.links = append(r.links, l)
	}
	return nil
}

// describe tells the kernel how a process's code is unwound.
func (r *Recorder) describe(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users.Observe(pid)
	var p bpf.ProfProcess
	if !r.opt.NoUnwind {
		p = r.tables.process(pid, r.users)
	}
	r.seen[pid] = sight{time.Now(), r.seen[pid].times + 1}
	// A full map leaves the process to frame pointers.
	_ = r.coll.Maps[bpf.ProfProcessesMap].Update(native(uint32(pid)), native(p), 0)
}

// changed describes a process that is sampled, when it has mapped code.
func (r *Recorder) changed(pid int) {
	r.mu.Lock()
	_, known := r.seen[pid]
	r.mu.Unlock()
	if !known && r.coll.Maps[bpf.ProfTargetsMap].Lookup(native(uint32(pid)), make([]byte, 4), 0) != nil {
		return
	}
	r.describe(pid)
}

// wantedEvery is how often programs are asked for processes they met, and
// againAfter how soon one is described again whose code they did not find.
const (
	wantedEvery = 5 * time.Millisecond
	againAfter  = 10 * time.Millisecond
)

// sight is when a process was described, and how often.
type sight struct {
	last  time.Time
	times int
}

// again says whether it is time to describe the process once more: a process
// that just began changes often, one whose code is never found seldom helps.
func (s sight) again() bool {
	const most = 7
	return s.times == 0 || time.Since(s.last) >= againAfter<<min(s.times-1, most)
}

// answer describes processes that programs met.
func (r *Recorder) answer(ctx context.Context) {
	defer r.done.Done()
	tick := time.NewTicker(wantedEvery)
	defer tick.Stop()
	wanted := r.coll.Maps[bpf.ProfWantedMap]
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var pids []int
		var err error
		for key := range engine.Entries(wanted, &err) {
			pids = append(pids, int(binary.NativeEndian.Uint32(key)))
		}
		for _, pid := range pids {
			r.mu.Lock()
			again := r.seen[pid].again()
			r.mu.Unlock()
			if !again {
				continue
			}
			r.describe(pid)
			_ = wanted.Delete(native(uint32(pid)))
		}
	}
}

// Snapshot is the profile up to now; sampling goes on.
func (r *Recorder) Snapshot() (*Profile, error) { return r.read(time.Now()) }

// Stop ends sampling and returns what was sampled.
func (r *Recorder) Stop() (*Profile, error) {
	end := time.Now()
	r.config.Flags |= bpf.ProfPaused
	if err := r.setConfig(); err != nil {
		return nil, err
	}
	r.detach()
	// A program that runs now is done in less.
	time.Sleep(5 * time.Millisecond)
	p, err := r.read(end)
	r.Close()
	return p, err
}

func (r *Recorder) detach() {
	for _, l := range r.links {
		l.Close()
	}
	r.links = nil
}

// Close gives everything up. It is safe to call twice.
func (r *Recorder) Close() error {
	if r.cancel != nil {
		r.cancel()
		r.done.Wait()
		r.cancel = nil
	}
	r.detach()
	if r.watch != nil {
		r.watch.Close()
		r.watch = nil
	}
	if r.coll != nil {
		r.coll.Close()
		r.coll = nil
	}
	return r.users.Close()
}

func names[V any](m map[string]V) string {
	var out []string
	for n := range m {
		out = append(out, n)
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}
