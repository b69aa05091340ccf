package shadow

import (
	"encoding/binary"
	"fmt"

	"github.com/skepdev/skep/isa"
)

// sections are what a program has entered and must leave.
type sections struct {
	rcu, preempt int
	irq          []*object // saved flags, newest last
}

func (s *sections) open() bool { return s.rcu+s.preempt+len(s.irq) > 0 }

// callKfunc runs a kernel function: the result is in R0, and the arguments are lost.
func (r *run) callKfunc(ins isa.Instruction) error {
	name := r.j.prog.Kfuncs[ins.Imm]
	k, ok := kfuncs[name]
	if !ok {
		return fmt.Errorf("%w: %s", ErrUnmodelled, name)
	}
	v, err := k(r)
	if err != nil {
		return err
	}
	r.clobber()
	r.regs[0] = v
	return nil
}

var kfuncs map[string]func(*run) (val, error)

func init() {
	kfuncs = map[string]func(*run) (val, error){
		"bpf_iter_num_new":      (*run).iterNew,
		"bpf_iter_num_next":     (*run).iterNext,
		"bpf_iter_num_destroy":  (*run).iterDestroy,
		"bpf_rcu_read_lock":     func(r *run) (val, error) { return r.section(&r.in.rcu, 1) },
		"bpf_rcu_read_unlock":   func(r *run) (val, error) { return r.section(&r.in.rcu, -1) },
		"bpf_preempt_disable":   func(r *run) (val, error) { return r.section(&r.in.preempt, 1) },
		"bpf_preempt_enable":    func(r *run) (val, error) { return r.section(&r.in.preempt, -1) },
		"bpf_local_irq_save":    (*run).irqSave,
		"bpf_local_irq_restore": (*run).irqRestore,
		"bpf_task_from_pid":     (*run).task,
		"bpf_task_acquire":      (*run).taskAcquire,
		"bpf_task_release":      (*run).taskRelease,
		"bpf_dynptr_from_skb":   (*run).dynptrFromPacket,
		"bpf_dynptr_from_xdp":   (*run).dynptrFromPacket,
		"bpf_dynptr_slice":      func(r *run) (val, error) { return r.slice(true) },
		"bpf_dynptr_slice_rdwr": func(r *run) (val, error) { return r.slice(false) },
		"bpf_dynptr_adjust":     (*run).dynptrAdjust,
		"bpf_dynptr_size":       (*run).dynptrSize,
		"bpf_dynptr_is_null":    (*run).anyBool,
		"bpf_dynptr_is_rdonly":  (*run).anyBool,
	}
}

func (r *run) anyBool() (val, error) {
	_, err := r.dynptrArg(1)
	return val{n: uint64(r.rng.IntN(2))}, err
}

func (r *run) section(n *int, by int) (val, error) {
	if *n += by; *n < 0 {
		return val{}, r.wrong("a section is left that was not entered")
	}
	return r.rubbish(), nil
}

// rubbish is what functions without a result leave in R0.
func (r *run) rubbish() val { return val{n: r.rng.Uint64()} }

// iterator goes through numbers.
type iterator struct {
	next, end int64
	// cur is memory with the number that was handed out last; ref what is held.
	cur, ref *object
}

// special puts something where a register points to that only kernel functions
// may touch.
func (r *run) special(reg, width int, d *dynptr) error {
	d.width = width
	if err := r.fill(reg, width); err != nil {
		return err
	}
	return r.place(reg, d)
}

func (r *run) iterNew() (val, error) {
	start, end := int64(int32(r.regs[2].n)), int64(int32(r.regs[3].n))
	it := &iterator{next: start, end: end, ref: r.object(objMemory, 0)}
	v := val{}
	if start > end || end-start > 1<<23 {
		it.end, v = it.next, failed(-22)
	}
	r.hold(it.ref)
	return v, r.special(1, 8, &dynptr{iter: it})
}

func (r *run) iterArg() (*iterator, error) {
	d, err := r.dynptrArg(1)
	if err != nil {
		return nil, err
	}
	if d.iter == nil {
		return nil, r.wrong("R1 of a call is %s, where no iterator is", r.regs[1])
	}
	return d.iter, nil
}

func (r *run) iterNext() (val, error) {
	it, err := r.iterArg()
	if err != nil {
		return val{}, err
	}
	if it.next >= it.end {
		it.end = it.next // it stays at its end
		return val{}, nil
	}
	// The memory stays the same, with another number.
	if it.cur == nil {
		it.cur = r.object(objMemory, 4)
		it.cur.readOnly = true
	}
	binary.LittleEndian.PutUint32(it.cur.data, uint32(it.next))
	it.next++
	return val{it.cur.base, it.cur}, nil
}

func (r *run) iterDestroy() (val, error) {
	it, err := r.iterArg()
	if err != nil {
		return val{}, err
	}
	if it.cur != nil {
		it.cur.gone = "was an iterator's"
	}
	r.regs[1].o.forget(int(r.regs[1].n-r.regs[1].o.base), 8)
	return r.rubbish(), r.letGo(it.ref)
}

func (r *run) irqSave() (val, error) {
	ref := r.hold(r.object(objMemory, 0)).o
	r.in.irq = append(r.in.irq, ref)
	return r.rubbish(), r.special(1, 8, &dynptr{obj: ref})
}

func (r *run) irqRestore() (val, error) {
	d, err := r.dynptrArg(1)
	if err != nil {
		return val{}, err
	}
	n := len(r.in.irq)
	if n == 0 || r.in.irq[n-1] != d.obj {
		return val{}, r.wrong("interrupt flags are not restored in the reverse order")
	}
	r.in.irq = r.in.irq[:n-1]
	r.regs[1].o.forget(int(r.regs[1].n-r.regs[1].o.base), 8)
	return r.rubbish(), r.letGo(d.obj)
}

func (r *run) task() (val, error) {
	if r.rng.IntN(3) == 0 {
		return val{}, nil
	}
	return r.hold(r.object(objKernel, 4096)), nil
}

func (r *run) taskArg() error {
	if o := r.regs[1].o; o == nil || o.kind != objKernel || o.gone != "" || r.regs[1].n != o.base {
		return r.wrong("R1 of a call is %s, not a task that is held", r.regs[1])
	}
	return nil
}

func (r *run) taskAcquire() (val, error) {
	if err := r.taskArg(); err != nil {
		return val{}, err
	}
	return r.task()
}

func (r *run) taskRelease() (val, error) {
	if err := r.taskArg(); err != nil {
		return val{}, err
	}
	return r.rubbish(), r.letGo(r.regs[1].o)
}

func (r *run) dynptrFromPacket() (val, error) {
	if r.regs[2].n != 0 {
		return failed(-22), r.makeDynptr(3, &dynptr{})
	}
	return val{}, r.makeDynptr(3, &dynptr{packet: true, size: len(r.packet.data)})
}

// memory is what a dynptr stands for.
func (r *run) memory(d *dynptr) *object {
	if d.packet {
		return r.packet
	}
	return d.obj
}

// slice is a part of a dynptr, where it lies or copied to the buffer.
func (r *run) slice(readOnly bool) (val, error) {
	d, err := r.dynptrArg(1)
	if err != nil {
		return val{}, err
	}
	off, n, buf := r.regs[2].n, int(uint32(r.regs[4].n)), r.regs[3]
	if buf.n != 0 {
		// It is written to by who gets the slice, if not here.
		if err := r.fill(3, n); err != nil {
			return val{}, err
		}
	}
	o := r.memory(d)
	if o == nil || off > uint64(d.size) || n > d.size-int(off) || d.off+int(off)+n > len(o.data) {
		return val{}, nil
	}
	if d.packet && buf.n != 0 && r.rng.IntN(2) == 0 {
		at := int(buf.n - buf.o.base)
		copy(buf.o.data[at:at+n], o.data[d.off+int(off):])
		return buf, nil
	}
	return val{o.base + uint64(d.off) + off, o}, nil
}

func (r *run) dynptrAdjust() (val, error) {
	d, err := r.dynptrArg(1)
	if err != nil {
		return val{}, err
	}
	start, end := uint64(uint32(r.regs[2].n)), uint64(uint32(r.regs[3].n))
	switch {
	case r.memory(d) == nil || start > end:
		return failed(-22), nil
	case start > uint64(d.size) || end > uint64(d.size):
		return failed(-34), nil
	}
	d.off, d.size = d.off+int(start), int(end-start)
	return val{}, nil
}

func (r *run) dynptrSize() (val, error) {
	d, err := r.dynptrArg(1)
	if err != nil {
		return val{}, err
	}
	if r.memory(d) == nil {
		return failed(-22), nil
	}
	return val{n: uint64(d.size)}, nil
}
