package profile

import "time"

// Frame is a function on a stack.
type Frame struct {
	// Name of the function; where there is none "[unknown]", with the binary's
	// name if it is in one.
	Name string
	// File and Line of the source, if they are known.
	File string
	Line int
	// Module is the binary's path, "[kernel]", a kernel module in brackets,
	// "[vdso]" or "[jit]".
	Module string
	// Address as the process counts; 0 for inlined functions.
	Address uint64
	Kernel  bool
	Inlined bool
}

// Sample is a stack and what was measured there.
type Sample struct {
	PID int
	// TID is 0 unless threads were told apart.
	TID  int
	Comm string
	// Stack from the outermost function to the innermost.
	Stack []Frame
	// Values are those of the profile's Types, in their order.
	Values [2]int64
}

// ValueType says what a value is.
type ValueType struct{ Name, Unit string }

// Profile is what was sampled.
type Profile struct {
	// Kind is what was sampled: cpu, off-cpu, alloc, or a probe's name.
	Kind    string
	Types   [2]ValueType
	Samples []Sample
	Start   time.Time
	// Duration is how long was sampled.
	Duration time.Duration
	// Period between samples of a processor in nanoseconds; 0 if each event
	// was taken.
	Period int64
	Stats  Stats
}

// Stats account for every sample: Taken is Counted and the two losses.
type Stats struct {
	Taken, Counted uint64
	// LostFull had no room in the map of stacks; LostBusy met more samples at
	// once on a processor than there is room for.
	LostFull, LostBusy uint64
	// Complete walks of a process's stack reached the outermost function,
	// TooDeep ones ended at 127 frames, Stopped ones where something could not
	// be read; ByKernel the kernel walked, by frame pointers.
	Complete, TooDeep, Stopped, ByKernel uint64
	// Guessed frames were left without a table, by frame pointer.
	Guessed uint64
	// Binaries with tables, their Rows and how many bytes of kernel memory
	// these take; Skipped binaries had no room.
	Binaries, Rows, RowBytes, Skipped int
	// Runs and RunTime are how often the sampling program ran and how long in
	// all, if the kernel counts that (sysctl kernel.bpf_stats_enabled).
	Runs    uint64
	RunTime time.Duration
	// Ready is how long it took until sampling began.
	Ready time.Duration
}

// Total is the sum of a value over all samples.
func (p *Profile) Total(value int) (n int64) {
	for _, s := range p.Samples {
		n += s.Values[value]
	}
	return n
}
