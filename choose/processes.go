package choose

import (
	"io"

	"github.com/skepdev/skep/embedded/process"
	"github.com/skepdev/skep/engine"
)

// Processes is the engine that traces processes without the kernel's leave.
type Processes = process.Engine

// OpenProcesses opens it. cpus is how many values an element of a per-CPU map
// has; log receives what goes wrong while tracing. The caller closes it.
func OpenProcesses(cpus int, log io.Writer) (*Processes, error) {
	return process.New(process.Config{CPUs: cpus, Log: log})
}

// ProcessTarget says whether that engine can attach to a target, by an error
// that names what is missing, and whether it needs a process to do so.
func ProcessTarget(t engine.Target) (needs bool, err error) {
	return process.NeedsProcess(t), process.Supported(t)
}
