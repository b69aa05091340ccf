package helpers

import (
	"fmt"
	"strings"

	"github.com/skepdev/skep/abi"
)

// Why helpers and kernel functions are not here.
const (
	needsSockets   = "it works on a socket, and sockets are the kernel's"
	needsKernel    = "it is about the kernel itself, which this process is not"
	needsTypes     = "it prints by the kernel's types, which programs do not carry with them"
	needsCPU       = "it reads what only the kernel can ask of the processor"
	needsSignal    = "a signal would reach the process that runs the program"
	needsWrite     = "it would write to the memory of the process that runs the program"
	needsSegments  = "segment routing is the kernel's"
	needsConntrack = "connection tracking is the kernel's"
	needsFiles     = "files are the kernel's"
	needsBPF       = "maps and programs are made through the engine"
	needsWork      = "deferred work is not there"
)

// reasons of helpers that no kind of program has.
var reasons = map[abi.HelperID]string{
	abi.FnProbeWriteUser: needsWrite, abi.FnSendSignal: needsSignal, abi.FnSendSignalThread: needsSignal,
	abi.FnSockMapUpdate: needsSockets, abi.FnSockHashUpdate: needsSockets, abi.FnMsgRedirectMap: needsSockets,
	abi.FnMsgRedirectHash: needsSockets, abi.FnSkRedirectMap: needsSockets, abi.FnSkRedirectHash: needsSockets,
	abi.FnLoadHdrOpt: needsSockets, abi.FnStoreHdrOpt: needsSockets, abi.FnReserveHdrOpt: needsSockets,
	abi.FnSockFromFile: needsSockets, abi.FnTcpSendAck: needsSockets,
	abi.FnMsgPushData: needsSockets, abi.FnMsgPopData: needsSockets,
	abi.FnLwtPushEncap: needsSegments, abi.FnLwtSeg6StoreBytes: needsSegments,
	abi.FnLwtSeg6AdjustSrh: needsSegments, abi.FnLwtSeg6Action: needsSegments,
	abi.FnSysctlGetName: needsKernel, abi.FnSysctlGetCurrentValue: needsKernel,
	abi.FnSysctlGetNewValue: needsKernel, abi.FnSysctlSetNewValue: needsKernel,
	abi.FnReadBranchRecords: needsCPU, abi.FnGetBranchSnapshot: needsCPU, abi.FnPerfProgReadValue: needsCPU,
	abi.FnSkbOutput: needsKernel, abi.FnXdpOutput: needsKernel, abi.FnDPath: needsFiles,
	abi.FnSnprintfBtf: needsTypes, abi.FnSeqPrintfBtf: needsTypes,
	abi.FnSysBpf: needsBPF, abi.FnSysClose: needsBPF,
	abi.FnBtfFindByNameKind: needsTypes, abi.FnKallsymsLookupName: needsKernel, abi.FnFindVma: needsKernel,
	abi.FnBprmOptsSet: needsKernel, abi.FnImaInodeHash: needsFiles, abi.FnImaFileHash: needsFiles,
	abi.FnRcRepeat: needsKernel, abi.FnRcKeydown: needsKernel, abi.FnRcPointerRel: needsKernel,
}

// kfuncReasons go by how the names begin.
var kfuncReasons = []struct{ prefix, why string }{
	{"bpf_cgroup_", needsKernel},
	{"bpf_crypto_", "cryptography is the kernel's"},
	{"bpf_ct_", needsConntrack},
	{"bpf_skb_ct_", needsConntrack},
	{"bpf_xdp_ct_", needsConntrack},
	{"bpf_wq_", needsWork},
	{"bpf_task_work_", needsWork},
	{"bpf_sock_", needsSockets},
	{"bpf_sk_", needsSockets},
	{"bpf_get_file_", needsFiles},
	{"bpf_get_dentry_", needsFiles},
	{"bpf_path_", needsFiles},
	{"bpf_put_file", needsFiles},
	{"bpf_set_dentry_", needsFiles},
	{"bpf_remove_dentry_", needsFiles},
	{"bpf_get_fsverity_", needsFiles},
	{"bpf_get_task_exe_file", needsFiles},
	{"bpf_send_signal", needsSignal},
}

// missingHelper is why nobody has a helper.
func missingHelper(t abi.ProgramType, id abi.HelperID) string {
	s := fmt.Sprintf("helper %s (id %d) is not available in the embedded engine for %s programs", id, uint32(id), t)
	if why := reasons[id]; why != "" {
		s += ": " + why
	}
	return s
}

// missingKfunc is why nobody has a kernel function.
func missingKfunc(t abi.ProgramType, name string) string {
	why := needsKernel
	for _, r := range kfuncReasons {
		if strings.HasPrefix(name, r.prefix) {
			why = r.why
			break
		}
	}
	return fmt.Sprintf("kernel function %s is not available in the embedded engine for %s programs: %s", name, t, why)
}
