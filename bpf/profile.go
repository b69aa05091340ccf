package bpf

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/cilium/ebpf"
)

//go:embed objects/profile.bpf.o
var profiler []byte

// Profiler describes the programs that count stacks. The caller owns the spec.
func Profiler() (*ebpf.CollectionSpec, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(profiler))
	if err != nil {
		return nil, fmt.Errorf("read profiler: %w", err)
	}
	return spec, nil
}

// Names inside the profiler's object.
const (
	// Programs: for perf events, functions of processes and of the kernel,
	// tracepoints; and at the scheduler's switches and forks.
	ProfCPU            = "prof_cpu"
	ProfFunction       = "prof_function"
	ProfKernelFunction = "prof_kernel_function"
	ProfTracepoint     = "prof_tracepoint"
	ProfSwitch         = "prof_switch"
	ProfFork           = "prof_fork"

	ProfConfigMap    = "prof_config"
	ProfStatsMap     = "prof_stats"
	ProfSamplesMap   = "prof_samples"
	ProfTargetsMap   = "prof_targets"
	ProfProcessesMap = "prof_processes"
	ProfRowsMap      = "prof_rows"
	ProfWantedMap    = "prof_wanted"
	ProfWaitsMap     = "prof_waits"

	// ProfFrames is how deep stacks go, the kernel's and the process's each;
	// ProfMappings how many mappings of a process can be unwound by table.
	ProfFrames   = 127
	ProfMappings = 256
)

// Flags of a ProfConfig.
const (
	ProfOnlyTargets = 1 << iota
	ProfOnlyCgroup
	ProfThreads
	ProfKernel
	ProfUser
	ProfFollow
	ProfUnwind
	ProfPaused
	ProfNamespace
)

// Cookies of ProfFunction: what is summed.
const (
	ProfCalls = iota
	ProfArg0
	ProfArg1
	ProfArg0Arg1
)

// ProfConfig is struct prof_config.
type ProfConfig struct {
	Flags    uint32
	Level    uint32
	Cgroup   uint64
	Shortest uint64
	Device   uint64
	Inode    uint64
}

// ProfKey is struct prof_key.
type ProfKey struct {
	Hash uint64
	Tgid uint32
	Tid  uint32
}

// ProfHow is how the walk of a process's stack ended.
type ProfHow uint32

// Ends of walks.
const (
	ProfByKernel ProfHow = iota
	ProfComplete
	ProfTooDeep
	ProfStopped
)

// ProfValue is struct prof_value.
type ProfValue struct {
	Count, Sum   uint64
	Comm         [16]byte
	Kernel, User uint16
	How          ProfHow
	KernelFrames [ProfFrames]uint64
	UserFrames   [ProfFrames]uint64
}

// ProfStats is struct prof_stats: Taken samples are in the samples' map, or lost
// because it was Full or the processor Busy with others.
type ProfStats struct {
	Taken, Full, Busy          uint64
	Complete, TooDeep, Stopped uint64
	ByKernel                   uint64
	Guessed                    uint64
}

// ProfMapping is struct prof_mapping.
type ProfMapping struct {
	Start, End, Bias uint64
	First, Rows      uint32
}

// ProfProcess is struct prof_process.
type ProfProcess struct {
	Count, Reserved uint32
	Mappings        [ProfMappings]ProfMapping
}

// ProfWait is struct prof_wait.
type ProfWait struct {
	Since uint64
	Key   ProfKey
}
