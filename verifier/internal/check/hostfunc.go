package check

import "github.com/skepdev/skep/abi"

// params is how many arguments a function takes.
func (k *kfunc) params() int {
	if k.host != nil {
		return len(k.host.Args)
	}
	return len(k.proto.Params)
}

// callHost simulates a call of a function that the program's hook offers. Its
// prototype is in a helper's terms, and it is checked as a helper.
func (c *Checker) callHost(f *abi.HookFunc) error {
	h := &helperCall{
		name: f.Name, args: f.Args, helper: &abi.Helper{Args: f.Args, Return: f.Return}, host: true, raw: rawMem{reg: -1},
	}
	for i := range h.args {
		if err := c.helperArg(h, i); err != nil {
			return err
		}
	}
	for i := range h.raw.size {
		if err := c.memAccess(access{reg: uint8(h.raw.reg), off: i, size: 1, write: true, value: -1}); err != nil {
			return err
		}
	}
	first := c.cur.regs()[1]
	c.dropCallerSaved(c.cur.regs())
	return c.helperResult(h, &first)
}
