package vm

import "net/netip"

// Config describes a [Machine]. The zero value is good.
type Config struct {
	// CPUs is the number of virtual CPUs: how many programs run at the same
	// time, and how many values an element of a per-CPU map has. 0 means as many
	// as GOMAXPROCS says.
	CPUs int
	// MaxMemory bounds the bytes that maps, stacks and packets may take together.
	// 0 means half of what the process may use (the machine's memory, or the limit
	// of its control group), for all machines of the process with 0 together; a
	// negative number means no bound.
	MaxMemory int64
	// Clock returns nanoseconds since boot; nil means the machine's own
	// clock. It answers bpf_ktime_get_ns and its kin and must be safe for
	// concurrent use.
	Clock func() uint64
	// Printk receives what programs print with bpf_trace_printk, from the
	// goroutine that runs the program; it must not run programs. Nil discards.
	Printk func(PrintkLine)
	// MaxInstructions bounds one run; 0 means 1<<29 (about a second or two).
	// It is counted where code repeats (backward jumps, calls, callbacks) and by
	// what helpers touch; running out of it is a [*BudgetError].
	MaxInstructions uint64
	// Interpret runs programs without compiling them to native code. Where there
	// is no compiler for the processor, or no executable memory to be had, they
	// are interpreted anyway.
	Interpret bool
	// Profile makes native code count how often each instruction runs
	// ([Program.Hits]), which takes time.
	Profile bool
	// Network answers what programs ask about devices and routes. Nil means
	// that there are none.
	Network Network
}

// PrintkLine is one line printed by a program.
type PrintkLine struct {
	// Program is the printing program's name.
	Program string
	// CPU is the virtual CPU of the run.
	CPU int
	// Time is Config.Clock's answer.
	Time uint64
	// Text without its trailing newline.
	Text string
}

// Network is what helpers ask about the world around a packet. Methods are
// called from within runs: they must be quick, safe for concurrent use, and
// must not run programs.
type Network interface {
	// MTU of the device with the given index in bytes; ok is false if there is
	// no such device.
	MTU(ifindex uint32) (mtu int, ok bool)
	// FIB answers bpf_fib_lookup. A negative result is -errno, others are
	// BPF_FIB_LKUP_RET_*. It fills the answer's fields on success.
	FIB(q *FIBQuery) int
}

// FIBQuery is a routing question and its answer. Addresses and ports are in
// their natural order.
type FIBQuery struct {
	// The question. Flags are abi.FIBLookup*.
	IfIndex          uint32
	Flags            uint32
	Src, Dst         netip.Addr
	Protocol         uint8
	SrcPort, DstPort uint16
	TotalLen         uint16
	TOS              uint8
	FlowInfo         uint32
	Table, Mark      uint32

	// The answer. Src is set too if Flags has abi.FIBLookupSrc.
	OutIfIndex     uint32
	MTU            uint16
	Metric         uint32
	NextHop        netip.Addr
	SrcMAC, DstMAC [6]byte
	VLANProto      uint16
	VLANTCI        uint16
}
