package helpers

import (
	"syscall"
	"unsafe"

	"github.com/skepdev/skep/vm/internal/interp"
)

// Kernel functions about dynptrs that came after the first ones, the task, maps,
// locks and control.
var moreKfuncs = map[string]interp.Helper{
	"bpf_dynptr_copy":                  dynptrCopy,
	"bpf_dynptr_memset":                dynptrMemset,
	"bpf_probe_read_kernel_dynptr":     func(t *interp.Thread) uint64 { return dynptrProbe(t, false) },
	"bpf_probe_read_user_dynptr":       func(t *interp.Thread) uint64 { return dynptrProbe(t, false) },
	"bpf_probe_read_kernel_str_dynptr": func(t *interp.Thread) uint64 { return dynptrProbe(t, true) },
	"bpf_probe_read_user_str_dynptr":   func(t *interp.Thread) uint64 { return dynptrProbe(t, true) },
	"bpf_map_sum_elem_count":           countElements,
	"bpf_rdonly_cast":                  func(t *interp.Thread) uint64 { return t.R[1] },
	"bpf_local_irq_save":               func(t *interp.Thread) uint64 { return flagWord(t, 1) },
	"bpf_local_irq_restore":            func(t *interp.Thread) uint64 { return flagWord(t, 0) },
	"bpf_res_spin_lock":                func(t *interp.Thread) uint64 { t.LockWord(t.R[1]); return 0 },
	"bpf_res_spin_unlock":              func(t *interp.Thread) uint64 { t.UnlockWord(t.R[1]); return 0 },
	"bpf_res_spin_lock_irqsave":        func(t *interp.Thread) uint64 { t.LockWord(t.R[1]); return flagWordAt(t, t.R[2], 1) },
	"bpf_res_spin_unlock_irqrestore":   func(t *interp.Thread) uint64 { t.UnlockWord(t.R[1]); return flagWordAt(t, t.R[2], 0) },
	"bpf_copy_from_user_str":           copyFromUserStr,
	"bpf_copy_from_user_dynptr":        func(t *interp.Thread) uint64 { return dynptrProbe(t, false) },
	"bpf_copy_from_user_str_dynptr":    func(t *interp.Thread) uint64 { return dynptrProbe(t, true) },
	"bpf_task_acquire":                 func(t *interp.Thread) uint64 { return t.R[1] },
	"bpf_task_release":                 func(*interp.Thread) uint64 { return 0 },
	"bpf_task_from_pid":                taskFromPid,
	"bpf_task_from_vpid":               taskFromPid,
	"bpf_throw":                        func(t *interp.Thread) uint64 { t.Throw(t.R[1]); return 0 },
}

// dynptrAt is the dynptr at a for reading, or for writing; false if it is null
// or may not be written.
func dynptrAt(t *interp.Thread, a uint64, write bool) (d dynptr, e syscall.Errno) {
	mem := t.Read(a, dynptrSize)
	if mem == nil {
		return d, syscall.EFAULT
	}
	d = getDynptr(mem)
	if d.at == 0 || write && d.readOnly {
		return d, syscall.EINVAL
	}
	return d, 0
}

func dynptrCopy(t *interp.Thread) uint64 {
	to, e := dynptrAt(t, t.R[1], true)
	if e != 0 {
		return fail(e)
	}
	from, e := dynptrAt(t, t.R[3], false)
	if e != 0 {
		return fail(e)
	}
	toOff, fromOff, n := uint64(uint32(t.R[2])), uint64(uint32(t.R[4])), uint64(uint32(t.R[5]))
	if !to.has(toOff, n) || !from.has(fromOff, n) {
		return fail(syscall.E2BIG)
	}
	src, dst := from.bytes(t, fromOff, n, false), to.bytes(t, toOff, n, true)
	if src == nil || dst == nil {
		return fail(syscall.EFAULT)
	}
	copy(dst, src)
	return 0
}

func dynptrMemset(t *interp.Thread) uint64 {
	d, e := dynptrAt(t, t.R[1], true)
	if e != 0 {
		return fail(e)
	}
	off, n := uint64(uint32(t.R[2])), uint64(uint32(t.R[3]))
	if !d.has(off, n) {
		return fail(syscall.E2BIG)
	}
	b := d.bytes(t, off, n, true)
	if b == nil {
		return fail(syscall.EFAULT)
	}
	for i := range b {
		b[i] = byte(t.R[4])
	}
	return 0
}

// dynptrProbe reads from an address into a dynptr; text ends with its zero, and
// gives its length with it.
func dynptrProbe(t *interp.Thread, text bool) uint64 {
	d, e := dynptrAt(t, t.R[1], true)
	if e != 0 {
		return fail(e)
	}
	off, n := uint64(uint32(t.R[2])), uint64(uint32(t.R[3]))
	if !d.has(off, n) {
		return fail(syscall.E2BIG)
	}
	dst := d.bytes(t, off, n, true)
	if dst == nil {
		return fail(syscall.EFAULT)
	}
	if !text {
		src, ok := t.Probe(t.R[4], n, false)
		if !ok {
			clear(dst)
			return fail(syscall.EFAULT)
		}
		copy(dst, src)
		return 0
	}
	for i := range dst {
		c, ok := t.Probe(t.R[4]+uint64(i), 1, false)
		if !ok {
			clear(dst)
			return fail(syscall.EFAULT)
		}
		if dst[i] = c[0]; c[0] == 0 {
			return uint64(i + 1)
		}
	}
	if n > 0 {
		dst[n-1] = 0
	}
	return n
}

// padZeros is BPF_F_PAD_ZEROS.
const padZeros = 1

// copyFromUserStr reads text from the run's process, or from what the run may
// read: with its zero it is no longer than the memory for it.
func copyFromUserStr(t *interp.Thread) uint64 {
	n, flags := uint64(uint32(t.R[2])), t.R[4]
	if flags&^padZeros != 0 {
		return fail(syscall.EINVAL)
	}
	dst := t.Write(t.R[1], n)
	if len(dst) == 0 {
		return 0
	}
	length := uint64(0)
	for ; length < n-1; length++ {
		c, ok := userByte(t, t.R[3]+length)
		if !ok {
			if flags&padZeros != 0 {
				clear(dst)
			}
			return fail(syscall.EFAULT)
		}
		if c == 0 {
			break
		}
		dst[length] = c
	}
	dst[length] = 0
	if flags&padZeros != 0 {
		clear(dst[length:])
	}
	return length + 1
}

// userByte is a byte of the process that the run is about.
func userByte(t *interp.Thread, a uint64) (byte, bool) {
	if t.Task == nil {
		b, ok := t.Probe(a, 1, false)
		if !ok {
			return 0, false
		}
		return b[0], true
	}
	one := t.Text[:1]
	ok := t.Task.ReadUser(a, one) == 1
	return one[0], ok
}

// countElements is how many elements a hash has; other maps do not count
// theirs.
func countElements(t *interp.Thread) uint64 {
	m := t.Map(t.R[1])
	if m == nil || m.Walker == nil || !m.Counted() || !t.Charge(int64(m.Spec().MaxEntries)) {
		return 0
	}
	return uint64(m.Walker.Walk(t.CPU, func(unsafe.Pointer, uintptr) bool { return true }))
}

// flagWord writes what stands for the processor's flags: interrupts do not reach
// programs here.
func flagWord(t *interp.Thread, v uint64) uint64 { return flagWordAt(t, t.R[1], v) }

func flagWordAt(t *interp.Thread, a, v uint64) uint64 {
	if b := t.Write(a, 8); b != nil {
		putUint64(b, v)
	}
	return 0
}

// taskFromPid knows one task.
func taskFromPid(t *interp.Thread) uint64 {
	if uint64(uint32(t.R[1])) == processID {
		return t.Env.Task()
	}
	return 0
}
