package profile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/engine"
)

// Mode is what makes a sample.
type Mode int

// Modes.
const (
	// CPU samples what runs, Frequency times a second on every processor.
	CPU Mode = iota
	// OffCPU counts waits, from being switched out to being switched in.
	OffCPU
	// Alloc counts calls of malloc and its kin, and the bytes they ask for.
	Alloc
	// Events counts hits of Options.Probe.
	Events
)

// Options of a profile. Engine is needed; the rest has a good zero value.
type Options struct {
	Engine engine.Engine
	Mode   Mode
	// Frequency of CPU samples in Hz; 0 means 99.
	Frequency int
	// PIDs limits to processes; Follow adds the children they make meanwhile.
	PIDs   []int
	Follow bool
	// Cgroup limits to a cgroup (a directory of version 2) and those below.
	Cgroup string
	// Threads tells threads apart.
	Threads bool
	// NoKernel and NoUser leave out a part of stacks.
	NoKernel, NoUser bool
	// NoUnwind follows frame pointers only.
	NoUnwind bool
	// Lines asks for source lines and inlined functions.
	Lines bool
	// Probe for Events: uprobe:PATH:FUNCTION, uretprobe:PATH:FUNCTION,
	// usdt:PATH:PROVIDER:NAME, tracepoint:GROUP:NAME, kprobe:FUNCTION,
	// kretprobe:FUNCTION, software:EVENT:COUNT, hardware:EVENT:COUNT.
	Probe string
	// Library has the allocator for Alloc; "" means the C library of the first
	// of PIDs.
	Library string
	// Shortest wait that OffCPU counts, in nanoseconds.
	Shortest uint64
	// Stacks and Rows bound the kernel's memory: how many stacks are told
	// apart (2 KiB each, when used; 0 means 16384), and rows of unwind tables
	// (8 bytes each, at once; 0 means 4 Mi).
	Stacks, Rows int
}

// place is where the sampling program goes.
type place struct {
	program string
	target  engine.Target
	// weight is how many events one sample stands for.
	weight int64
}

// software and hardware events (include/uapi/linux/perf_event.h).
var softwareEvents = map[string]uint64{
	"cpu-clock": 0, "task-clock": 1, "page-faults": 2, "context-switches": 3, "cpu-migrations": 4, "minor-faults": 5, "major-faults": 6,
}

var hardwareEvents = map[string]uint64{
	"cpu-cycles": 0, "instructions": 1, "cache-references": 2, "cache-misses": 3, "branch-instructions": 4, "branch-misses": 5,
}

// parseProbe reads Options.Probe.
func parseProbe(s string, pid int) (place, error) {
	kind, rest, _ := strings.Cut(s, ":")
	first, second, two := strings.Cut(rest, ":")
	bad := func(form string) (place, error) {
		return place{}, fmt.Errorf("probe %q: want %s", s, form)
	}
	switch kind {
	case "uprobe", "uretprobe":
		i := strings.LastIndexByte(rest, ':')
		if i <= 0 || i == len(rest)-1 {
			return bad(kind + ":PATH:FUNCTION")
		}
		t := engine.Uprobe{Path: rest[:i], Symbol: rest[i+1:], Return: kind == "uretprobe", PID: pid}
		return place{"prof_function", t, 1}, nil
	case "usdt":
		f := strings.Split(rest, ":")
		if len(f) != 3 {
			return bad("usdt:PATH:PROVIDER:NAME")
		}
		return place{"prof_function", engine.USDT{Path: f[0], Provider: f[1], Name: f[2], PID: pid}, 1}, nil
	case "tracepoint":
		if !two || first == "" || second == "" {
			return bad("tracepoint:GROUP:NAME")
		}
		return place{"prof_tracepoint", engine.Tracepoint{Group: first, Name: second}, 1}, nil
	case "kprobe", "kretprobe":
		if rest == "" || two {
			return bad(kind + ":FUNCTION")
		}
		return place{"prof_kernel_function", engine.Kprobe{Symbol: rest, Return: kind == "kretprobe"}, 1}, nil
	case "software", "hardware":
		table, typ := softwareEvents, uint32(1)
		if kind == "hardware" {
			table, typ = hardwareEvents, 0
		}
		config, known := table[first]
		count := uint64(1)
		var err error
		if two {
			count, err = strconv.ParseUint(second, 10, 62)
		}
		if !known || err != nil || count == 0 {
			return bad(kind + ":EVENT or " + kind + ":EVENT:COUNT, EVENT being one of " + names(table))
		}
		return place{"prof_cpu", engine.PerfEvent{Type: typ, Config: config, Period: count, CPU: -1}, int64(count)}, nil
	}
	return bad("uprobe:PATH:FUNCTION, uretprobe:…, usdt:PATH:PROVIDER:NAME, tracepoint:GROUP:NAME, kprobe:FUNCTION, kretprobe:…, software:EVENT:COUNT or hardware:EVENT:COUNT")
}
