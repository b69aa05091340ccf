// Package profile samples stacks in the kernel and gives them names.
//
//	r, err := profile.Start(ctx, profile.Options{Engine: eng, PIDs: []int{pid}, Frequency: 99})
//	time.Sleep(5 * time.Second)
//	p, err := r.Stop()          // stacks with names, counts, and the account of what was lost
//	err = p.WritePprof(w)       // or WriteFolded, WriteSpeedscope, WriteFirefox; package flame draws
//
// Stacks are counted where they are taken: one entry in a kernel map per stack,
// process and thread name, however often it is met. Nothing crosses to user space
// while a profile runs, and every sample is accounted for: taken = counted + lost.
//
// # Stacks without frame pointers
//
// Programs are walked in the kernel with tables that package unwind makes of
// .eh_frame and of Go's tables. The tables of all binaries lie in one map, a
// binary's once for all processes that use it (told by build id); of a process
// its mappings are kept. A process that is not known when it is first sampled is
// walked by frame pointers until its tables are there, some 10 ms later.
//
// Limits: 127 frames of a process and 127 of the kernel, 256 mappings with code
// of a process, 4096 processes, and 8 bytes for each of [Options.Rows] rows.
package profile
