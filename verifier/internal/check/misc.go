package check

import "github.com/skepdev/skep/abi"

// cpus is how many processors the kernel may have.
func (c *Checker) cpus() int {
	const most = 8192 // CONFIG_NR_CPUS of distributions
	if c.opts.CPUs > 0 {
		return c.opts.CPUs
	}
	return most
}

func (c *Checker) helperSince(id abi.HelperID) bool { return true }
