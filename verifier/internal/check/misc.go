package check

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// cpus is how many processors the kernel may have.
func (c *Checker) cpus() int {
	const most = 8192 // CONFIG_NR_CPUS of distributions
	if c.opts.CPUs > 0 {
		return c.opts.CPUs
	}
	return most
}

func (c *Checker) helperSince(id abi.HelperID) bool { return true }

func (c *Checker) structWritable(t btf.Type, off, size int) bool { return false }

func nullTracepointArg(name string, arg int) (mayNull, mayErr bool) { return false, false }

func (c *Checker) structOpsReturn() (bool, error) { return false, nil }

func (c *Checker) attachStructOps() error { return nil }

func (c *Checker) iteratorArgs(name string) {}

var sleepableHooks = map[string]bool{}
