package check

import (
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

const (
	helperTailCall   = int32(abi.FnTailCall)
	helperSpinUnlock = int32(abi.FnSpinUnlock)
)

// helperCall is what is found out about one call of a helper while its
// arguments are checked (struct bpf_call_arg_meta).
type helperCall struct {
	id       abi.HelperID
	name     string
	args     []abi.Arg
	helper   *abi.Helper
	host     bool // a function of a hook
	m        *Map // the map argument
	mapIndex uint32
	mapUID   int32
	raw      rawMem
	rawMode  bool
	sizeMax  uint64 // largest size given for a buffer
	memSize  uint64 // constant size of the returned memory
	ref      uint32
	released int // argument register, 0 if none
	subprog  int
	field    *field
	dynptr   dynptrInfo
	perCPU   uint32 // type behind a per-CPU argument
	key      uint64 // of an array lookup
	keyKnown bool
}

// callHelper simulates a call of a helper (check_helper_call).
func (c *Checker) callHelper(ins isa.Instruction) error {
	h, err := c.findHelper(ins.Imm)
	if err != nil {
		return err
	}
	if err := c.mayCall(h); err != nil {
		return err
	}
	for i := range h.args {
		if err := c.helperArg(h, i); err != nil {
			return err
		}
	}
	if err := c.mapAllowsHelper(h); err != nil {
		return err
	}
	if err := c.noteMapUse(h); err != nil {
		return err
	}
	// What the helper writes, byte by byte, on the stack or elsewhere.
	for i := range h.raw.size {
		if err := c.memAccess(access{reg: uint8(h.raw.reg), off: i, size: 1, write: true, value: -1}); err != nil {
			return err
		}
	}
	if h.released != 0 {
		if err := c.releaseArg(h); err != nil {
			return err
		}
	}
	moves := h.helper.Flags&abi.HelperMovesPacket != 0 && h.id != abi.FnTailCall
	if err := c.helperSpecific(h, &moves); err != nil {
		return err
	}
	regs := c.cur.regs()
	first := regs[1]
	c.dropCallerSaved(regs)
	if err := c.helperResult(h, &first); err != nil {
		return err
	}
	if err := c.mapFitsHelper(h); err != nil {
		return err
	}
	if err := c.supportedHere(h); err != nil {
		return err
	}
	if moves {
		c.forgetPackets()
	}
	if h.id == abi.FnTailCall && c.cur.Cur > 0 {
		return c.tailCallReturns()
	}
	return nil
}

// tailCallReturns follows a tail call that succeeds inside a function: what the
// other program returns, the function returns. That it fails is queued.
func (c *Checker) tailCallReturns() error {
	if _, err := c.push(c.insn+1, c.insn, false); err != nil {
		return err
	}
	c.forgetPackets()
	c.setUnknown(&c.cur.regs()[0])
	if err := c.leaveFrame(); err != nil {
		return err
	}
	c.insn-- // the caller adds one
	return nil
}

// findHelper looks the helper up for this program type.
func (c *Checker) findHelper(id int32) (*helperCall, error) {
	proto := abi.HelperByID(abi.HelperID(id))
	if proto == nil || id <= 0 || !c.has(proto.ID.Since()) {
		name := "unknown"
		if id == 0 {
			name = "unspec"
		}
		return nil, c.reject(RuleHelper, EINVAL, "invalid func %s#%d", name, id)
	}
	h := &helperCall{id: proto.ID, name: proto.ID.String(), helper: proto, raw: rawMem{reg: -1}}
	args, flags, ok := proto.Prototype(c.prog.Type)
	if c.iterHelper(proto.ID) {
		args, flags, ok = proto.Prototype(abi.ProgLSM)
	}
	if !ok || !c.helperAvailable(proto) {
		return nil, c.reject(RuleHelper, EINVAL, "program of this type cannot use helper %s#%d", h.name, id)
	}
	h.args = args
	if flags&abi.HelperGPL != 0 && !gplCompatible(c.prog.License) {
		return nil, c.reject(RuleHelper, EINVAL, "cannot call GPL-restricted function from non-GPL compatible program")
	}
	return h, nil
}

// helperAvailable leaves out what the judged kernel, the attach type or the
// privilege does not have.
func (c *Checker) helperAvailable(h *abi.Helper) bool {
	if c.opts.Unprivileged && !unprivHelpers[h.ID] {
		return c.prog.Type == abi.ProgSocketFilter && socketFilterHelpers[h.ID] ||
			c.prog.Type == abi.ProgCgroupSKB && cgroupSKBHelpers[h.ID]
	}
	if c.opts.NoPerfmon && perfmonHelpers[h.ID] {
		return false
	}
	return c.helperFitsAttach(h.ID)
}

// unprivHelpers need no capability (bpf_base_func_proto before its first check).
var unprivHelpers = idSet(
	abi.FnMapLookupElem, abi.FnMapUpdateElem, abi.FnMapDeleteElem, abi.FnMapPushElem, abi.FnMapPopElem, abi.FnMapPeekElem,
	abi.FnMapLookupPercpuElem, abi.FnGetPrandomU32, abi.FnGetSmpProcessorId, abi.FnGetNumaNodeId, abi.FnTailCall,
	abi.FnKtimeGetNs, abi.FnKtimeGetBootNs, abi.FnKtimeGetTaiNs, abi.FnRingbufOutput, abi.FnRingbufReserve,
	abi.FnRingbufSubmit, abi.FnRingbufDiscard, abi.FnRingbufQuery, abi.FnStrncmp, abi.FnStrtol, abi.FnStrtoul,
	abi.FnGetCurrentPidTgid, abi.FnGetNsCurrentPidTgid,
)

var socketFilterHelpers = idSet(
	abi.FnSkbLoadBytes, abi.FnSkbLoadBytesRelative, abi.FnGetSocketCookie, abi.FnGetSocketUid, abi.FnPerfEventOutput,
	abi.FnGetNetnsCookie,
)

var cgroupSKBHelpers = idSet(
	abi.FnSkFullsock, abi.FnSkStorageGet, abi.FnSkStorageDelete, abi.FnPerfEventOutput, abi.FnSkbCgroupId,
	abi.FnSkbAncestorCgroupId, abi.FnSkCgroupId, abi.FnSkAncestorCgroupId, abi.FnSkLookupTcp, abi.FnSkLookupUdp,
	abi.FnSkRelease, abi.FnSkcLookupTcp, abi.FnTcpSock, abi.FnGetListenerSock, abi.FnSkbEcnSetCe, abi.FnGetLocalStorage,
	abi.FnSkbLoadBytes, abi.FnSkbLoadBytesRelative, abi.FnGetSocketCookie, abi.FnGetSocketUid, abi.FnGetNetnsCookie,
)

// perfmonHelpers read the kernel's memory and need CAP_PERFMON.
var perfmonHelpers = idSet(
	abi.FnTracePrintk, abi.FnGetCurrentTask, abi.FnGetCurrentTaskBtf, abi.FnProbeReadUser, abi.FnProbeReadKernel,
	abi.FnProbeReadUserStr, abi.FnProbeReadKernelStr, abi.FnSnprintfBtf, abi.FnSnprintf, abi.FnTaskPtRegs, abi.FnTraceVprintk,
)

func idSet(ids ...abi.HelperID) map[abi.HelperID]bool {
	m := make(map[abi.HelperID]bool, len(ids))
	for _, id := range ids {
		m[id] = true
	}
	return m
}

// mayCall holds a helper against where it is called.
func (c *Checker) mayCall(h *helperCall) error {
	if h.id == abi.FnDPath && !c.pathAllowed() {
		return c.reject(RuleHelper, EINVAL, "helper call is not allowed in probe")
	}
	if h.helper.Flags&abi.HelperSleeps == 0 {
		return nil
	}
	switch {
	case !c.sleepable():
		return c.reject(RuleSleep, EINVAL, "helper call might sleep in a non-sleepable prog")
	case c.cur.RCU > 0:
		return c.reject(RuleSleep, EINVAL, "sleepable helper %s#%d in rcu_read_lock region", h.name, h.id)
	case c.cur.Preempt > 0:
		return c.reject(RuleSleep, EINVAL, "sleepable helper %s#%d in non-preemptible region", h.name, h.id)
	case c.cur.IRQ != 0:
		return c.reject(RuleSleep, EINVAL, "sleepable helper %s#%d in IRQ-disabled region", h.name, h.id)
	}
	return nil
}

// pathAllowed reports where a path may be walked (bpf_d_path_allowed).
func (c *Checker) pathAllowed() bool {
	switch {
	case c.prog.Type == abi.ProgTracing && c.prog.AttachType == abi.AttachTraceIter:
		return true
	case c.prog.Type == abi.ProgLSM:
		return sleepableHooks["bpf_lsm_"+strings.TrimPrefix(c.prog.AttachTo, "bpf_lsm_")]
	}
	switch c.prog.AttachTo {
	case "security_file_permission", "security_inode_getattr", "security_file_open", "security_path_truncate",
		"vfs_truncate", "vfs_fallocate", "dentry_open", "vfs_getattr", "filp_close":
		return true
	}
	return false
}

// releaseArg gives up the reference that an argument carries.
func (c *Checker) releaseArg(h *helperCall) error {
	regs := c.cur.regs()
	ok := false
	switch {
	case h.args[h.released-1].Kind == abi.ArgDynptr:
		if err := c.destroyDynptr(&regs[h.released]); err != nil {
			return err
		}
		ok = true
	case h.id == abi.FnKptrXchg && h.ref != 0:
		ok = c.giveKptr(h.ref)
	case h.ref != 0:
		ok = c.release(h.ref)
	case regs[h.released].isNull():
		ok = true // NULL needs no release
	}
	if !ok {
		return c.rejectReg(h.released, RuleReleased, EINVAL, "func %s#%d reference has not been acquired before", h.name, h.id)
	}
	return nil
}

// giveKptr hands a reference over to a map. A per-CPU object stays readable
// while the read section lasts.
func (c *Checker) giveKptr(ref uint32) bool {
	rcu := c.inRCU()
	if !c.cur.dropRef(ref) {
		return false
	}
	c.cur.eachReg(func(r *Reg) {
		switch {
		case r.Ref != ref:
		case rcu && r.Flags&(Alloc|PerCPU) == Alloc|PerCPU:
			r.Ref = 0
			r.Flags = r.Flags&^Alloc | RCU
		default:
			c.invalidate(r)
		}
	})
	return true
}

// helperSpecific is what only some helpers ask for.
func (c *Checker) helperSpecific(h *helperCall, moves *bool) error {
	regs := c.cur.regs()
	switch h.id {
	case abi.FnTailCall:
		return c.leakCheck(false, "tail_call")
	case abi.FnGetLocalStorage:
		if !regs[2].isNull() {
			return c.rejectReg(2, RuleArgument, EINVAL, "get_local_storage() doesn't support non-zero flags")
		}
		return c.markPrecise(2)
	case abi.FnForEachMapElem:
		return c.pushCallback(h.subprog, c.mapElemCallback(h))
	case abi.FnTimerSetCallback:
		return c.pushAsync(h.subprog, false, c.timerCallback)
	case abi.FnFindVma:
		return c.pushCallback(h.subprog, c.findVMACallback)
	case abi.FnSnprintf:
		return c.checkFormat(&regs[3], &regs[5])
	case abi.FnLoop:
		return c.loopHelper(h)
	case abi.FnDynptrFromMem:
		if regs[1].Kind != MapValue {
			return c.rejectReg(1, RuleDynptr, EACCES, "Unsupported reg type %s for bpf_dynptr_from_mem data", regs[1].name(c))
		}
	case abi.FnSetRetval:
		if c.prog.AttachType == abi.AttachLSMCgroup && c.prog.Type == abi.ProgLSM && c.voidHook() {
			return c.reject(RuleReturn, EINVAL, "BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!")
		}
	case abi.FnDynptrData, abi.FnDynptrWrite:
		i := 1
		if h.id == abi.FnDynptrData {
			i = 0
		} else {
			i = 0
		}
		info, err := c.dynptrOf(&regs[1+i])
		if err != nil {
			return err
		}
		h.dynptr = info
		if h.id == abi.FnDynptrData {
			h.ref = info.ref
		} else if info.kind == dynptrSkb || info.kind == dynptrSkbMeta {
			*moves = true
		}
	case abi.FnUserRingbufDrain:
		return c.pushCallback(h.subprog, c.userRingbufCallback)
	}
	return nil
}

// loopHelper simulates bpf_loop: the callback may run as often as R1 allows.
func (c *Checker) loopHelper(h *helperCall) error {
	regs := c.cur.regs()
	// Whether the kernel unrolls the loop rests on the flags being 0.
	if a := &c.aux[c.insn]; !a.loopSeen || a.loopInline {
		zero := regs[4].isNull()
		if zero {
			if err := c.markPrecise(4); err != nil {
				return err
			}
		}
		a.loopInline = zero && (!a.loopSeen || a.loopCallback == h.subprog)
		a.loopSeen, a.loopCallback = true, h.subprog
	}
	if err := c.markPrecise(1); err != nil {
		return err
	}
	f := c.cur.frame()
	if uint64(f.CallbackDepth) < regs[1].UMax {
		return c.pushCallback(h.subprog, c.loopCallback)
	}
	f.CallbackDepth = 0
	return nil
}

// helperResult says what R0 holds afterwards. first was R1.
func (c *Checker) helperResult(h *helperCall, first *Reg) error {
	r := &c.cur.regs()[0]
	nullable := Flags(0)
	switch h.helper.Return {
	case abi.RetInteger:
		c.setUnknown(r)
		c.refineResult(h, r)
		return nil
	case abi.RetVoid:
		*r = Reg{}
		return nil
	case abi.RetMapValueOrNull, abi.RetSocketOrNull, abi.RetTCPSockOrNull, abi.RetSockCommonOrNull, abi.RetRingBufMemOrNull,
		abi.RetDynptrMemOrNull, abi.RetMemOrBTFOrNull, abi.RetBTFOrNull:
		nullable = MaybeNull
	}
	switch h.helper.Return {
	case abi.RetMapValue, abi.RetMapValueOrNull:
		if h.m == nil {
			return c.bug("helper %s returns a map value without a map", h.name)
		}
		if h.keyKnown && h.key < uint64(h.m.MaxEntries) {
			nullable = 0
		}
		*r = pointerReg(MapValue, nullable)
		r.Obj, r.Aux = h.mapIndex, h.mapUID
		if nullable == 0 && h.m.record.has(fieldSpinLock) {
			r.ID = c.newID()
		}
	case abi.RetSocketOrNull:
		*r = pointerReg(Socket, nullable)
	case abi.RetSockCommonOrNull:
		*r = pointerReg(SockCommon, nullable)
	case abi.RetTCPSockOrNull:
		*r = pointerReg(TCPSock, nullable)
	case abi.RetRingBufMemOrNull:
		*r = pointerReg(Mem, nullable|RingBuf)
		r.Aux = int32(h.memSize)
	case abi.RetDynptrMemOrNull:
		*r = pointerReg(Mem, nullable)
		r.Aux, r.Obj = int32(h.memSize), h.dynptr.id
	case abi.RetMemOrBTF, abi.RetMemOrBTFOrNull:
		if err := c.perCPUResult(h, r, first, nullable); err != nil {
			return err
		}
	case abi.RetBTF, abi.RetBTFOrNull:
		if err := c.btfResult(h, r, nullable); err != nil {
			return err
		}
	}
	if r.maybeNull() {
		r.ID = c.newID()
	}
	switch {
	case h.id == abi.FnDynptrData, castsPointer[h.id]:
		r.Ref = h.ref
	case c.acquires(h):
		id := c.acquire(RefPtr)
		r.ID, r.Ref = id, id
	}
	return nil
}

// castsPointer: the result is the argument in another guise (is_ptr_cast_function).
var castsPointer = idSet(
	abi.FnTcpSock, abi.FnSkFullsock, abi.FnSkcToTcpSock, abi.FnSkcToTcp6Sock, abi.FnSkcToUdp6Sock, abi.FnSkcToMptcpSock,
	abi.FnSkcToTcpTimewaitSock, abi.FnSkcToTcpRequestSock,
)

func (c *Checker) acquires(h *helperCall) bool {
	switch h.id {
	case abi.FnSkLookupTcp, abi.FnSkLookupUdp, abi.FnSkcLookupTcp, abi.FnRingbufReserve, abi.FnKptrXchg:
		return true
	case abi.FnMapLookupElem:
		return h.m != nil && (h.m.Type == mapSock || h.m.Type == mapSockHash)
	}
	return false
}

// resultTypes are the kernel's structures that helpers return.
var resultTypes = map[abi.HelperID]string{
	abi.FnGetCurrentTaskBtf: "task_struct", abi.FnTaskPtRegs: "pt_regs", abi.FnSockFromFile: "socket",
	abi.FnSkcToTcp6Sock: "tcp6_sock", abi.FnSkcToTcpSock: "tcp_sock", abi.FnSkcToTcpTimewaitSock: "tcp_timewait_sock",
	abi.FnSkcToTcpRequestSock: "tcp_request_sock", abi.FnSkcToUdp6Sock: "udp6_sock", abi.FnSkcToUnixSock: "unix_sock",
	abi.FnSkcToMptcpSock: "mptcp_sock",
}

func (c *Checker) btfResult(h *helperCall, r *Reg, nullable Flags) error {
	flags := nullable
	if h.id == abi.FnGetCurrentTaskBtf {
		flags |= Trusted
	}
	if h.id == abi.FnKptrXchg {
		*r = pointerReg(BTFPtr, flags)
		r.Obj = h.field.typ
		if !c.types.isKernel(h.field.typ) {
			r.Flags |= Alloc
			if h.field.kind == fieldKptrPerCPU {
				r.Flags |= PerCPU
			}
		}
		return nil
	}
	name := resultTypes[h.id]
	typ := c.types.kernelStruct(name)
	if typ == 0 {
		return c.reject(RuleTypes, EINVAL, "the kernel's types are needed for helper %s: struct %s is not among them", h.name, name)
	}
	*r = pointerReg(BTFPtr, flags)
	r.Obj = typ
	return nil
}

// perCPUResult is one CPU's copy of a kernel variable or of an own object.
func (c *Checker) perCPUResult(h *helperCall, r, first *Reg, nullable Flags) error {
	e := c.types.at(h.perCPU)
	if e.t == nil {
		return c.bug("helper %s returns a copy of nothing", h.name)
	}
	if !isStruct(e.t) {
		size, ok := sizeOf(e.t)
		if !ok {
			return c.reject(RuleTypes, EINVAL, "unable to resolve the size of type '%s': -22", nameOf(e.t))
		}
		*r = pointerReg(Mem, nullable|RdOnly)
		r.Aux = int32(size)
		return nil
	}
	*r = pointerReg(BTFPtr, nullable)
	r.Obj = h.perCPU
	if first.Flags&RCU != 0 {
		r.Flags = Alloc | RCU
	}
	return nil
}

// refineResult bounds the numbers that some helpers return
// (do_refine_retval_range).
func (c *Checker) refineResult(h *helperCall, r *Reg) {
	const maxErrno = 4095
	switch h.id {
	case abi.FnGetStack, abi.FnGetTaskStack, abi.FnProbeReadStr, abi.FnProbeReadKernelStr, abi.FnProbeReadUserStr:
		rng := scalar.Unknown()
		rng.SMin, rng.SMax = -maxErrno, int64(h.sizeMax)
		rng.S32Min, rng.S32Max = -maxErrno, int32(h.sizeMax)
		c.era.Sync(&rng)
		r.Range = rng
	case abi.FnGetSmpProcessorId:
		if c.opts.since(6, 11) {
			setRange(r, 0, int64(c.cpus())-1)
		}
	}
}
