package symbol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Watcher tells a symbolizer of every program that begins and every library
// that is mapped on this machine, as the kernel reports it, so that processes
// which end at once have names too.
type Watcher struct {
	s     *Symbolizer
	rings []*eventRing
	stop  chan struct{}
	done  sync.WaitGroup

	changed func(pid int)

	mu   sync.Mutex
	lost uint64
	new  map[int]bool // processes that mapped code in this turn
}

// eventRing is the ring of records of one processor.
type eventRing struct {
	fd  int
	mem []byte // a page of control data, then the records
}

// record is one that was read; time is the kernel's, in nanoseconds.
type record struct {
	time uint64
	typ  uint32
	misc uint16
	body []byte
}

// stamp is the time at the end of a record, where sample_id_all puts it.
func stamp(body []byte) uint64 {
	if len(body) < 8 {
		return 0
	}
	return binary.NativeEndian.Uint64(body[len(body)-8:])
}

// ringPages is how many pages of records each processor has room for; a record
// of a mapping takes some 100 bytes.
const ringPages = 64

// drainEvery is how often rings are emptied at the latest, restEvery how long
// the watcher rests when there is much to do.
const (
	drainEvery = 20 * time.Millisecond
	restEvery  = 500 * time.Microsecond
)

// Watch begins to watch (perf_event_open(2), a dummy event on every processor).
// It needs root or CAP_PERFMON. changed, if not nil, is called soon after a
// process mapped code. The caller closes the watcher before the symbolizer.
func Watch(s *Symbolizer, changed func(pid int)) (*Watcher, error) {
	w := &Watcher{s: s, stop: make(chan struct{}), changed: changed, new: map[int]bool{}}
	cpus, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	for _, cpu := range cpus {
		r, err := openRing(cpu)
		if err != nil {
			w.Close()
			return nil, err
		}
		w.rings = append(w.rings, r)
	}
	w.done.Add(1)
	go w.run()
	return w, nil
}

func onlineCPUs() ([]int, error) {
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("online processors: %w", err)
	}
	var out []int
	for part := range strings.SplitSeq(strings.TrimSpace(string(b)), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		z, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || a < 0 || z < a || z > 1<<16 {
			return nil, fmt.Errorf("online processors: %q is no list", b)
		}
		for ; a <= z; a++ {
			out = append(out, a)
		}
	}
	return out, nil
}

func openRing(cpu int) (*eventRing, error) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY, Size: unix.PERF_ATTR_SIZE_VER5,
		Wakeup: 1, Sample_type: unix.PERF_SAMPLE_TIME,
		Bits: unix.PerfBitMmap | unix.PerfBitMmap2 | unix.PerfBitComm | unix.PerfBitCommExec | unix.PerfBitTask | unix.PerfBitSampleIDAll,
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch mappings on processor %d: %w", cpu, err)
	}
	mem, err := unix.Mmap(fd, 0, (1+ringPages)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch mappings on processor %d: map the ring: %w", cpu, err)
	}
	return &eventRing{fd, mem}, nil
}

func (w *Watcher) run() {
	defer w.done.Done()
	var fds []unix.PollFd
	for _, r := range w.rings {
		fds = append(fds, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN})
	}
	for {
		n, err := unix.Poll(fds, int(drainEvery.Milliseconds()))
		w.Drain()
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			time.Sleep(drainEvery)
		case n > 0:
			time.Sleep(restEvery)
		}
		select {
		case <-w.stop:
			return
		default:
		}
	}
}

// Drain passes on what the kernel has reported up to now.
func (w *Watcher) Drain() {
	w.mu.Lock()
	var all []record
	for _, r := range w.rings {
		r.drain(func(typ uint32, misc uint16, body []byte) {
			all = append(all, record{stamp(body), typ, misc, bytes.Clone(body)})
		})
	}
	// A process may begin on one processor and go on at another.
	sort.SliceStable(all, func(i, j int) bool { return all[i].time < all[j].time })
	for _, r := range all {
		w.handle(r.typ, r.misc, r.body)
	}
	var pids []int
	if w.changed != nil {
		for pid := range w.new {
			pids = append(pids, pid)
		}
	}
	clear(w.new)
	w.mu.Unlock()
	for _, pid := range pids {
		w.changed(pid)
	}
}

// Lost is how many reports found no room.
func (w *Watcher) Lost() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Close stops watching. It is safe to call twice.
func (w *Watcher) Close() error {
	select {
	case <-w.stop:
		return nil
	default:
		close(w.stop)
	}
	w.done.Wait()
	var errs []error
	for _, r := range w.rings {
		errs = append(errs, unix.Munmap(r.mem), unix.Close(r.fd))
	}
	w.rings = nil
	return errors.Join(errs...)
}

// drain hands over the records that are there (struct perf_event_mmap_page and
// perf_event_header of linux/perf_event.h).
func (r *eventRing) drain(handle func(typ uint32, misc uint16, body []byte)) {
	const header = 8
	data := r.mem[os.Getpagesize():]
	size := uint64(len(data))
	head, tail := r.head(), r.tail()
	var whole []byte
	for tail < head {
		at := tail % size
		h := data[at:min(at+header, size)] // records are aligned to 8 bytes: a header is in one piece
		n := uint64(binary.NativeEndian.Uint16(h[6:]))
		if n < header || n > head-tail {
			break
		}
		body := data[at : at+min(n, size-at)]
		if uint64(len(body)) < n {
			whole = append(append(whole[:0], body...), data[:n-uint64(len(body))]...)
			body = whole
		}
		handle(binary.NativeEndian.Uint32(h), binary.NativeEndian.Uint16(h[4:]), body[header:])
		tail += n
	}
	r.setTail(head)
}

func (w *Watcher) handle(typ uint32, misc uint16, body []byte) {
	const lost, comm, fork, mmap2, commExec = 2, 3, 7, 10, 1 << 13
	o := binary.NativeEndian
	if len(body) < 16 {
		return
	}
	pid := int(int32(o.Uint32(body)))
	switch typ {
	case lost:
		w.lost += o.Uint64(body[8:])
	case comm:
		if misc&commExec != 0 {
			w.s.Replaced(pid)
		}
	case fork:
		if parent := int(int32(o.Uint32(body[4:]))); parent != pid {
			w.s.Forked(parent, pid)
		}
	case mmap2:
		if m, ok := parseMmap2(body); ok {
			w.s.AddMapping(pid, m)
			w.new[pid] = true
		}
	}
}

// parseMmap2 reads what follows the header of a PERF_RECORD_MMAP2.
func parseMmap2(b []byte) (Mapping, bool) {
	const name = 64
	o := binary.NativeEndian
	if len(b) < name {
		return Mapping{}, false
	}
	start, n := o.Uint64(b[8:]), o.Uint64(b[16:])
	path, _, _ := strings.Cut(string(b[name:]), "\x00")
	m := Mapping{
		Start: start, End: start + n, Offset: o.Uint64(b[24:]), Inode: o.Uint64(b[40:]), Path: path, Exec: o.Uint32(b[56:])&unix.PROT_EXEC != 0,
	}
	if path == "//anon" {
		m.Path = ""
	}
	return m, m.End > m.Start && m.Exec
}
