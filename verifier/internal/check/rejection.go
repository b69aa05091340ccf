package check

import (
	"fmt"
)

// Errno is the error number that the kernel answers with.
type Errno int

const (
	EPERM      Errno = 1
	ENOENT     Errno = 2
	E2BIG      Errno = 7
	EAGAIN     Errno = 11
	ENOMEM     Errno = 12
	EACCES     Errno = 13
	EFAULT     Errno = 14
	EINVAL     Errno = 22
	EOPNOTSUPP Errno = 95
	ENOTSUPP   Errno = 524
)

// Rejection says why a program is refused.
type Rejection struct {
	Rule Rule
	// Insn is the offending slot, -1 if none.
	Insn int
	// Register that the rule is about, -1 if none.
	Register int
	// Message in the kernel's words.
	Message string
	Errno   Errno
	// State before the instruction.
	State *State
	// Path is the way from the entry to the instruction.
	Path []Step
	// Subprog in which the instruction stands.
	Subprog int
	// Operand is what was known of Register, or nil.
	Operand *Operand
	// Refs are the instructions that acquired what is still held.
	Refs []int
}

// Step is a branch taken, or a call or return made, on a path.
type Step struct {
	Insn, Next int
}

func (r *Rejection) Error() string { return r.Message }

// reject makes a Rejection at the current instruction and logs its message.
func (c *Checker) reject(rule Rule, errno Errno, format string, args ...any) error {
	return c.rejectReg(-1, rule, errno, format, args...)
}

// rejectReg is reject for a rule about one register.
func (c *Checker) rejectReg(reg int, rule Rule, errno Errno, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	r := &Rejection{Rule: rule, Insn: c.insn, Register: reg, Message: msg, Errno: errno, Subprog: -1}
	if c.cur != nil {
		r.State = &State{}
		c.pool.copyState(r.State, c.cur)
		r.Path = c.path()
		r.Operand = c.describe(reg)
		for i := range c.cur.Refs {
			r.Refs = append(r.Refs, c.cur.Refs[i].Insn)
		}
		r.Subprog = c.cur.frame().Subprog
	}
	c.log.printf("%s\n", msg)
	return r
}

// bug reports what cannot be. Programs that lead here are refused.
func (c *Checker) bug(format string, args ...any) error {
	return c.reject(RuleInternal, EFAULT, "BUG: verifier: "+format, args...)
}

// amend adds a line to a rejection's message.
func amend(err error, format string, args ...any) error {
	if r, ok := err.(*Rejection); ok {
		r.Message += "\n" + fmt.Sprintf(format, args...)
	}
	return err
}
