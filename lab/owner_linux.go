package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Where state is kept that must be found after the process is gone: one file
// per lab, locked (flock) as long as its process lives, named like everything
// the lab leaves.
const (
	stateDir = "/run/skep/lab"
	netNSDir = "/run/netns"
	envName  = "SKEP_LAB"
)

// owner is a kernel-world lab as the next one sees it. Most labs own nothing
// that outlives the process and never make a file.
type owner struct {
	lab string
	id  string // process id, its start time, when the lab was made

	mu    sync.Mutex
	file  *os.File
	names []string
}

func newOwner(lab string) (*owner, error) {
	start, err := startTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	return &owner{lab: lab, id: fmt.Sprintf("%d-%s-%d", os.Getpid(), start, time.Now().UnixNano())}, nil
}

// startTime is field 22 of /proc/<pid>/stat, clock ticks since boot: with the
// id it names a process for good.
func startTime(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The command's name, in parentheses, may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("read /proc/%d/stat: too few fields", pid)
	}
	return fields[19], nil
}

// mark is what commands started in the lab carry in their environment.
func (o *owner) mark() string {
	// A lab that cannot keep state still kills its commands when it ends, and
	// the kernel those that it started itself when the process ends.
	_ = o.claim()
	return envName + "=" + o.id
}

// claim makes the lab's state file and locks it.
func (o *owner) claim() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.claimLocked()
}

func (o *owner) claimLocked() error {
	if o.file != nil {
		return nil
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	path := filepath.Join(stateDir, o.id)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("keep state: %w", err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			f.Close()
			return fmt.Errorf("lock %s: %w", path, err)
		}
		// A lab starting elsewhere may have swept the file before it was
		// locked.
		if sameFile(f, path) {
			o.file = f
			return nil
		}
		f.Close()
	}
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// show gives a namespace a name under /run/netns.
func (o *owner) show(host string, ns *namespace) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.claimLocked(); err != nil {
		return err
	}
	if err := os.MkdirAll(netNSDir, 0o755); err != nil {
		return fmt.Errorf("name namespace: %w", err)
	}
	path := filepath.Join(netNSDir, namePrefix(o.id)+o.lab+"-"+host)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("name namespace: %w", err)
	}
	f.Close()
	o.names = append(o.names, path)
	if err := unix.Mount(ns.path, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("name namespace %s: %w", path, err)
	}
	return nil
}

func namePrefix(id string) string { return "skep-" + id + "-" }

// close takes back the names and the state.
func (o *owner) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	var errs []error
	for _, path := range o.names {
		errs = append(errs, unname(path))
	}
	o.names = nil
	errs = append(errs, os.Remove(o.file.Name()), o.file.Close())
	o.file = nil
	return errors.Join(errs...)
}

func unname(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes what labs of ended processes left: their names and commands.
// A file whose lock is held, or a name without a file, is not touched.
func sweep() error {
	files, err := os.ReadDir(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var errs []error
	for _, e := range files {
		if validID(e.Name()) {
			errs = append(errs, sweepOne(e.Name()))
		}
	}
	return errors.Join(errs...)
}

// validID tells ids from anything else somebody may have put there.
func validID(id string) bool {
	parts := strings.Split(id, "-")
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 64); err != nil {
			return false
		}
	}
	return len(parts) == 3
}

func sweepOne(id string) error {
	path := filepath.Join(stateDir, id)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // alive
	}
	if !sameFile(f, path) {
		return nil // swept by another
	}
	killMarked(id)
	names, err := filepath.Glob(filepath.Join(netNSDir, namePrefix(id)+"*"))
	errs := []error{err}
	for _, n := range names {
		errs = append(errs, unname(n))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return os.Remove(path)
}

// killMarked kills the commands of an ended lab, which its mark names.
func killMarked(id string) {
	mark := []byte("\x00" + envName + "=" + id + "\x00")
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range dir {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil {
			continue
		}
		if bytes.Contains(append([]byte{0}, env...), mark) {
			_ = unix.Kill(pid, unix.SIGKILL) // it may just have ended
		}
	}
}
