package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace held by a file descriptor and nothing else:
// it is gone when the process is.
type namespace struct {
	// path opens the same namespace from anywhere in this pid namespace.
	path string
	// id is the inode that /proc/<pid>/ns/net of processes inside shows.
	id uint64

	mu sync.RWMutex
	fd int // -1 once closed
}

func newNamespace() (*namespace, error) {
	ns := &namespace{fd: -1}
	err := onSpareThread(func() error {
		return excursion(func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("unshare network namespace: %w", err)
			}
			return ns.open()
		})
	})
	if err != nil {
		return nil, errors.Join(err, ns.close())
	}
	return ns, nil
}

// open takes hold of the calling thread's namespace.
func (ns *namespace) open() error {
	var err error
	if ns.fd, err = openThreadNetNS(); err != nil {
		return err
	}
	ns.path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.fd)
	var st unix.Stat_t
	if err := unix.Fstat(ns.fd, &st); err != nil {
		return fmt.Errorf("stat network namespace: %w", err)
	}
	ns.id = st.Ino
	return nil
}

func (ns *namespace) close() error {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.fd < 0 {
		return nil
	}
	fd := ns.fd
	ns.fd = -1
	return unix.Close(fd)
}

// do runs f on a thread that is inside the namespace.
func (ns *namespace) do(f func() error) error {
	return onSpareThread(func() error {
		return excursion(func() error {
			if err := ns.enter(); err != nil {
				return err
			}
			return f()
		})
	})
}

// enter moves the calling thread into the namespace.
func (ns *namespace) enter() error {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	if ns.fd < 0 {
		return fmt.Errorf("enter network namespace: %w", os.ErrClosed)
	}
	if err := unix.Setns(ns.fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace: %w", err)
	}
	return nil
}

// excursion runs f, which may change the thread's network namespace, and
// brings the thread back. If that fails the thread stays locked to its
// goroutine, with which it ends.
func excursion(f func() error) (err error) {
	runtime.LockOSThread()
	home, err := openThreadNetNS()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		back := unix.Setns(home, unix.CLONE_NEWNET)
		unix.Close(home)
		if back != nil {
			err = errors.Join(err, fmt.Errorf("return to the network namespace: %w", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

// onSpareThread runs f, but never on the process's first thread, whose
// namespaces /proc/self shows to everybody.
func onSpareThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() != unix.Getpid() {
		return f()
	}
	// This goroutine keeps the first thread busy, so another runs f.
	var err error
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		err = f()
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
	return err
}

func openThreadNetNS() (int, error) {
	const path = "/proc/thread-self/ns/net"
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}
