package vm

import "time"

// TestInput is the input of a test run, as in BPF_PROG_TEST_RUN.
type TestInput struct {
	// Data is the packet from the Ethernet header on. Not modified.
	Data []byte
	// Context is the context as user space sees it, host byte order: struct
	// xdp_md, struct __sk_buff, raw tracepoint arguments, the argument of a
	// syscall program. Empty means none.
	Context []byte
	// WantContext asks for the context afterwards.
	WantContext bool
	// Repeat runs the program that often, without restoring the packet;
	// 0 means once.
	Repeat int
	Flags  uint32
	CPU    uint32
	// DataOut, if it has capacity, receives the packet afterwards.
	DataOut []byte
	// NoDataOut says that the packet afterwards is of no interest.
	NoDataOut bool
}

// TestResult is what a test run gave.
type TestResult struct {
	Return uint32
	// Data is the packet afterwards.
	Data []byte
	// Context is the context afterwards, if asked for.
	Context []byte
	// Duration is the average time of one run.
	Duration time.Duration
	// Redirect is the target that a redirect helper of the last run chose.
	Redirect Redirect
}
