package trace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// Child is a command that is traced: it exists, stopped before its first
// instruction, until Start.
type Child struct {
	PID  int
	Done <-chan struct{}
	cmd  *exec.Cmd
	gate *os.File
	// start and stop, if set, are how somebody else's child is let run and ended.
	start func() error
	stop  func()
}

// NewChild is a process that another made and holds: start lets it run, stop
// ends it or lets it go, and done is closed when it has ended.
func NewChild(pid int, done <-chan struct{}, start func() error, stop func()) *Child {
	return &Child{PID: pid, Done: done, start: start, stop: stop}
}

// StartChild makes a process that waits to run the command. The first word is
// looked up in $PATH.
func StartChild(args []string, out, errw io.Writer) (*Child, error) {
	path, err := exec.LookPath(args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, fmt.Errorf("command %q: %w", args[0], err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// A shell waits for a line on descriptor 3 and becomes the command; the
	// process id stays.
	c := exec.Command("/bin/sh", append([]string{"-c", `read _ <&3; exec 3<&-; exec "$@"`, "sh", path}, args[1:]...)...)
	c.Stdout, c.Stderr = out, errw
	c.Stdin = os.Stdin
	c.ExtraFiles = []*os.File{r}
	if err := c.Start(); err != nil {
		w.Close()
		return nil, err
	}
	done := make(chan struct{})
	go func() { c.Wait(); close(done) }()
	return &Child{PID: c.Process.Pid, Done: done, cmd: c, gate: w}, nil
}

// Start lets the command run.
func (c *Child) Start() error {
	if c.start != nil {
		return c.start()
	}
	_, err := c.gate.WriteString("\n")
	c.gate.Close()
	return err
}

// Stop ends the command if it still runs.
func (c *Child) Stop() {
	if c.stop != nil {
		c.stop()
		return
	}
	c.gate.Close()
	select {
	case <-c.Done:
	default:
		c.cmd.Process.Signal(unix.SIGTERM)
		select {
		case <-c.Done:
		case <-time.After(time.Second):
			c.cmd.Process.Kill()
			<-c.Done
		}
	}
}
