package helpers

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// hookTable is for programs whose context is a structure: at sockets, cgroups,
// and where flows are told apart.
var hookTable = table{
	abi.FnGetSocketCookie:      withContext(func(*interp.Thread) uint64 { return 0 }),
	abi.FnGetRetval:            func(t *interp.Thread) uint64 { return uint64(int64(t.Retval)) },
	abi.FnSetRetval:            func(t *interp.Thread) uint64 { t.Retval = int32(t.R[1]); return 0 },
	abi.FnSkbLoadBytes:         withContext(hookLoadBytes),
	abi.FnSkbLoadBytesRelative: withContext(hookLoadBytes),
	abi.FnSkAssign:             withContext(assignNothing),
	abi.FnSkSelectReuseport:    withContext(selectNothing),
	abi.FnSetsockopt:           withContext(noOption),
	abi.FnGetsockopt:           withContext(noOption),
	abi.FnBind:                 withContext(noOption),
	abi.FnSockOpsCbFlagsSet:    withContext(noOption),
	abi.FnMsgApplyBytes:        withContext(func(*interp.Thread) uint64 { return 0 }),
	abi.FnMsgCorkBytes:         withContext(func(*interp.Thread) uint64 { return 0 }),
	abi.FnMsgPullData:          withContext(pullMessage),
}

// flowTable is for flow dissectors. Their bytes are no socket buffer, which is
// what bpf_skb_load_bytes would read: as in a test run of Linux it finds nothing.
var flowTable = table{abi.FnSkbLoadBytes: withContext(func(t *interp.Thread) uint64 {
	if to := t.Write(t.R[3], uint64(uint32(t.R[4]))); to != nil {
		return load(to, nil)
	}
	return 0
})}

// withContext makes a helper of a body whose first argument is the context.
func withContext(f interp.Helper) interp.Helper {
	return func(t *interp.Thread) uint64 {
		if !t.IsContext(t.R[1]) {
			t.Fail("argument 1 is not the context")
			return 0
		}
		return f(t)
	}
}

// hookLoadBytes copies from the packet that the run was given.
func hookLoadBytes(t *interp.Thread) uint64 {
	to := t.Write(t.R[3], uint64(uint32(t.R[4])))
	if to == nil {
		return 0
	}
	var from []byte
	if off := uint32(t.R[2]); t.Packet != nil && off <= 1<<31-1 {
		from = t.Packet.Slice(int(off), len(to))
	}
	return load(to, from)
}

// assignNothing is bpf_sk_assign of socket lookups: there is no socket but NULL
// to choose, which undoes a choice.
func assignNothing(t *interp.Thread) uint64 {
	const replace, noReuseport = 1, 2
	switch {
	case t.R[3]&^uint64(replace|noReuseport) != 0:
		return fail(syscall.EINVAL)
	case t.R[2] != 0:
		t.Fail("bpf_sk_assign: %#x is not a socket", t.R[2])
		return 0
	}
	return 0
}

// selectNothing: the map of sockets is empty.
func selectNothing(t *interp.Thread) uint64 {
	m := t.Map(t.R[2])
	if m == nil {
		return 0
	}
	switch m.Type {
	case abi.MapReuseportSockArray, abi.MapSockMap, abi.MapSockhash:
	default:
		t.Fail("map %s: bpf_sk_select_reuseport does not work on a %s", m.Name, m.Type)
		return 0
	}
	if t.Read(t.R[3], uint64(m.KeySize)) == nil {
		return 0
	}
	return fail(syscall.ENOENT)
}

// noOption: the context has no socket whose options there were.
func noOption(*interp.Thread) uint64 { return fail(syscall.EINVAL) }

// pullMessage: a message lies in one piece.
func pullMessage(t *interp.Thread) uint64 {
	start, end := uint32(t.R[2]), uint32(t.R[3])
	if t.R[4] != 0 || end <= start || t.Packet == nil || int64(end) > int64(t.Packet.Len()) {
		return fail(syscall.EINVAL)
	}
	return 0
}
