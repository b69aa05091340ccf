package check

import (
	"slices"

	"github.com/skepdev/skep/abi"
)

const (
	mapSock     = abi.MapSockMap
	mapSockHash = abi.MapSockhash
	mapXSK      = abi.MapXSKMap
)

// writers change a map, which RDONLY_PROG forbids.
var writers = idSet(abi.FnMapDeleteElem, abi.FnMapUpdateElem, abi.FnMapPushElem, abi.FnMapPopElem)

// mapAllowsHelper holds a helper that writes against the map's flags
// (record_func_map).
func (c *Checker) mapAllowsHelper(h *helperCall) error {
	if h.m != nil && h.m.Flags&abi.FlagRdonlyProg != 0 && writers[h.id] {
		return c.reject(RuleReadOnly, EACCES, "write into map forbidden")
	}
	return nil
}

// noteMapUse remembers which map, and for tail calls which entry, an
// instruction uses, for the kernel's and our compiler.
func (c *Checker) noteMapUse(h *helperCall) error {
	f := &c.aux[c.insn].fact
	if h.m != nil {
		switch n := int32(h.mapIndex) + 1; {
		case f.Map == 0:
			f.Map = n
		case f.Map != n:
			f.Map = -1
		}
	}
	if h.id != abi.FnTailCall {
		return nil
	}
	if f.Map < 0 && !c.opts.bypassSpec() {
		return c.reject(RuleSpeculation, EINVAL, "tail_call abusing map_ptr")
	}
	if h.m == nil || h.m.Type != abi.MapProgArray {
		return nil // mapFitsHelper says what is wrong
	}
	if r := &c.cur.regs()[3]; r.isConstScalar(false) && r.Value() < uint64(h.m.MaxEntries) {
		return c.markPrecise(3)
	}
	return nil
}

// onlyFor are the map types that only certain helpers take.
var onlyFor = map[abi.MapType][]abi.HelperID{
	abi.MapProgArray:           {abi.FnTailCall},
	abi.MapPerfEventArray:      {abi.FnPerfEventRead, abi.FnPerfEventOutput, abi.FnSkbOutput, abi.FnPerfEventReadValue, abi.FnXdpOutput},
	abi.MapRingBuf:             {abi.FnRingbufOutput, abi.FnRingbufReserve, abi.FnRingbufQuery, abi.FnRingbufReserveDynptr, abi.FnRingbufSubmitDynptr, abi.FnRingbufDiscardDynptr},
	abi.MapUserRingBuf:         {abi.FnUserRingbufDrain},
	abi.MapStackTrace:          {abi.FnGetStackid},
	abi.MapCgroupArray:         {abi.FnSkbUnderCgroup, abi.FnCurrentTaskUnderCgroup},
	abi.MapCgroupStorage:       {abi.FnGetLocalStorage},
	abi.MapPerCPUCgroupStorage: {abi.FnGetLocalStorage},
	abi.MapDevMap:              {abi.FnRedirectMap, abi.FnMapLookupElem},
	abi.MapDevMapHash:          {abi.FnRedirectMap, abi.FnMapLookupElem},
	abi.MapCPUMap:              {abi.FnRedirectMap},
	abi.MapXSKMap:              {abi.FnRedirectMap, abi.FnMapLookupElem},
	abi.MapArrayOfMaps:         {abi.FnMapLookupElem},
	abi.MapHashOfMaps:          {abi.FnMapLookupElem},
	abi.MapSockMap:             {abi.FnSkRedirectMap, abi.FnSockMapUpdate, abi.FnMsgRedirectMap, abi.FnSkSelectReuseport, abi.FnMapLookupElem},
	abi.MapSockhash:            {abi.FnSkRedirectHash, abi.FnSockHashUpdate, abi.FnMsgRedirectHash, abi.FnSkSelectReuseport, abi.FnMapLookupElem},
	abi.MapReuseportSockArray:  {abi.FnSkSelectReuseport},
	abi.MapQueue:               {abi.FnMapPeekElem, abi.FnMapPopElem, abi.FnMapPushElem},
	abi.MapStack:               {abi.FnMapPeekElem, abi.FnMapPopElem, abi.FnMapPushElem},
	abi.MapSkStorage:           {abi.FnSkStorageGet, abi.FnSkStorageDelete, abi.FnKptrXchg},
	abi.MapInodeStorage:        {abi.FnInodeStorageGet, abi.FnInodeStorageDelete, abi.FnKptrXchg},
	abi.MapTaskStorage:         {abi.FnTaskStorageGet, abi.FnTaskStorageDelete, abi.FnKptrXchg},
	abi.MapCgrpStorage:         {abi.FnCgrpStorageGet, abi.FnCgrpStorageDelete, abi.FnKptrXchg},
	abi.MapBloomFilter:         {abi.FnMapPeekElem, abi.FnMapPushElem},
}

// onlyWith are the helpers that only take certain map types.
var onlyWith = makeOnlyWith()

func makeOnlyWith() map[abi.HelperID][]abi.MapType {
	cgroup := []abi.MapType{abi.MapCgroupArray}
	perf := []abi.MapType{abi.MapPerfEventArray}
	ring := []abi.MapType{abi.MapRingBuf}
	sock, hash := []abi.MapType{abi.MapSockMap}, []abi.MapType{abi.MapSockhash}
	queues := []abi.MapType{abi.MapQueue, abi.MapStack}
	return map[abi.HelperID][]abi.MapType{
		abi.FnTailCall:      {abi.MapProgArray},
		abi.FnPerfEventRead: perf, abi.FnPerfEventOutput: perf, abi.FnPerfEventReadValue: perf, abi.FnSkbOutput: perf, abi.FnXdpOutput: perf,
		abi.FnRingbufOutput: ring, abi.FnRingbufReserve: ring, abi.FnRingbufQuery: ring, abi.FnRingbufReserveDynptr: ring,
		abi.FnRingbufSubmitDynptr: ring, abi.FnRingbufDiscardDynptr: ring,
		abi.FnUserRingbufDrain: {abi.MapUserRingBuf}, abi.FnGetStackid: {abi.MapStackTrace},
		abi.FnCurrentTaskUnderCgroup: cgroup, abi.FnSkbUnderCgroup: cgroup,
		abi.FnRedirectMap:   {abi.MapDevMap, abi.MapDevMapHash, abi.MapCPUMap, abi.MapXSKMap},
		abi.FnSkRedirectMap: sock, abi.FnMsgRedirectMap: sock, abi.FnSockMapUpdate: sock,
		abi.FnSkRedirectHash: hash, abi.FnMsgRedirectHash: hash, abi.FnSockHashUpdate: hash,
		abi.FnGetLocalStorage:   {abi.MapCgroupStorage, abi.MapPerCPUCgroupStorage},
		abi.FnSkSelectReuseport: {abi.MapReuseportSockArray, abi.MapSockMap, abi.MapSockhash},
		abi.FnMapPopElem:        queues,
		abi.FnMapPeekElem:       append(queues[:2:2], abi.MapBloomFilter), abi.FnMapPushElem: append(queues[:2:2], abi.MapBloomFilter),
		abi.FnMapLookupPercpuElem: {abi.MapPerCPUArray, abi.MapPerCPUHash, abi.MapLRUPerCPUHash},
		abi.FnSkStorageGet:        {abi.MapSkStorage}, abi.FnSkStorageDelete: {abi.MapSkStorage},
		abi.FnInodeStorageGet: {abi.MapInodeStorage}, abi.FnInodeStorageDelete: {abi.MapInodeStorage},
		abi.FnTaskStorageGet: {abi.MapTaskStorage}, abi.FnTaskStorageDelete: {abi.MapTaskStorage},
		abi.FnCgrpStorageGet: {abi.MapCgrpStorage}, abi.FnCgrpStorageDelete: {abi.MapCgrpStorage},
	}
}

// mapFitsHelper holds map and helper against each other
// (check_map_func_compatibility).
func (c *Checker) mapFitsHelper(h *helperCall) error {
	if h.m == nil {
		return nil
	}
	ok := true
	if ids, limited := onlyFor[h.m.Type]; limited {
		ok = slices.Contains(ids, h.id) || (h.m.Type == mapSock || h.m.Type == mapSockHash) && c.mayChangeSockMap(h.id)
	}
	if types, limited := onlyWith[h.id]; limited && ok {
		ok = slices.Contains(types, h.m.Type)
	}
	if ok {
		return nil
	}
	return c.reject(RuleMapType, EINVAL, "cannot pass map_type %d into func %s#%d", h.m.Type, h.name, h.id)
}

// mayChangeSockMap reports programs that run where socket maps may be changed
// (may_update_sockmap).
func (c *Checker) mayChangeSockMap(id abi.HelperID) bool {
	if id != abi.FnMapUpdateElem && id != abi.FnMapDeleteElem {
		return false
	}
	switch c.prog.Type {
	case abi.ProgTracing:
		return c.prog.AttachType == abi.AttachTraceIter
	case abi.ProgSockOps:
		return id == abi.FnMapDeleteElem
	case abi.ProgSocketFilter, abi.ProgSchedCLS, abi.ProgSchedACT, abi.ProgXDP, abi.ProgSkReuseport, abi.ProgFlowDissector, abi.ProgSkLookup:
		return true
	}
	return false
}

// packetReaders may be given pointers into the packet (pkt_access of their
// prototypes).
var packetReaders = idSet(
	abi.FnMapLookupElem, abi.FnMapUpdateElem, abi.FnMapDeleteElem, abi.FnMapPushElem, abi.FnMapLookupPercpuElem,
	abi.FnCsumDiff, abi.FnSkcLookupTcp, abi.FnSkLookupTcp, abi.FnSkLookupUdp, abi.FnTcpCheckSyncookie, abi.FnTcpGenSyncookie,
	abi.FnTcpRawGenSyncookieIpv4, abi.FnTcpRawGenSyncookieIpv6, abi.FnTcpRawCheckSyncookieIpv4, abi.FnTcpRawCheckSyncookieIpv6,
)

// helperReadsPacket reports whether a helper may be passed the packet
// (may_access_direct_pkt_data).
func (c *Checker) helperReadsPacket(h *helperCall) bool {
	switch c.packetAccessKind() {
	case packetNone:
		return false
	case packetSockopt:
		return true
	}
	if h.host {
		return true
	}
	return packetReaders[h.id]
}

type packetKind uint8

const (
	packetNone packetKind = iota
	packetRead
	packetWrite
	packetSockopt // a socket option's value
)

// packetAccessKind is what a program may do with the packet directly.
func (c *Checker) packetAccessKind() packetKind {
	switch c.prog.Type {
	case abi.ProgHook:
		if c.prog.Hook.PacketWritable {
			return packetWrite
		}
		return packetRead
	case abi.ProgLWTIn, abi.ProgLWTOut, abi.ProgLWTSeg6local, abi.ProgSkReuseport, abi.ProgFlowDissector, abi.ProgCgroupSKB:
		return packetRead
	case abi.ProgSchedCLS, abi.ProgSchedACT, abi.ProgXDP, abi.ProgLWTXmit, abi.ProgSkSKB, abi.ProgSkMsg:
		return packetWrite
	case abi.ProgCgroupSockopt:
		return packetSockopt
	}
	return packetNone
}

func (c *Checker) packetWritable() bool {
	k := c.packetAccessKind()
	return k == packetWrite || k == packetSockopt
}

// supportedHere is what a few helpers ask of the attach point.
func (c *Checker) supportedHere(h *helperCall) error {
	if h.id != abi.FnGetFuncIp || c.prog.Type == abi.ProgKprobe {
		return nil
	}
	switch c.prog.AttachType {
	case abi.AttachTraceFentry, abi.AttachTraceFexit, abi.AttachModifyReturn:
		if c.prog.Type == abi.ProgTracing {
			return nil
		}
	}
	if c.prog.Type == abi.ProgTracing {
		return c.reject(RuleHelper, ENOTSUPP, "func %s#%d supported only for fentry/fexit/fmod_ret programs", h.name, h.id)
	}
	return c.reject(RuleHelper, ENOTSUPP, "func %s#%d not supported for program type %d", h.name, h.id, c.prog.Type)
}

// noRetval are attach types whose programs do not see the result so far
// (cgroup_common_func_proto).
var noRetval = map[abi.AttachType]bool{
	abi.AttachCgroupInetIngress: true, abi.AttachCgroupInetEgress: true, abi.AttachCgroupSockOps: true,
	abi.AttachCgroupUDP4Recvmsg: true, abi.AttachCgroupUDP6Recvmsg: true, abi.AttachCgroupUnixRecvmsg: true,
	abi.AttachCgroupInet4Getpeername: true, abi.AttachCgroupInet6Getpeername: true, abi.AttachCgroupUnixGetpeername: true,
	abi.AttachCgroupInet4Getsockname: true, abi.AttachCgroupInet6Getsockname: true, abi.AttachCgroupUnixGetsockname: true,
}

// helperFitsAttach leaves out helpers by attach type, where abi's table speaks
// of program types only.
func (c *Checker) helperFitsAttach(id abi.HelperID) bool {
	at := c.prog.AttachType
	if (id == abi.FnGetRetval || id == abi.FnSetRetval) && noRetval[at] && c.prog.Type != abi.ProgLSM {
		return false
	}
	switch c.prog.Type {
	case abi.ProgTracing:
		switch id {
		case abi.FnSeqPrintf, abi.FnSeqWrite, abi.FnSeqPrintfBtf:
			return at == abi.AttachTraceIter
		case abi.FnGetFuncArg, abi.FnGetFuncRet, abi.FnGetFuncArgCnt:
			tramp := at == abi.AttachTraceFentry || at == abi.AttachTraceFexit || at == abi.AttachModifyReturn
			if id == abi.FnGetFuncRet {
				return at == abi.AttachTraceFexit || at == abi.AttachModifyReturn
			}
			return tramp
		}
	case abi.ProgCgroupSockAddr:
		switch id {
		case abi.FnBind:
			return at == abi.AttachCgroupInet4Connect || at == abi.AttachCgroupInet6Connect
		}
	case abi.ProgKprobe:
		if id == abi.FnOverrideReturn {
			return at != abi.AttachTraceUprobeMulti && at != abi.AttachTraceUprobeSession
		}
	case abi.ProgLSM:
		if id == abi.FnGetAttachCookie {
			return true
		}
	}
	return true
}
