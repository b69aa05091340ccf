package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/trace"
	"github.com/skepdev/skep/trace/profile"
)

const profileLong = `Sample stacks, in the kernel, of processes, a command, a cgroup or the machine:
where the processor's time goes (the default), what waits, who allocates, or who
hits a probe.

Programs need no frame pointers and no restart: their stacks are walked with the
tables that are in every binary. Names come from symbol tables, debug files, Go's
own table and the maps of JIT compilers (node --perf-basic-prof).

It samples until the command ends, the time is over, or Ctrl-C. Every sample is
accounted for: taken = counted + lost, and what was lost is said.`

const profileExample = `  skep profile -p 1234 -d 5s                        the functions that run most
  skep profile -o flame.html -- ./app --fast        a flame graph, one page
  skep profile -d 10s -o cpu.pb.gz                  the machine, for go tool pprof
  skep profile --off-cpu -p 1234 -o waits.html      where it waits
  skep profile --alloc -- ./app                     who asks malloc for memory
  skep profile --probe tracepoint:syscalls:sys_enter_openat -d 5s
  skep profile --live -p 1234                       a flame graph in the terminal
  skep profile diff before.pb.gz after.pb.gz        what grew, what shrank`

// profileFlags are the command line of skep profile.
type profileFlags struct {
	opt      profile.Options
	duration time.Duration
	offCPU   bool
	alloc    bool
	live     bool
	kernel   bool
	user     bool
	shortest time.Duration
	out      profileOutput
}

func newProfileCommand(s *streams) *cobra.Command {
	var f profileFlags
	cmd := &cobra.Command{
		Use:     "profile [flags] [-- COMMAND [ARGUMENT…]]",
		Short:   "Sample stacks: flame graphs, pprof and more",
		Long:    profileLong,
		Example: profileExample,
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, a []string) error { return f.run(cmd, s, a) },
	}
	fl := cmd.Flags()
	fl.IntSliceVarP(&f.opt.PIDs, "pid", "p", nil, "only process `PID`; several with commas")
	fl.BoolVar(&f.opt.Follow, "children", false, "with -p: the children it makes meanwhile, too (a command's always are)")
	fl.StringVar(&f.opt.Cgroup, "cgroup", "", "only the cgroup at `DIRECTORY` and those below it")
	fl.DurationVarP(&f.duration, "duration", "d", 0, "for how long; else until Ctrl-C or the command's end")
	fl.IntVarP(&f.opt.Frequency, "frequency", "F", 99, "samples a second on every processor")
	fl.BoolVar(&f.offCPU, "off-cpu", false, "waits instead: from being switched out to being switched in")
	fl.DurationVar(&f.shortest, "shortest", 0, "with --off-cpu: leave shorter waits out")
	fl.BoolVar(&f.alloc, "alloc", false, "calls of malloc, calloc, realloc and aligned_alloc instead, and their bytes")
	fl.StringVar(&f.opt.Library, "library", "", "with --alloc: the `FILE` whose malloc it is (default: the C library)")
	fl.StringVar(&f.opt.Probe, "probe", "", "hits of a probe instead: uprobe:PATH:FUNCTION, tracepoint:GROUP:NAME, software:page-faults:100, …")
	fl.BoolVar(&f.opt.Threads, "threads", false, "tell threads apart")
	fl.BoolVarP(&f.user, "user", "U", false, "no stacks of the kernel")
	fl.BoolVarP(&f.kernel, "kernel", "K", false, "no stacks of processes")
	fl.BoolVar(&f.opt.Lines, "lines", false, "source lines and inlined functions, where there is DWARF")
	fl.BoolVar(&f.opt.NoUnwind, "frame-pointers", false, "follow frame pointers only")
	fl.IntVar(&f.opt.Stacks, "stacks", 16384, "how many stacks are told apart (2 KiB of kernel memory each)")
	fl.IntVar(&f.opt.Rows, "rows", 4<<20, "how many rows of unwind tables there is room for (8 bytes of kernel memory each)")
	fl.BoolVar(&f.live, "live", false, "draw a flame graph of the last seconds in the terminal")
	_ = cmd.RegisterFlagCompletionFunc("probe", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"uprobe:", "uretprobe:", "usdt:", "tracepoint:", "kprobe:", "kretprobe:", "software:", "hardware:"}, cobra.ShellCompDirectiveNoSpace
	})
	f.out.add(cmd)
	cmd.AddCommand(newProfileDiffCommand(s))
	return cmd
}

func (f *profileFlags) run(cmd *cobra.Command, s *streams, words []string) error {
	if err := f.check(cmd, s, words); err != nil {
		return err
	}
	eng, err := choose.OpenUntried(choose.Kernel)
	if err != nil {
		return err
	}
	defer eng.Close()
	f.opt.Engine = eng
	var child *command
	if len(words) > 0 {
		if child, err = startCommand(words, s); err != nil {
			return err
		}
		defer child.stop()
		f.opt.PIDs, f.opt.Follow = []int{child.pid}, true
	}
	r, err := profile.Start(cmd.Context(), f.opt)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := f.wait(cmd.Context(), s, r, child); err != nil {
		return err
	}
	p, err := r.Stop()
	if err != nil {
		return err
	}
	return f.out.write(s, p)
}

// command is a program that waits to run.
type command struct {
	pid   int
	done  <-chan struct{}
	start func() error
	stop  func()
}

// startCommand stops a program where its own code begins, so that its first
// sample is walked as its last; where that is not allowed, before it is loaded.
func startCommand(words []string, s *streams) (*command, error) {
	if c, err := profile.StartCommand(words, s.out, s.err); err == nil {
		return &command{c.PID, c.Done, c.Start, c.Stop}, nil
	}
	c, err := trace.StartChild(words, s.out, s.err)
	if err != nil {
		return nil, err
	}
	return &command{c.PID, c.Done, c.Start, c.Stop}, nil
}

// check refuses what does not go together.
func (f *profileFlags) check(cmd *cobra.Command, s *streams, words []string) error {
	modes := 0
	for mode, on := range map[profile.Mode]bool{profile.OffCPU: f.offCPU, profile.Alloc: f.alloc, profile.Events: f.opt.Probe != ""} {
		if on {
			modes++
			f.opt.Mode = mode
		}
	}
	f.opt.NoKernel, f.opt.NoUser, f.opt.Shortest = f.user, f.kernel, uint64(f.shortest)
	const fastest = 20000
	switch {
	case modes > 1:
		return usage(errors.New("--off-cpu, --alloc and --probe exclude each other"))
	case len(words) > 0 && cmd.ArgsLenAtDash() != 0:
		return usage(withHint(fmt.Errorf("unexpected %q", words[0]), "a command to run comes after --"))
	case len(words) > 0 && len(f.opt.PIDs) > 0:
		return usage(errors.New("a command and -p exclude each other"))
	case f.user && f.kernel:
		return usage(errors.New("--user and --kernel exclude each other"))
	case f.opt.Frequency < 1 || f.opt.Frequency > fastest:
		return usage(fmt.Errorf("frequency %d: want 1 to %d", f.opt.Frequency, fastest))
	case f.opt.Stacks < 1 || f.opt.Rows < 1 || f.opt.Stacks > 1<<24 || f.opt.Rows > 1<<27:
		return usage(errors.New("--stacks and --rows: want 1 to 16 Mi, 1 to 128 Mi"))
	case f.alloc && len(words) == 0 && len(f.opt.PIDs) == 0:
		return usage(withHint(errors.New("--alloc needs a process or a command"), "skep profile --alloc -p PID, or skep profile --alloc -- COMMAND"))
	case f.live && !s.terminal:
		return usage(errors.New("--live draws in a terminal, and standard output is none"))
	case f.duration < 0 || f.shortest < 0:
		return usage(errors.New("durations are positive"))
	}
	for _, pid := range f.opt.PIDs {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
			return fmt.Errorf("process %d: there is none", pid)
		}
	}
	return f.out.check()
}

// wait returns when sampling is to end.
func (f *profileFlags) wait(ctx context.Context, s *streams, r *profile.Recorder, child *command) error {
	if f.duration > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, f.duration)
		defer stop()
	}
	var done <-chan struct{}
	switch {
	case child != nil:
		if err := child.start(); err != nil {
			return err
		}
		done = child.done
	case f.duration == 0 && s.errTerminal && !f.live:
		fmt.Fprintln(s.err, "sampling; Ctrl-C ends it")
	}
	if child == nil && len(f.opt.PIDs) > 0 {
		done = processesEnd(ctx, f.opt.PIDs)
	}
	if f.live {
		return liveFlame(ctx, s, r, done)
	}
	select {
	case <-ctx.Done():
	case <-done:
	}
	return nil
}

// processesEnd is closed when none of the processes is there.
func processesEnd(ctx context.Context, pids []int) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			left := 0
			for _, pid := range pids {
				if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
					left++
				}
			}
			if left == 0 {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return done
}
