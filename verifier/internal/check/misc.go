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

// has reports whether the judged kernel is as new as a version of package abi.
func (c *Checker) has(since uint32) bool { return c.opts.since(since>>16, since>>8&0xff) }

// checkVersion refuses types of programs and maps that the judged kernel does not
// have yet. Linux does so before it looks at the program.
func (c *Checker) checkVersion() error {
	c.insn = -1
	s := c.prog.Type.Since()
	if c.prog.Type == abi.ProgCgroupSockAddr {
		s = c.prog.AttachType.Since() // others may be loaded, and attached by their type
	}
	if !c.has(s) {
		return c.reject(RuleTooNew, EINVAL, "program type %s, attach type %s: since Linux %d.%d", c.prog.Type, c.prog.AttachType, s>>16, s>>8&0xff)
	}
	for _, m := range c.prog.Maps {
		if s := m.Type.Since(); !c.has(s) {
			return c.reject(RuleTooNew, EINVAL, "map %s: type %s: since Linux %d.%d", m.Name, m.Type, s>>16, s>>8&0xff)
		}
	}
	return nil
}
