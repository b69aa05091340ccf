package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// spawner starts commands from one thread that lives as long as the lab: the
// kernel sends a child its death signal when the thread that made it ends.
type spawner struct {
	owner *owner
	work  chan func()
	done  chan struct{}

	mu      sync.Mutex
	closed  bool
	started []*os.Process
}

func newSpawner(o *owner) *spawner {
	s := &spawner{owner: o, work: make(chan func()), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *spawner) run() {
	defer close(s.done)
	_ = onSpareThread(func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range s.work {
			f()
		}
		return nil
	})
}

func (s *spawner) start(ns *namespace, cmd *exec.Cmd) error {
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	if attr.Pdeathsig == 0 {
		attr.Pdeathsig = syscall.SIGKILL
	}
	cmd.SysProcAttr = &attr
	cmd.Env = append(cmd.Environ(), s.owner.mark())

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	result := make(chan error)
	s.work <- func() {
		result <- excursion(func() error {
			if err := ns.enter(); err != nil {
				return err
			}
			return cmd.Start()
		})
	}
	if err := <-result; err != nil {
		return err
	}
	s.started = append(s.started, cmd.Process)
	return nil
}

// close kills what was started and whatever else still runs in the
// namespaces: only descendants of those commands can be there.
func (s *spawner) close(spaces []*kernelStack) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	close(s.work)
	<-s.done
	var errs []error
	for _, p := range s.started {
		if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, fmt.Errorf("kill process %d: %w", p.Pid, err))
		}
	}
	// A process may fork while it is being killed.
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if !killInside(spaces) {
			return errors.Join(errs...)
		}
	}
	return errors.Join(append(errs, errors.New("kill commands: some still run"))...)
}

// killInside kills the processes in the namespaces and reports whether there
// were any. Those that are dead and wait for their parent show no namespace.
func killInside(spaces []*kernelStack) bool {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	found := false
	for _, e := range dir {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		var st unix.Stat_t
		if unix.Stat("/proc/"+e.Name()+"/ns/net", &st) != nil {
			continue
		}
		if slices.ContainsFunc(spaces, func(s *kernelStack) bool { return s.ns.id == st.Ino }) {
			found = true
			_ = unix.Kill(pid, unix.SIGKILL) // it may just have ended
		}
	}
	return found
}
