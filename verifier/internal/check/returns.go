package check

import (
	"math"

	"github.com/skepdev/skep/abi"
)

// checkReturn holds R0 at the end of a program, or of a function that was
// verified on its own, against what may be returned (check_return_code).
func (c *Checker) checkReturn() error { return c.checkReturnIn(0) }

// checkReturnIn is checkReturn for a result in another register: what is thrown
// is in R1.
func (c *Checker) checkReturnIn(reg int) error {
	f := c.cur.Frames[0]
	isSub := f.Subprog != 0
	if !isSub || f.InException {
		switch c.prog.Type {
		case abi.ProgLSM:
			if c.prog.AttachType != abi.AttachLSMCgroup && c.voidHook() {
				return nil
			}
		case abi.ProgStructOps:
			if c.voidHook() {
				return nil
			}
			if done, err := c.structOpsReturn(); done {
				return err
			}
		}
	}
	if err := c.readReg(uint8(reg)); err != nil {
		return err
	}
	r := &c.cur.regs()[reg]
	if c.leaks(r) {
		return c.rejectReg(reg, RulePointerLeak, EACCES, "R%d leaks addr as return value", reg)
	}
	if f.InAsync {
		return c.enforceReturn(reg, r, f.Ret, "At async callback return", false)
	}
	if isSub && !f.InException {
		if r.Kind != Scalar {
			return c.rejectReg(reg, RuleReturn, EINVAL, "At subprogram exit the register R%d is not a scalar value (%s)", reg, r.name(c))
		}
		return nil
	}
	want, is32, ok := c.returnRange()
	if !ok {
		return nil
	}
	return c.enforceReturn(reg, r, want, "At program exit", is32)
}

func (c *Checker) enforceReturn(reg int, r *Reg, want retRange, where string, is32 bool) error {
	if r.Kind != Scalar {
		return c.rejectReg(reg, RuleReturn, EINVAL, "%s the register R%d is not a known value (%s)", where, reg, r.name(c))
	}
	if err := c.markPrecise(reg); err != nil {
		return err
	}
	inside := int64(want.min) <= r.SMin && r.SMax <= int64(want.max)
	if is32 {
		inside = want.min <= r.S32Min && r.S32Max <= want.max
	}
	if inside {
		return nil
	}
	err := c.invalidReturn(reg, r, want, where)
	if c.prog.AttachType == abi.AttachLSMCgroup && c.prog.Type == abi.ProgLSM && c.voidHook() {
		err = c.also(err, "Note, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!")
	}
	return err
}

// returnRange is what a program of this type and attach type may return; false
// if anything.
func (c *Checker) returnRange() (want retRange, is32, ok bool) {
	bool01 := retRange{0, 1}
	switch c.prog.Type {
	case abi.ProgCgroupSockAddr:
		switch c.prog.AttachType {
		case abi.AttachCgroupUDP4Recvmsg, abi.AttachCgroupUDP6Recvmsg, abi.AttachCgroupUnixRecvmsg,
			abi.AttachCgroupInet4Getpeername, abi.AttachCgroupInet6Getpeername, abi.AttachCgroupUnixGetpeername,
			abi.AttachCgroupInet4Getsockname, abi.AttachCgroupInet6Getsockname, abi.AttachCgroupUnixGetsockname:
			return retRange{1, 1}, false, true
		case abi.AttachCgroupInet4Bind, abi.AttachCgroupInet6Bind:
			return retRange{0, 3}, false, true
		}
		return bool01, false, true
	case abi.ProgCgroupSKB:
		if c.prog.AttachType == abi.AttachCgroupInetEgress {
			return retRange{0, 3}, false, true
		}
		return bool01, false, true
	case abi.ProgCgroupSock, abi.ProgSockOps, abi.ProgCgroupDevice, abi.ProgCgroupSysctl, abi.ProgCgroupSockopt:
		return bool01, false, true
	case abi.ProgTracing:
		switch c.prog.AttachType {
		case abi.AttachTraceFentry, abi.AttachTraceFexit:
			return retRange{0, 0}, false, true
		case abi.AttachTraceIter:
			return bool01, false, true
		}
	case abi.ProgKprobe:
		if at := c.prog.AttachType; at == abi.AttachTraceKprobeSession || at == abi.AttachTraceUprobeSession {
			return bool01, false, true
		}
	case abi.ProgSkLookup:
		return retRange{abi.SkDrop, abi.SkPass}, false, true
	case abi.ProgLSM:
		if c.prog.AttachType == abi.AttachLSMCgroup {
			if c.voidHook() {
				return retRange{1, 1}, false, true
			}
			return bool01, false, true
		}
		if c.opts.since(6, 12) && c.kind.hasRet && (c.kind.retMin != math.MinInt32 || c.kind.retMax != math.MaxInt32) {
			return retRange{c.kind.retMin, c.kind.retMax}, true, true
		}
	case abi.ProgHook:
		if h := c.prog.Hook; h.ReturnMin != 0 || h.ReturnMax != 0 {
			return retRange{h.ReturnMin, h.ReturnMax}, true, true
		}
	case abi.ProgNetfilter:
		return retRange{abi.NFDrop, abi.NFAccept}, false, true
	}
	return retRange{}, false, false
}
