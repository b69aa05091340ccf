package helpers

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// kfuncs are kernel functions that packet programs are compiled against, by
// name: loops over numbers, and dynptrs over packets.
var kfuncs = map[string]interp.Helper{
	"bpf_iter_num_new":              iterNumNew,
	"bpf_iter_num_next":             iterNumNext,
	"bpf_iter_num_destroy":          iterNumDestroy,
	"bpf_dynptr_from_skb":           dynptrFromSKB,
	"bpf_dynptr_from_xdp":           dynptrFromXDP,
	"bpf_dynptr_slice":              func(t *interp.Thread) uint64 { return dynptrSlice(t, false) },
	"bpf_dynptr_slice_rdwr":         func(t *interp.Thread) uint64 { return dynptrSlice(t, true) },
	"bpf_dynptr_adjust":             dynptrAdjust,
	"bpf_dynptr_is_null":            dynptrIsNull,
	"bpf_dynptr_is_rdonly":          dynptrIsReadOnly,
	"bpf_dynptr_size":               dynptrLen,
	"bpf_dynptr_clone":              dynptrClone,
	"bpf_rcu_read_lock":             func(*interp.Thread) uint64 { return 0 },
	"bpf_rcu_read_unlock":           func(*interp.Thread) uint64 { return 0 },
	"bpf_preempt_disable":           func(*interp.Thread) uint64 { return 0 },
	"bpf_preempt_enable":            func(*interp.Thread) uint64 { return 0 },
	"bpf_xdp_metadata_rx_hash":      noMetadata,
	"bpf_xdp_metadata_rx_timestamp": noMetadata,
	"bpf_xdp_metadata_rx_vlan_tag":  noMetadata,
}

// FindKfunc returns the body of the kernel function that a call's immediate
// stands for, or why there is none.
func FindKfunc(t abi.ProgramType, name string, imm int32) (interp.Helper, string) {
	if name == "" {
		return nil, fmt.Sprintf("call of an unnamed kernel function (id %d)", imm)
	}
	for _, f := range [...]map[string]interp.Helper{kfuncs, stringKfuncs, bitsKfuncs, moreKfuncs, objectKfuncs, cpumaskKfuncs, arenaKfuncs} {
		if h := f[name]; h != nil {
			return h, notFor(t, name)
		}
	}
	return nil, missingKfunc(t, name)
}

// notFor says why Linux would not let programs of a type call a kernel function.
func notFor(t abi.ProgramType, name string) string {
	if k := abi.KfuncByName(name); k != nil && k.Hooks&abi.KfuncHooksOf(t) == 0 {
		return fmt.Sprintf("kernel function %s is not for %s programs", name, t)
	}
	return ""
}

// A struct bpf_iter_num is 8 bytes of the program's stack: the current number
// and the end. next returns the address of the current one.

func iterNumNew(t *interp.Thread) uint64 {
	it := t.Write(t.R[1], 8)
	if it == nil {
		return 0
	}
	clear(it)
	start, end := int32(t.R[2]), int32(t.R[3])
	switch {
	case start > end:
		return fail(syscall.EINVAL)
	case int64(end)-int64(start) > maxLoops:
		return fail(syscall.E2BIG)
	}
	// next counts up before it answers.
	binary.NativeEndian.PutUint32(it, uint32(start-1))
	binary.NativeEndian.PutUint32(it[4:], uint32(end))
	return 0
}

func iterNumNext(t *interp.Thread) uint64 {
	it := t.Write(t.R[1], 8)
	if it == nil {
		return 0
	}
	cur, end := int32(binary.NativeEndian.Uint32(it)), int32(binary.NativeEndian.Uint32(it[4:]))
	if int64(cur)+1 >= int64(end) {
		clear(it)
		return 0
	}
	binary.NativeEndian.PutUint32(it, uint32(cur+1))
	return t.R[1]
}

func iterNumDestroy(t *interp.Thread) uint64 {
	if it := t.Write(t.R[1], 8); it != nil {
		clear(it)
	}
	return 0
}

func dynptrFromSKB(t *interp.Thread) uint64 {
	return dynptrFromPacket(t, t.SKB != nil)
}

func dynptrFromXDP(t *interp.Thread) uint64 {
	return dynptrFromPacket(t, t.XDP != nil)
}

func dynptrFromPacket(t *interp.Thread, right bool) uint64 {
	if !right || !t.IsContext(t.R[1]) {
		t.Fail("argument 1 is not the context")
		return 0
	}
	mem := t.Write(t.R[3], dynptrSize)
	if mem == nil {
		return 0
	}
	clear(mem)
	if t.R[2] != 0 {
		return fail(syscall.EINVAL)
	}
	setDynptr(mem, dynptr{
		at: 1, size: uint32(t.Packet.Len()), kind: dynptrPacket,
		readOnly: !t.Program().PacketWritable,
	})
	return 0
}

// dynptrSlice gives direct access to n bytes, or a copy in the program's buffer
// where they do not lie in one piece.
func dynptrSlice(t *interp.Thread, write bool) uint64 {
	mem := t.Read(t.R[1], dynptrSize)
	if mem == nil {
		return 0
	}
	off, n := uint64(uint32(t.R[2])), uint64(uint32(t.R[4]))
	d := getDynptr(mem)
	if d.at == 0 || !d.has(off, n) || write && d.readOnly {
		return 0
	}
	if d.kind != dynptrPacket {
		return d.at + uint64(d.off) + off
	}
	if t.Packet == nil {
		return 0
	}
	if p := uint64(d.off) + off; p+n <= uint64(t.Packet.Linear()) {
		return t.Packet.DataPtr() + p
	}
	src := d.bytes(t, off, n, false)
	if src == nil || t.R[3] == 0 {
		return 0
	}
	buf := t.Write(t.R[3], n)
	if buf == nil {
		return 0
	}
	copy(buf, src)
	return t.R[3]
}

func dynptrAdjust(t *interp.Thread) uint64 {
	mem := t.Write(t.R[1], dynptrSize)
	if mem == nil {
		return 0
	}
	start, end := uint32(t.R[2]), uint32(t.R[3])
	d := getDynptr(mem)
	switch {
	case d.at == 0 || start > end:
		return fail(syscall.EINVAL)
	case start > d.size || end > d.size:
		return fail(syscall.ERANGE)
	}
	d.off += start
	d.size = end - start
	setDynptr(mem, d)
	return 0
}

func dynptrIsNull(t *interp.Thread) uint64 {
	mem := t.Read(t.R[1], dynptrSize)
	if mem == nil || getDynptr(mem).at != 0 {
		return 0
	}
	return 1
}

func dynptrIsReadOnly(t *interp.Thread) uint64 {
	mem := t.Read(t.R[1], dynptrSize)
	if mem == nil {
		return 0
	}
	if d := getDynptr(mem); d.at == 0 || !d.readOnly {
		return 0
	}
	return 1
}

func dynptrLen(t *interp.Thread) uint64 {
	mem := t.Read(t.R[1], dynptrSize)
	if mem == nil {
		return 0
	}
	d := getDynptr(mem)
	if d.at == 0 {
		return fail(syscall.EINVAL)
	}
	return uint64(d.size)
}

func dynptrClone(t *interp.Thread) uint64 {
	from := t.Read(t.R[1], dynptrSize)
	if from == nil {
		return 0
	}
	to := t.Write(t.R[2], dynptrSize)
	if to == nil {
		return 0
	}
	if getDynptr(from).at == 0 {
		clear(to)
		return fail(syscall.EINVAL)
	}
	copy(to, from)
	return 0
}

// noMetadata is what devices without receive metadata answer.
func noMetadata(*interp.Thread) uint64 { return fail(syscall.EOPNOTSUPP) }
