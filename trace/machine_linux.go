package trace

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// tracefs is the tracing file system: the mounted one, or one of our own that
// is mounted nowhere.
type tracefs struct {
	once sync.Once
	dir  *os.File
	err  error
}

func (t *tracefs) open() error {
	t.once.Do(func() {
		for _, path := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
			var st unix.Statfs_t
			if unix.Statfs(path, &st) != nil || st.Type != unix.TRACEFS_MAGIC {
				continue
			}
			if fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
				t.dir = os.NewFile(uintptr(fd), path)
				return
			}
		}
		fd, err := detached("tracefs")
		if err != nil {
			t.err = fmt.Errorf("mount tracefs: %w", err)
			return
		}
		t.dir = os.NewFile(uintptr(fd), "tracefs")
	})
	return t.err
}

func detached(fstype string) (int, error) {
	conf, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(conf)
	if err := unix.FsconfigCreate(conf); err != nil {
		return -1, err
	}
	return unix.Fsmount(conf, unix.FSMOUNT_CLOEXEC, 0)
}

func (t *tracefs) read(path string) (string, error) {
	if err := t.open(); err != nil {
		return "", err
	}
	fd, err := unix.Openat(int(t.dir.Fd()), path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "read", Path: "tracefs/" + path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 16<<20))
	return string(b), err
}

func (t *tracefs) exists(path string) bool {
	if t.open() != nil {
		return false
	}
	return unix.Faccessat(int(t.dir.Fd()), path, unix.F_OK, 0) == nil
}

func (t *tracefs) close() error {
	if t.dir != nil {
		return t.dir.Close()
	}
	return nil
}

func loadTypes() (*btf.Spec, error) { return btf.LoadKernelSpec() }

func possibleCPUs() int { return ebpf.MustPossibleCPU() }

func inode(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

func clock(id int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func bootTime() time.Duration { return clock(unix.CLOCK_BOOTTIME) }

// bootOffset is the wall clock less the time since boot: the tightest of a few
// tries.
func bootOffset() time.Duration {
	best, off := time.Duration(1<<62), time.Duration(0)
	for range 5 {
		a := clock(unix.CLOCK_BOOTTIME)
		w := clock(unix.CLOCK_REALTIME)
		b := clock(unix.CLOCK_BOOTTIME)
		if b-a < best {
			best, off = b-a, w-(a+(b-a)/2)
		}
	}
	return off
}

// taiOffset is TAI less the time since boot; taiWall TAI less the wall clock.
func taiOffset() time.Duration { return clock(unix.CLOCK_TAI) - clock(unix.CLOCK_BOOTTIME) }

func taiWall() time.Duration {
	d := clock(unix.CLOCK_TAI) - clock(unix.CLOCK_REALTIME)
	return d.Round(time.Second)
}

func processAlive(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }

func signalName(n int) string {
	const most = 64
	switch {
	case n < 0 || n > most:
		return "N/A"
	case unix.SignalName(syscall.Signal(n)) == "":
		return fmt.Sprintf("Unknown signal %d", n)
	}
	s := syscall.Signal(n).String()
	return strings.ToUpper(s[:1]) + s[1:]
}
