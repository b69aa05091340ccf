//go:build !linux

package trace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cilium/ebpf/btf"
)

// errLinux: what only Linux has.
var errLinux = fmt.Errorf("tracing needs Linux: %w", errors.ErrUnsupported)

type tracefs struct{}

func (*tracefs) read(string) (string, error) { return "", errLinux }
func (*tracefs) exists(string) bool          { return false }
func (*tracefs) close() error                { return nil }

func loadTypes() (*btf.Spec, error) { return nil, errLinux }
func possibleCPUs() int             { return 0 }
func inode(string) uint64           { return 0 }
func bootTime() time.Duration       { return 0 }
func bootOffset() time.Duration     { return 0 }
func taiOffset() time.Duration      { return 0 }
func taiWall() time.Duration        { return 0 }
func processAlive(pid int) bool     { _, err := os.FindProcess(pid); return err == nil }
func signalName(n int) string       { return fmt.Sprint(n) }

// Child is a command that is traced; only Linux has it.
type Child struct {
	PID  int
	Done <-chan struct{}
}

// StartChild is refused.
func StartChild([]string, io.Writer, io.Writer) (*Child, error) { return nil, errLinux }

// Start does nothing.
func (*Child) Start() error { return nil }

// Stop does nothing.
func (*Child) Stop() {}

// NewChild does what [Child] does.
func NewChild(pid int, done <-chan struct{}, _ func() error, _ func()) *Child {
	return &Child{PID: pid, Done: done}
}
