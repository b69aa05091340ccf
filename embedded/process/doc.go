// Package process is the embedded engine for tracing: programs run in this
// process, for processes that its user owns, without the kernel's leave.
//
//	eng, err := process.New(process.Config{})
//	pid, err := eng.Command([]string{"/bin/ls"}, os.Stdin, os.Stdout, os.Stderr) // or eng.Process(pid)
//	coll, err := eng.Load(ctx, spec, nil)
//	link, err := eng.Attach(coll.Programs["count"], engine.Tracepoint{Group: "syscalls", Name: "sys_enter_openat"})
//	err = eng.Start()
//
// What is traced stands still until Start. Closing the engine lets a process
// go on as if nothing had been; a command that still runs is ended.
//
// # How it works
//
// One thread of this process is the tracer (ptrace(2)). A command gets a
// seccomp filter that stops it at the system calls that somebody asked for and
// at no others; a process that ran before is stopped at all of them, as a filter
// could not be taken away again. Functions are traced by breakpoints, of which
// the first instruction is carried out by the tracer where it knows how, and
// otherwise stepped over. Threads, children and what is executed are followed.
//
// Linux on amd64 only.
package process
