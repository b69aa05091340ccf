package embedded

import (
	"net"
	"net/netip"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/vm"
)

// Config describes an [Engine]. The zero value is good.
type Config struct {
	// CPUs is the number of virtual CPUs: how many programs run at the same
	// time and how many values an element of a per-CPU map has. 0 means as many
	// as GOMAXPROCS says.
	CPUs int
	// MaxMemory bounds the bytes of maps, stacks and packets together: a map that
	// does not fit is an error. 0 means half of what the process may use (the
	// machine's memory, or the limit of its control group), for all engines of the
	// process with 0 together; a negative number means no bound.
	MaxMemory int64
	// MaxInstructions bounds one run; 0 means the runtime's default, about a
	// second or two.
	MaxInstructions uint64
	// Verify says what becomes of programs that Linux would refuse. The zero
	// value refuses them.
	Verify Verification
	// Interpret runs programs without compiling them to native code, as is done
	// anyway where there is no compiler for the processor.
	Interpret bool
	// Profile counts how often each instruction of a program runs: see
	// [engine.Compiled]. It takes time, and needs native code.
	Profile bool
	// Clock returns nanoseconds since boot for the programs' clocks; nil means
	// the machine's. Safe for concurrent use.
	Clock func() uint64
	// KernelTypes is what CO-RE relocations are resolved against unless
	// LoadOptions say otherwise. Nil means the running kernel's, if it has any.
	KernelTypes *btf.Spec
	// OnFault is told of each run on a live packet that ended in an error: a
	// [*engine.FaultError] mostly. The packet is dropped. It is called from the
	// goroutine that brought the packet and must be safe for concurrent use.
	OnFault func(d *Device, err error)
	// Neighbor finds the link-layer address of next on a device, for
	// bpf_redirect_neigh. Nil means that none is known.
	Neighbor func(d *Device, next netip.Addr) (net.HardwareAddr, bool)
	// FIB answers bpf_fib_lookup: -errno, or BPF_FIB_LKUP_RET_*. Nil means that
	// there are no routes.
	FIB func(q *vm.FIBQuery) int
}
