package abi

// Kfunc is what Linux knows of a kernel function that programs may call, beyond
// its prototype, which stands in the kernel's types.
type Kfunc struct {
	Name  string
	Flags KfuncFlags
	// Hooks are the groups of program types that may call it.
	Hooks KfuncHooks
	// Since is the version that has it, as major<<16 | minor<<8; 0 if older than
	// the table's oldest (6.1).
	Since uint32
}

// KfuncFlags are the KF_* of include/linux/btf.h (Linux 6.18).
type KfuncFlags uint32

const (
	// KfuncAcquire: the result is a reference that must be released.
	KfuncAcquire KfuncFlags = 1 << iota
	// KfuncRelease: an argument's reference is given back.
	KfuncRelease
	// KfuncRetNull: the result may be NULL.
	KfuncRetNull
	// KfuncTrustedArgs: pointers must be referenced or trusted.
	KfuncTrustedArgs
	// KfuncSleepable: it may sleep.
	KfuncSleepable
	// KfuncDestructive: it may bring the machine down.
	KfuncDestructive
	// KfuncRCU: pointers must be referenced, trusted or protected by RCU.
	KfuncRCU
	// KfuncIterNew, KfuncIterNext and KfuncIterDestroy are the three functions of
	// an iterator.
	KfuncIterNew
	KfuncIterNext
	KfuncIterDestroy
	// KfuncRCUProtected: it must be called in an RCU read section, and so must
	// the other functions of the iterator that it makes.
	KfuncRCUProtected
	// KfuncFastcall: it leaves r1 to r5 alone where the kernel replaces the call.
	KfuncFastcall
	// KfuncIterOnly: only programs of an iterator (SEC iter/) may call it.
	KfuncIterOnly
	// KfuncLSMOnly: only LSM programs may.
	KfuncLSMOnly
	// KfuncSessionOnly: only programs of a kprobe session may.
	KfuncSessionOnly
	// KfuncSockOpsOnly: only sock_ops programs may.
	KfuncSockOpsOnly
)

// Has reports whether all of f are set.
func (k KfuncFlags) Has(f KfuncFlags) bool { return k&f == f }

// KfuncHooks is a set of groups of program types (enum btf_kfunc_hook).
type KfuncHooks uint32

const (
	KfuncCommon KfuncHooks = 1 << iota // all programs
	KfuncXDP
	KfuncTC
	KfuncStructOps
	KfuncTracing
	KfuncSyscall
	KfuncCgroup
	KfuncSchedACT
	KfuncSkSKB
	KfuncSocketFilter
	KfuncLWT
	KfuncNetfilter
	KfuncKprobe
)

// KfuncHooksOf are the groups that a program type is in.
func KfuncHooksOf(t ProgramType) KfuncHooks {
	switch t {
	case ProgXDP:
		return KfuncCommon | KfuncXDP
	case ProgSchedCLS:
		return KfuncCommon | KfuncTC
	case ProgStructOps:
		return KfuncCommon | KfuncStructOps
	case ProgTracing, ProgTracepoint, ProgPerfEvent, ProgLSM:
		return KfuncCommon | KfuncTracing
	case ProgSyscall:
		return KfuncCommon | KfuncSyscall
	case ProgCgroupSKB, ProgCgroupSock, ProgCgroupDevice, ProgCgroupSockAddr, ProgCgroupSockopt, ProgCgroupSysctl, ProgSockOps:
		return KfuncCommon | KfuncCgroup
	case ProgSchedACT:
		return KfuncCommon | KfuncSchedACT
	case ProgSkSKB:
		return KfuncCommon | KfuncSkSKB
	case ProgSocketFilter:
		return KfuncCommon | KfuncSocketFilter
	case ProgLWTIn, ProgLWTOut, ProgLWTXmit, ProgLWTSeg6local:
		return KfuncCommon | KfuncLWT
	case ProgNetfilter:
		return KfuncCommon | KfuncNetfilter
	case ProgKprobe:
		return KfuncCommon | KfuncKprobe
	}
	return KfuncCommon
}

// Kfuncs are the kernel functions of Linux 6.18 that the table has, by name. The
// slice is shared: read it only.
func Kfuncs() []Kfunc { return kfuncs[:] }

// KfuncByName looks a kernel function up; nil if the table does not have it.
func KfuncByName(name string) *Kfunc {
	lo, hi := 0, len(kfuncs)
	for lo < hi {
		mid := (lo + hi) / 2
		switch k := &kfuncs[mid]; {
		case k.Name == name:
			return k
		case k.Name < name:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil
}

// Callable reports whether programs of a type and attach type may call it
// (btf_kfunc_id_set_contains and the sets' filters).
func (k *Kfunc) Callable(t ProgramType, at AttachType) bool {
	switch {
	case k.Hooks&KfuncHooksOf(t) == 0:
		return false
	case k.Flags.Has(KfuncIterOnly) && (t != ProgTracing || at != AttachTraceIter):
		return false
	case k.Flags.Has(KfuncLSMOnly) && t != ProgLSM:
		return false
	case k.Flags.Has(KfuncSessionOnly) && at != AttachTraceKprobeSession && at != AttachTraceUprobeSession:
		return false
	case k.Flags.Has(KfuncSockOpsOnly) && t != ProgSockOps:
		return false
	}
	return true
}
