package process

import (
	"fmt"
	"io"

	"github.com/skepdev/skep/engine"
)

// Config describes an [Engine]. The zero value is good.
type Config struct {
	// CPUs is how many values an element of a per-CPU map has; 0 means as many
	// as GOMAXPROCS says.
	CPUs int
	// Log receives what went wrong while tracing, a line each; nil discards.
	Log io.Writer
}

// cannot says that something needs the kernel's engine.
func cannot(what, why string) error {
	return &engine.NotSupportedError{
		Feature: what, Reason: why + " (tracing without privilege)", Remedy: "run as root, or with CAP_BPF and CAP_PERFMON",
	}
}

// Supported says whether programs can be attached to a target without the
// kernel: nil, or an error that names what is missing.
func Supported(t engine.Target) error {
	switch t := t.(type) {
	case engine.Tracepoint:
		switch t.Group + ":" + t.Name {
		case "raw_syscalls:sys_enter", "raw_syscalls:sys_exit", "sched:sched_process_exec", "sched:sched_process_exit",
			"sched:sched_process_fork", "signal:signal_deliver":
			return nil
		}
		if t.Group == "syscalls" {
			return nil
		}
		return cannot(t.String(), "it is in the kernel")
	case engine.RawTracepoint:
		if t.Name == "sys_enter" || t.Name == "sys_exit" {
			return nil
		}
		return cannot(t.String(), "it is in the kernel")
	case engine.Uprobe, engine.UprobeMulti:
		return nil
	case engine.PerfEvent:
		if t.Type == perfSoftware && t.Config == 0 && t.CPU >= 0 {
			return nil
		}
		return cannot(t.String(), "the kernel counts and samples")
	case nil:
		return fmt.Errorf("attach: the target is nil")
	}
	return cannot(t.String(), "it is in the kernel")
}

const perfSoftware = 1

// NeedsProcess says whether a target is something that processes do.
func NeedsProcess(t engine.Target) bool {
	_, clock := t.(engine.PerfEvent)
	return !clock
}
