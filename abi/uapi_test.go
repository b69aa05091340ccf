package abi_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/abi"
)

const headerPath = "/usr/include/linux/bpf.h"

// header is the UAPI header of this machine without its comments.
func header(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(headerPath)
	if err != nil {
		t.Skipf("needs the kernel's user-space headers: %v", err)
	}
	return regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(b), "")
}

// enumerators reads the members of one enum, in order.
func enumerators(t *testing.T, header, name string) map[string]uint32 {
	t.Helper()
	m := regexp.MustCompile(`(?s)enum ` + name + ` \{(.*?)\}`).FindStringSubmatch(header)
	if m == nil {
		t.Fatalf("%s has no enum %s", headerPath, name)
	}
	out, next := map[string]uint32{}, uint32(0)
	for item := range strings.SplitSeq(m[1], ",") {
		name, value, given := strings.Cut(strings.TrimSpace(item), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "" {
			continue
		}
		if given {
			if n, err := strconv.ParseUint(value, 0, 32); err == nil {
				next = uint32(n)
			} else {
				next = out[value]
			}
		}
		if !strings.HasPrefix(name, "__MAX") && !strings.HasSuffix(name, "_DEPRECATED") {
			out[name] = next
		}
		next++
	}
	return out
}

// The names and numbers of the header on this machine, of whatever age, must be
// ours; newer ones than 6.18 may be missing here.
func TestNumbersOfTheHeader(t *testing.T) {
	h := header(t)
	for _, c := range []struct {
		enum, prefix string
		name         func(uint32) string
		last         uint32
	}{
		{"bpf_prog_type", "BPF_PROG_TYPE_", func(n uint32) string { return abi.ProgramType(n).String() }, uint32(abi.ProgNetfilter)},
		{"bpf_attach_type", "BPF_", func(n uint32) string { return abi.AttachType(n).String() }, uint32(abi.AttachTraceUprobeSession)},
		{"bpf_map_type", "BPF_MAP_TYPE_", func(n uint32) string { return abi.MapType(n).String() }, uint32(abi.MapArena)},
	} {
		members := enumerators(t, h, c.enum)
		if len(members) < 20 {
			t.Errorf("only %d members read from enum %s", len(members), c.enum)
		}
		for name, n := range members {
			want := strings.ToLower(strings.TrimPrefix(name, c.prefix))
			if got := c.name(n); n <= c.last && got != want && !renamed[want] {
				t.Errorf("%s = %d is called %q here, want %q", name, n, got, want)
			}
		}
	}
}

// renamed are members that later headers call otherwise.
var renamed = map[string]bool{"cgroup_storage": true, "percpu_cgroup_storage": true}

func TestHelperNumbersOfTheHeader(t *testing.T) {
	h := header(t)
	rows := regexp.MustCompile(`FN\((\w+)(?:, (\d+), ##ctx)?\)`).FindAllStringSubmatch(h, -1)
	if len(rows) < 150 {
		t.Fatalf("only %d helpers read", len(rows))
	}
	n := 0
	for _, row := range rows {
		if row[1] == "x" {
			continue // where the macro is used
		}
		if row[2] != "" {
			n, _ = strconv.Atoi(row[2])
		}
		if got, want := abi.HelperID(n).String(), "bpf_"+row[1]; got != want {
			t.Errorf("helper %d is called %s here, want %s", n, got, want)
		}
		n++
	}
}

// flagNames pairs the constants that programs and hosts use most with the
// header's.
var flagNames = map[string]uint64{
	"BPF_ANY": abi.UpdateAny, "BPF_NOEXIST": abi.UpdateNoExist, "BPF_EXIST": abi.UpdateExist, "BPF_F_LOCK": abi.FlagLock,
	"BPF_F_NO_PREALLOC": abi.FlagNoPrealloc, "BPF_F_NO_COMMON_LRU": abi.FlagNoCommonLRU, "BPF_F_NUMA_NODE": abi.FlagNumaNode,
	"BPF_F_RDONLY": abi.FlagRdonly, "BPF_F_WRONLY": abi.FlagWronly, "BPF_F_STACK_BUILD_ID": abi.FlagStackBuildID,
	"BPF_F_ZERO_SEED": abi.FlagZeroSeed, "BPF_F_RDONLY_PROG": abi.FlagRdonlyProg, "BPF_F_WRONLY_PROG": abi.FlagWronlyProg,
	"BPF_F_CLONE": abi.FlagClone, "BPF_F_MMAPABLE": abi.FlagMmapable, "BPF_F_PRESERVE_ELEMS": abi.FlagPreserveElems,
	"BPF_F_INNER_MAP": abi.FlagInnerMap, "BPF_F_LINK": abi.FlagLink, "BPF_F_PATH_FD": abi.FlagPathFD,
	"BPF_F_VTYPE_BTF_OBJ_FD": abi.FlagVtypeBTFObjFD, "BPF_F_TOKEN_FD": abi.FlagTokenFD,
	"BPF_F_SEGV_ON_FAULT": abi.FlagSegvOnFault, "BPF_F_NO_USER_CONV": abi.FlagNoUserConv,
	"BPF_F_RECOMPUTE_CSUM": abi.FlagRecomputeCsum, "BPF_F_INVALIDATE_HASH": abi.FlagInvalidateHash,
	"BPF_F_PSEUDO_HDR": abi.FlagPseudoHdr, "BPF_F_MARK_MANGLED_0": abi.FlagMarkMangled0, "BPF_F_MARK_ENFORCE": abi.FlagMarkEnforce,
	"BPF_F_USER_STACK": abi.FlagUserStack, "BPF_F_FAST_STACK_CMP": abi.FlagFastStackCmp, "BPF_F_REUSE_STACKID": abi.FlagReuseStackID,
	"BPF_F_USER_BUILD_ID": abi.FlagUserBuildID, "BPF_F_INDEX_MASK": abi.FlagIndexMask, "BPF_F_CTXLEN_MASK": abi.FlagCtxlenMask,
	"BPF_F_ZERO_CSUM_TX": abi.FlagZeroCsumTx, "BPF_F_DONT_FRAGMENT": abi.FlagDontFragment, "BPF_F_SEQ_NUMBER": abi.FlagSeqNumber,
	"BPF_F_NO_TUNNEL_KEY": abi.FlagNoTunnelKey, "BPF_F_TUNINFO_FLAGS": abi.FlagTuninfoFlags,
	"BPF_F_ADJ_ROOM_FIXED_GSO": abi.FlagAdjRoomFixedGSO, "BPF_F_ADJ_ROOM_ENCAP_L3_IPV4": abi.FlagAdjRoomEncapL3IPv4,
	"BPF_F_ADJ_ROOM_ENCAP_L3_IPV6": abi.FlagAdjRoomEncapL3IPv6, "BPF_F_ADJ_ROOM_ENCAP_L4_GRE": abi.FlagAdjRoomEncapL4GRE,
	"BPF_F_ADJ_ROOM_ENCAP_L4_UDP": abi.FlagAdjRoomEncapL4UDP, "BPF_F_ADJ_ROOM_NO_CSUM_RESET": abi.FlagAdjRoomNoCsumReset,
	"BPF_F_ADJ_ROOM_ENCAP_L2_ETH": abi.FlagAdjRoomEncapL2Eth, "BPF_F_ADJ_ROOM_DECAP_L3_IPV4": abi.FlagAdjRoomDecapL3IPv4,
	"BPF_F_ADJ_ROOM_DECAP_L3_IPV6": abi.FlagAdjRoomDecapL3IPv6,
	"BPF_F_INGRESS":                abi.FlagIngress, "BPF_F_BROADCAST": abi.FlagBroadcast, "BPF_F_EXCLUDE_INGRESS": abi.FlagExcludeIngress,
	"BPF_RB_NO_WAKEUP": abi.RBNoWakeup, "BPF_RB_FORCE_WAKEUP": abi.RBForceWakeup,
	"BPF_RINGBUF_BUSY_BIT": abi.RingBufBusyBit, "BPF_RINGBUF_DISCARD_BIT": abi.RingBufDiscardBit, "BPF_RINGBUF_HDR_SZ": abi.RingBufHdrSize,
	"BPF_FIB_LOOKUP_DIRECT": abi.FIBLookupDirect, "BPF_FIB_LOOKUP_OUTPUT": abi.FIBLookupOutput, "BPF_FIB_LOOKUP_SKIP_NEIGH": abi.FIBLookupSkipNeigh,
	"BPF_FIB_LOOKUP_TBID": abi.FIBLookupTBID, "BPF_FIB_LOOKUP_SRC": abi.FIBLookupSrc, "BPF_FIB_LOOKUP_MARK": abi.FIBLookupMark,
	"BPF_LOCAL_STORAGE_GET_F_CREATE": abi.LocalStorageGetFCreate, "BPF_SK_LOOKUP_F_REPLACE": abi.SkLookupFReplace,
	"BPF_SK_LOOKUP_F_NO_REUSEPORT": abi.SkLookupFNoReuseport, "BPF_F_TIMER_ABS": abi.FlagTimerAbs, "BPF_F_TIMER_CPU_PIN": abi.FlagTimerCPUPin,
	"BPF_F_TEST_RUN_ON_CPU": abi.FlagTestRunOnCPU, "BPF_F_TEST_XDP_LIVE_FRAMES": abi.FlagTestXDPLiveFrames,
	"BPF_F_XDP_HAS_FRAGS": abi.FlagXDPHasFrags, "BPF_F_SLEEPABLE": abi.FlagSleepable, "BPF_F_STRICT_ALIGNMENT": abi.FlagStrictAlignment,
	"BPF_F_ALLOW_OVERRIDE": abi.FlagAllowOverride, "BPF_F_ALLOW_MULTI": abi.FlagAllowMulti, "BPF_F_REPLACE": abi.FlagReplace,
	"BPF_F_BEFORE": abi.FlagBefore, "BPF_F_AFTER": abi.FlagAfter, "BPF_F_ID": abi.FlagID, "BPF_F_PREORDER": abi.FlagPreorder,
	"BPF_F_SYSCTL_BASE_NAME": abi.FlagSysctlBaseName, "BPF_MTU_CHK_SEGS": abi.MTUChkSegs,
}

func TestFlagsOfTheHeader(t *testing.T) {
	h := header(t)
	compared := 0
	for name, ours := range flagNames {
		m := regexp.MustCompile(`\b`+name+`\s*(?:=\s*)?\(?(\w+)(?: << (\d+))?\)?`).FindAllStringSubmatch(h, -1)
		for _, m := range m {
			base, err := strconv.ParseUint(strings.TrimRight(m[1], "UL"), 0, 64)
			if err != nil {
				continue
			}
			shift, _ := strconv.Atoi(m[2])
			if want := base << shift; ours != want {
				t.Errorf("%s is %#x here, want %#x", name, ours, want)
			}
			compared++
			break
		}
	}
	if compared < 50 {
		t.Errorf("only %d of %d constants found", compared, len(flagNames))
	}
}

// plain drops what distinguishes our spelling of a name from cilium/ebpf's.
func plain(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "")
}

func TestNumbersOfCilium(t *testing.T) {
	alias := map[string]string{
		"unspecifiedprogram": "unspec", "extension": "ext", "unspecifiedmap": "unspec", "programarray": "progarray",
		"lrucpuhash": "lrupercpuhash", "structopsmap": "structops",
	}
	check := func(what string, n int, ours, theirs string) {
		theirs = plain(theirs)
		if a, ok := alias[theirs]; ok {
			theirs = a
		}
		if plain(ours) != theirs {
			t.Errorf("%s %d is %q here, %q in cilium/ebpf", what, n, ours, theirs)
		}
	}
	for n := range uint32(abi.ProgNetfilter) + 1 {
		check("program type", int(n), abi.ProgramType(n).String(), ebpf.ProgramType(n).String())
	}
	for n := range uint32(abi.MapArena) + 1 {
		if n == uint32(abi.MapCgrpStorage) {
			continue // they call it CGroupStorage too
		}
		check("map type", int(n), abi.MapType(n).String(), ebpf.MapType(n).String())
	}
	for n := range int(abi.FnCgrpStorageDelete) + 1 {
		check("helper", n, "fn"+strings.TrimPrefix(abi.HelperID(n).String(), "bpf_"), asm.BuiltinFunc(n).String())
	}
	for _, c := range []struct {
		ours   abi.AttachType
		theirs ebpf.AttachType
	}{
		{abi.AttachXDP, ebpf.AttachXDP},
		{abi.AttachTCXIngress, ebpf.AttachTCXIngress},
		{abi.AttachTCXEgress, ebpf.AttachTCXEgress},
		{abi.AttachNetkitPrimary, ebpf.AttachNetkitPrimary},
		{abi.AttachNetkitPeer, ebpf.AttachNetkitPeer},
		{abi.AttachSkLookup, ebpf.AttachSkLookup},
		{abi.AttachNetfilter, ebpf.AttachNetfilter},
		{abi.AttachStructOps, ebpf.AttachStructOps},
		{abi.AttachTraceIter, ebpf.AttachTraceIter},
		{abi.AttachTraceKprobeMulti, ebpf.AttachTraceKprobeMulti},
		{abi.AttachTraceUprobeMulti, ebpf.AttachTraceUprobeMulti},
		{abi.AttachLSMCgroup, ebpf.AttachLSMCgroup},
		{abi.AttachCgroupInet4Connect, ebpf.AttachCGroupInet4Connect},
		{abi.AttachCgroupUnixGetsockname, ebpf.AttachCgroupUnixGetsockname},
		{abi.AttachCgroupSetsockopt, ebpf.AttachCGroupSetsockopt},
		{abi.AttachSkReuseportSelectOrMigrate, ebpf.AttachSkReuseportSelectOrMigrate},
	} {
		if uint32(c.ours) != uint32(c.theirs) {
			t.Errorf("%v is %d here, %d in cilium/ebpf", c.ours, c.ours, c.theirs)
		}
	}
}

func TestUnknownNumbersPrint(t *testing.T) {
	for got, want := range map[string]string{
		abi.ProgramType(99).String(): "ProgramType(99)",
		abi.AttachType(99).String():  "AttachType(99)",
		abi.MapType(99).String():     "MapType(99)",
		abi.HelperID(999).String():   "HelperID(999)",
		abi.ProgXDP.String():         "xdp",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
