package profile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Command is a program that has been started and waits where it begins: its
// libraries are mapped, and nothing of its own has run. So its stacks can be
// walked from its first sample on.
type Command struct {
	PID int
	// Done is closed when the program has ended.
	Done <-chan struct{}

	cmd     *exec.Cmd
	release chan struct{}
	free    <-chan error
}

// StartCommand starts a program and stops it at its entry point (ptrace(2)). The
// first word is looked up in $PATH. The caller calls Start, and Stop in the end.
func StartCommand(args []string, out, errw io.Writer) (*Command, error) {
	if len(args) == 0 {
		return nil, errors.New("no command")
	}
	path, err := exec.LookPath(args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, fmt.Errorf("command %q: %w", args[0], err)
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, errw
	cmd.SysProcAttr = &unix.SysProcAttr{Ptrace: true}
	ready, free := make(chan error, 1), make(chan error, 1)
	c := &Command{cmd: cmd, release: make(chan struct{}), free: free}
	go func() {
		// All of a process's tracing comes from one thread, which ends with it.
		runtime.LockOSThread()
		if err := cmd.Start(); err != nil {
			ready <- err
			return
		}
		ended, err := stopAtEntry(cmd.Process.Pid)
		ready <- err
		if err != nil {
			return
		}
		<-c.release
		if !ended {
			err = unix.PtraceDetach(cmd.Process.Pid)
		}
		free <- err
	}()
	if err := <-ready; err != nil {
		if cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	c.PID = cmd.Process.Pid
	done := make(chan struct{})
	c.Done = done
	go func() { cmd.Wait(); close(done) }()
	return c, nil
}

// stopAtEntry lets a process that has just become a program go on until its own
// code begins. ended says that it never got there.
func stopAtEntry(pid int) (ended bool, err error) {
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil {
		return false, err
	}
	if !ws.Stopped() {
		return true, errors.New("it ended before it began")
	}
	entry, err := entryPoint(pid)
	if err != nil {
		return false, err
	}
	const breakpoint = 0xcc // int3
	var was [1]byte
	if _, err := unix.PtracePeekText(pid, uintptr(entry), was[:]); err != nil {
		return false, fmt.Errorf("read its entry point: %w", err)
	}
	if _, err := unix.PtracePokeText(pid, uintptr(entry), []byte{breakpoint}); err != nil {
		return false, fmt.Errorf("stop at its entry point: %w", err)
	}
	for signal := 0; ; {
		if err := unix.PtraceCont(pid, signal); err != nil {
			return false, err
		}
		if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil {
			return false, err
		}
		if !ws.Stopped() {
			return true, errors.New("it ended before its own code began: is a library missing?")
		}
		if ws.StopSignal() == unix.SIGTRAP {
			break
		}
		signal = int(ws.StopSignal())
	}
	if _, err := unix.PtracePokeText(pid, uintptr(entry), was[:]); err != nil {
		return false, fmt.Errorf("go on from its entry point: %w", err)
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &regs); err != nil {
		return false, err
	}
	regs.SetPC(entry)
	return false, unix.PtraceSetRegs(pid, &regs)
}

// entryPoint is where the program's own code begins, as the kernel told its
// loader (getauxval(3), AT_ENTRY).
func entryPoint(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return 0, err
	}
	const atEntry = 9
	for ; len(b) >= 16; b = b[16:] {
		if binary.NativeEndian.Uint64(b) == atEntry {
			return binary.NativeEndian.Uint64(b[8:]), nil
		}
	}
	return 0, errors.New("its entry point is not known: a 32-bit program?")
}

// Start lets the program run.
func (c *Command) Start() error {
	if c.release == nil {
		return nil
	}
	close(c.release)
	c.release = nil
	if err := <-c.free; err != nil {
		return fmt.Errorf("let the command run: %w", err)
	}
	return nil
}

// Stop ends the program if it still runs. It is safe to call twice.
func (c *Command) Stop() {
	if c.release != nil { // it never ran
		c.cmd.Process.Kill()
		_ = c.Start()
	}
	select {
	case <-c.Done:
		return
	default:
		c.cmd.Process.Signal(unix.SIGTERM)
	}
	select {
	case <-c.Done:
	case <-time.After(time.Second):
		c.cmd.Process.Kill()
		<-c.Done
	}
}
