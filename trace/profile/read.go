package profile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
)

// read collects what the kernel counted and gives it names.
func (r *Recorder) read(end time.Time) (*Profile, error) {
	p := &Profile{Start: r.started, Duration: end.Sub(r.started)}
	if r.watch != nil {
		r.watch.Drain()
	}
	r.describeValues(p)
	if err := r.readStats(p); err != nil {
		return nil, err
	}
	waiting, err := r.waiting()
	if err != nil {
		return nil, err
	}
	samples := r.coll.Maps[bpf.ProfSamplesMap]
	n := namer{r: r, frames: map[nameKey][]Frame{}}
	var v bpf.ProfValue
	for key, value := range engine.Entries(samples, &err) {
		k := bpf.ProfKey{
			Hash: binary.NativeEndian.Uint64(key), Tgid: binary.NativeEndian.Uint32(key[8:]), Tid: binary.NativeEndian.Uint32(key[12:]),
		}
		if len(value) < binary.Size(&v) {
			return nil, fmt.Errorf("a sample has %d bytes", len(value))
		}
		decodeValue(value, &v)
		p.Stats.Counted += v.Count
		if w, ok := waiting[k]; ok {
			v.Count += w.count
			v.Sum += w.sum
		}
		if v.Count == 0 {
			continue
		}
		p.Samples = append(p.Samples, n.sample(k, &v, r.place[0].weight, r.opt.Mode, p.Period))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", bpf.ProfSamplesMap, err)
	}
	if r.opt.Mode == OffCPU {
		p.Stats.Taken = p.Stats.Counted + p.Stats.LostFull + p.Stats.LostBusy
	}
	sort.Slice(p.Samples, func(i, j int) bool { return less(&p.Samples[i], &p.Samples[j]) })
	return p, nil
}

// less puts the heaviest first.
func less(a, b *Sample) bool {
	if a.Values[1] != b.Values[1] {
		return a.Values[1] > b.Values[1]
	}
	if a.PID != b.PID {
		return a.PID < b.PID
	}
	for i := 0; i < len(a.Stack) && i < len(b.Stack); i++ {
		if a.Stack[i].Name != b.Stack[i].Name {
			return a.Stack[i].Name < b.Stack[i].Name
		}
	}
	return len(a.Stack) < len(b.Stack)
}

func (r *Recorder) describeValues(p *Profile) {
	switch r.opt.Mode {
	case CPU:
		p.Kind, p.Period = "cpu", int64(time.Second)/int64(r.opt.Frequency)
		p.Types = [2]ValueType{{"samples", "count"}, {"cpu", "nanoseconds"}}
	case OffCPU:
		p.Kind = "off-cpu"
		p.Types = [2]ValueType{{"waits", "count"}, {"delay", "nanoseconds"}}
	case Alloc:
		p.Kind = "alloc"
		p.Types = [2]ValueType{{"allocations", "count"}, {"space", "bytes"}}
	case Events:
		p.Kind = r.opt.Probe
		p.Types = [2]ValueType{{"samples", "count"}, {"events", "count"}}
	}
}

func (r *Recorder) readStats(p *Profile) error {
	b := make([]byte, binary.Size(bpf.ProfStats{}))
	if err := r.coll.Maps[bpf.ProfStatsMap].Lookup(make([]byte, 4), b, 0); err != nil {
		return fmt.Errorf("read %s: %w", bpf.ProfStatsMap, err)
	}
	var s bpf.ProfStats
	if err := binary.Read(bytes.NewReader(b), binary.NativeEndian, &s); err != nil {
		return err
	}
	run, _ := r.coll.Programs[r.place[0].program].Stats()
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Stats = Stats{
		Runs: run.Runs, RunTime: run.Runtime,
		Taken: s.Taken, LostFull: s.Full, LostBusy: s.Busy, Complete: s.Complete, TooDeep: s.TooDeep, Stopped: s.Stopped,
		ByKernel: s.ByKernel, Guessed: s.Guessed, Ready: r.ready,
		Binaries: r.tables.binaries(), Rows: r.tables.used, RowBytes: len(r.tables.rows), Skipped: r.tables.skipped,
	}
	return nil
}

type wait struct{ count, sum uint64 }

// waiting are the waits that have not ended, of threads that are still there.
func (r *Recorder) waiting() (map[bpf.ProfKey]wait, error) {
	out := map[bpf.ProfKey]wait{}
	if r.opt.Mode != OffCPU {
		return out, nil
	}
	now := uint64(monotonic())
	var err error
	for tid, v := range engine.Entries(r.coll.Maps[bpf.ProfWaitsMap], &err) {
		since := binary.NativeEndian.Uint64(v)
		k := bpf.ProfKey{Hash: binary.NativeEndian.Uint64(v[8:]), Tgid: binary.NativeEndian.Uint32(v[16:]), Tid: binary.NativeEndian.Uint32(v[20:])}
		// In a PID namespace threads have other numbers here.
		inner := r.config.Flags&bpf.ProfNamespace != 0
		if _, gone := os.Stat(fmt.Sprintf("/proc/%d/task/%d", k.Tgid, binary.NativeEndian.Uint32(tid))); gone != nil && !inner {
			continue
		}
		if now <= since || now-since < r.opt.Shortest {
			continue
		}
		w := out[k]
		w.count++
		w.sum += now - since
		out[k] = w
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", bpf.ProfWaitsMap, err)
	}
	return out, nil
}

// decodeValue reads struct prof_value; of frames only those that are there.
func decodeValue(b []byte, v *bpf.ProfValue) {
	o := binary.NativeEndian
	v.Count, v.Sum = o.Uint64(b), o.Uint64(b[8:])
	copy(v.Comm[:], b[16:32])
	v.Kernel, v.User = min(o.Uint16(b[32:]), bpf.ProfFrames), min(o.Uint16(b[34:]), bpf.ProfFrames)
	v.How = bpf.ProfHow(o.Uint32(b[36:]))
	const kernel, user = 40, 40 + 8*bpf.ProfFrames
	for i := range int(v.Kernel) {
		v.KernelFrames[i] = o.Uint64(b[kernel+8*i:])
	}
	for i := range int(v.User) {
		v.UserFrames[i] = o.Uint64(b[user+8*i:])
	}
}

// namer names frames, each once.
type namer struct {
	r      *Recorder
	frames map[nameKey][]Frame
}

type nameKey struct {
	pid  int // 0 for the kernel
	addr uint64
}

func (n *namer) sample(k bpf.ProfKey, v *bpf.ProfValue, weight int64, mode Mode, period int64) Sample {
	s := Sample{PID: int(k.Tgid), TID: int(k.Tid), Comm: string(bytes.TrimRight(v.Comm[:], "\x00"))}
	s.Values = [2]int64{int64(v.Count), int64(v.Sum)}
	switch mode {
	case CPU:
		s.Values[1] = int64(v.Count) * period
	case Events:
		s.Values[1] = int64(v.Count) * weight
	}
	for i := int(v.User) - 1; i >= 0; i-- {
		s.Stack = append(s.Stack, n.user(s.PID, v.UserFrames[i], i > 0)...)
	}
	kernel := len(s.Stack)
	for i := int(v.Kernel) - 1; i >= 0; i-- {
		s.Stack = append(s.Stack, n.kernel(v.KernelFrames[i]))
	}
	for len(s.Stack) > kernel && ours(s.Stack[len(s.Stack)-1].Name) {
		s.Stack = s.Stack[:len(s.Stack)-1]
	}
	return s
}

// ours says whether a function of the kernel is on the stack only because it was
// sampled: what calls the program.
func ours(name string) bool {
	for _, p := range []string{"bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_", "trace_call_bpf", "perf_trace_", "perf_syscall_", "bpf_get_stack", "kprobe_perf_func", "kprobe_dispatcher"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// user names a frame of a process, from the outermost of what was inlined. An
// address to return to belongs to the call before it.
func (n *namer) user(pid int, addr uint64, returns bool) []Frame {
	if returns {
		addr--
	}
	key := nameKey{pid, addr}
	if out, ok := n.frames[key]; ok {
		return out
	}
	fs := n.r.users.Frames(pid, addr)
	out := make([]Frame, 0, len(fs))
	for i := len(fs) - 1; i >= 0; i-- {
		f := Frame{Name: fs[i].Name, File: fs[i].File, Line: fs[i].Line, Module: fs[i].Module, Inlined: fs[i].Inlined}
		if !f.Inlined {
			f.Address = addr
		}
		if f.Name == "" {
			f.Name = unknown(f.Module)
		}
		out = append(out, f)
	}
	n.frames[key] = out
	return out
}

// unknown stands for functions that have no name, by what holds them.
func unknown(module string) string {
	if !strings.HasPrefix(module, "/") {
		return "[unknown]"
	}
	return "[unknown " + module[strings.LastIndexByte(module, '/')+1:] + "]"
}

func (n *namer) kernel(addr uint64) Frame {
	f := Frame{Name: "[unknown]", Module: "[kernel]", Address: addr, Kernel: true}
	if name, _, mod, ok := n.r.kernel.Find(addr); ok {
		f.Name = name
		if mod != "" {
			f.Module = "[" + mod + "]"
		}
	}
	return f
}
