// Command skep runs eBPF programs on recorded packets, in labs and on this
// machine, with the kernel's engine or with one of its own.
//
// Exit codes: 0 it worked, 1 it did not (a failure, a difference, something
// missing that was asked for), 2 the command line was wrong, 130 interrupted.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	os.Exit(realMain())
}

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process the usual way, should cleaning up hang.
	context.AfterFunc(ctx, stop)
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "bpftrace" { // a link of that name is skep trace
		args = append([]string{"trace"}, args...)
	}
	return run(ctx, newStreams(os.Stdin, os.Stdout, os.Stderr), args)
}
