package types

import "strings"

// named are types known by name without any definition.
var named = map[string]*Type{
	"float": {Kind: None, Size: 4}, "double": {Kind: None, Size: 8},
	"void": TVoid, "bool": TBool, "_Bool": TBool,
	"int8": TInt8, "int16": IntType(2, true), "int32": TInt32, "int64": TInt64,
	"uint8": TUint8, "uint16": IntType(2, false), "uint32": TUint32, "uint64": TUint64,
	"int8_t": TInt8, "int16_t": IntType(2, true), "int32_t": TInt32, "int64_t": TInt64,
	"uint8_t": TUint8, "uint16_t": IntType(2, false), "uint32_t": TUint32, "uint64_t": TUint64,
	"s8": TInt8, "s16": IntType(2, true), "s32": TInt32, "s64": TInt64,
	"u8": TUint8, "u16": IntType(2, false), "u32": TUint32, "u64": TUint64,
	"__s8": TInt8, "__s16": IntType(2, true), "__s32": TInt32, "__s64": TInt64,
	"__u8": TUint8, "__u16": IntType(2, false), "__u32": TUint32, "__u64": TUint64,
	"__be16": IntType(2, false), "__be32": TUint32, "__be64": TUint64,
	"size_t": TUint64, "ssize_t": TInt64, "uintptr_t": TUint64, "intptr_t": TInt64,
	"pid_t": TInt32, "uid_t": TUint32, "gid_t": TUint32, "dev_t": TUint32, "loff_t": TInt64, "off_t": TInt64,
	"time_t": TInt64, "umode_t": IntType(2, false), "sector_t": TUint64, "gfp_t": TUint32, "qid_t": TUint32,
	"sa_family_t": IntType(2, false), "socklen_t": TUint32, "mode_t": TUint32, "clockid_t": TInt32,
	"caddr_t": TUint64, "key_t": TInt32, "timer_t": TInt32, "mqd_t": TInt32, "aio_context_t": TUint64, "rwf_t": TInt32,
	"cap_user_header_t": TUint64, "cap_user_data_t": TUint64, "qid": TUint32, "fmode_t": TUint32,
}

// own are types only the language has.
var own = map[string]*Type{
	"ksym_t": TKSym, "usym_t": TUSym, "macaddr_t": TMAC, "timestamp": TTime, "cgroup_path_t": TCgroup,
	"count_t": {Kind: Count, Size: 8, Signed: true}, "sum_t": {Kind: Sum, Size: 8, Signed: true},
	"usum_t": {Kind: Sum, Size: 8},
	"min_t":  {Kind: Min, Size: 16, Signed: true}, "max_t": {Kind: Max, Size: 16, Signed: true},
	"umin_t": {Kind: Min, Size: 16}, "umax_t": {Kind: Max, Size: 16},
	"avg_t": {Kind: Avg, Size: 16, Signed: true}, "uavg_t": {Kind: Avg, Size: 16},
	"stats_t": {Kind: Stats, Size: 16, Signed: true}, "ustats_t": {Kind: Stats, Size: 16},
	"kstack_t": {Kind: KStack, Size: 8}, "ustack_t": {Kind: UStack, Size: 16},
}

// Basic is the type that name means without definitions, or nil. The words of
// C's integers may come in any order.
func Basic(name string) *Type {
	if t := named[name]; t != nil {
		return t
	}
	if t := own[name]; t != nil {
		return t
	}
	size, signed, seen := 0, true, false
	char := false
	for _, w := range strings.Fields(name) {
		switch w {
		case "unsigned":
			signed, seen = false, true
		case "signed", "int":
			seen = true
		case "long":
			size, seen = 8, true
		case "short":
			size, seen = 2, true
		case "char":
			size, seen, char = 1, true, true
		default:
			return nil
		}
	}
	if !seen {
		return nil
	}
	if char && signed {
		return charType
	}
	if size == 0 {
		size = 4
	}
	return IntType(size, signed)
}

// charType is what arrays of become strings.
var charType = IntType(1, true)
