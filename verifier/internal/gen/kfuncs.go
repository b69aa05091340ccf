package gen

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// kfunc is a place in the list of kernel functions.
type kfunc int32

const (
	iterNew kfunc = iota
	iterNext
	iterDestroy
	rcuLock
	rcuUnlock
	preemptOff
	preemptOn
	irqSave
	irqRestore
	taskFromPid
	taskAcquire
	taskRelease
	dynptrOfSkb
	dynptrOfXDP
	dynptrSlice
	dynptrSliceRdwr
	dynptrAdjust
	dynptrSize
)

// Kfuncs are the kernel functions that programs call: the immediate of such a call
// is a place in this list.
func Kfuncs() []string {
	return []string{
		iterNew: "bpf_iter_num_new", iterNext: "bpf_iter_num_next", iterDestroy: "bpf_iter_num_destroy",
		rcuLock: "bpf_rcu_read_lock", rcuUnlock: "bpf_rcu_read_unlock",
		preemptOff: "bpf_preempt_disable", preemptOn: "bpf_preempt_enable",
		irqSave: "bpf_local_irq_save", irqRestore: "bpf_local_irq_restore",
		taskFromPid: "bpf_task_from_pid", taskAcquire: "bpf_task_acquire", taskRelease: "bpf_task_release",
		dynptrOfSkb: "bpf_dynptr_from_skb", dynptrOfXDP: "bpf_dynptr_from_xdp",
		dynptrSlice: "bpf_dynptr_slice", dynptrSliceRdwr: "bpf_dynptr_slice_rdwr",
		dynptrAdjust: "bpf_dynptr_adjust", dynptrSize: "bpf_dynptr_size",
	}
}

// KfuncNames are Kfuncs by the immediates of calls.
func KfuncNames() map[int32]string {
	names := map[int32]string{}
	for i, n := range Kfuncs() {
		names[int32(i)] = n
	}
	return names
}

// CallsKfuncs reports whether the program calls kernel functions.
func (p *Program) CallsKfuncs() bool {
	for i := 0; i < len(p.Insns); i += p.Insns[i].Width() {
		if p.Insns[i].IsKfuncCall() {
			return true
		}
	}
	return false
}

func (w *writer) kcall(k kfunc, result reg) {
	w.emit(isa.Instruction{Op: isa.Call, Src: isa.PseudoKfuncCall, Imm: int32(k)})
	w.clobber()
	w.set(isa.R0, result)
}

// spare is the place of a stack slot that only iterators and interrupt flags use,
// one for each that is open; 0 if all are in use.
func (w *writer) spare() int32 {
	if w.open >= spares {
		return 0
	}
	w.open++
	return int32(slotOff(slots + w.open - 1))
}

const spares = 3

// stepIterator goes through the numbers of an open-coded iterator.
func (w *writer) stepIterator() {
	if w.depth > 3 {
		return
	}
	at := w.spare()
	if at == 0 {
		return
	}
	id := w.newID()
	w.refs = append(w.refs, id)
	w.frameAddress(isa.R1, at)
	w.setImm(isa.R2, int32(w.rng.IntN(8)))
	w.setImm(isa.R3, int32(w.rng.IntN(40)))
	w.kcall(iterNew, reg{kind: scalar})
	before := w.loopState(isa.R0)
	before.refs = append([]int(nil), w.refs...)
	w.state = before.clone()
	top := len(w.out)
	w.frameAddress(isa.R1, at)
	w.kcall(iterNext, reg{})
	leave := -1
	if !w.seldom() {
		leave = w.hole(isa.Instruction{Op: isa.ClassJMP | isa.OpJEQ, Dst: isa.R0})
	}
	held, was := w.held, w.looping
	w.looping = true
	for i, r := range w.regs {
		if r.kind == context || r.kind == frame {
			w.held |= 1 << i
		}
	}
	if w.rng.IntN(3) > 0 {
		d := w.any()
		w.emit(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeW, Dst: d, Src: isa.R0})
		w.set(d, loaded(4))
	}
	w.set(isa.R0, reg{})
	w.block(1 + w.rng.IntN(4))
	w.held, w.looping = held, was
	if !w.ended {
		w.emit(isa.Instruction{Op: isa.JA, Off: int16(top - len(w.out) - 1)})
	}
	if leave >= 0 {
		w.land(leave)
	}
	after := w.state
	w.state = before
	w.clobber()
	for i := range w.stack {
		w.stack[i] = joinReg(w.stack[i], after.stack[i])
	}
	w.ended = leave < 0
	if !w.ended && !w.careless() {
		w.frameAddress(isa.R1, at)
		w.kcall(iterDestroy, reg{})
	}
	w.drop(id)
	w.open--
}

// drop forgets a reference.
func (w *writer) drop(id int) {
	for i := range w.refs {
		if w.refs[i] == id {
			w.refs = append(w.refs[:i:i], w.refs[i+1:]...)
			return
		}
	}
}

// stepSection makes a block in an RCU read section, without preemption, or without
// interrupts.
func (w *writer) stepSection() {
	if w.depth > 4 {
		return
	}
	kind, at := w.rng.IntN(3), int32(0)
	switch kind {
	case 0:
		if w.inRCU && !w.careless() {
			return
		}
		defer func(was bool) { w.inRCU = was }(w.inRCU)
		w.inRCU = true
	case 2:
		if at = w.spare(); at == 0 {
			return
		}
		defer func() { w.open-- }()
		w.frameAddress(isa.R1, at)
	}
	w.kcall([]kfunc{rcuLock, preemptOff, irqSave}[kind], reg{})
	id := w.newID()
	w.refs = append(w.refs, id)
	w.block(1 + w.rng.IntN(4))
	w.drop(id)
	if w.ended || w.seldom() {
		return
	}
	if kind == 2 {
		w.frameAddress(isa.R1, at)
	}
	w.kcall([]kfunc{rcuUnlock, preemptOn, irqRestore}[kind], reg{})
}

// stepTask takes a reference to a task, or a further one.
func (w *writer) stepTask() {
	if len(w.refs) > 1 || w.typ == abi.ProgSocketFilter && !w.careless() {
		return
	}
	if t := w.pickKind(task); t >= 0 && w.rng.IntN(2) == 0 {
		if t != isa.R1 {
			w.copy(isa.R1, uint8(t))
		}
		w.kcall(taskAcquire, reg{kind: taskOrNull, id: w.newID()})
	} else {
		w.setImm(isa.R1, int32(w.rng.IntN(3)))
		w.kcall(taskFromPid, reg{kind: taskOrNull, id: w.newID()})
	}
	w.owned()
}

// stepPacketDynptr makes a dynptr of the packet.
func (w *writer) stepPacketDynptr() {
	c := w.pickKind(context)
	if c < 0 || w.typ == abi.ProgRawTracepoint {
		return
	}
	if c != isa.R1 {
		w.copy(isa.R1, uint8(c))
	}
	w.setImm(isa.R2, 0)
	first := w.memory(isa.R3, 16)
	k := dynptrOfSkb
	if w.typ == abi.ProgXDP {
		k = dynptrOfXDP
	}
	w.kcall(k, reg{kind: scalar})
	w.markDynptr(first, 64)
	w.stack[first].m, w.stack[first-1].m = ofPacket, ofPacket
	if w.rng.IntN(2) == 0 {
		w.stepSlice()
	}
}

// ofPacket in place of a map: what moves with the packet.
const ofPacket = -1

// stepSlice asks for a part of a dynptr that can be accessed.
func (w *writer) stepSlice() {
	slot := w.dynptrAt()
	if slot < 0 {
		return
	}
	at, d := int32(slotOff(slot)), w.stack[slot]
	if w.rng.IntN(6) == 0 {
		w.frameAddress(isa.R1, at)
		w.kcall(dynptrSize, reg{kind: scalar})
		return
	}
	if w.rng.IntN(6) == 0 {
		w.frameAddress(isa.R1, at)
		w.setImm(isa.R2, int32(w.rng.IntN(4)))
		w.setImm(isa.R3, int32(4+w.rng.IntN(8)))
		w.kcall(dynptrAdjust, reg{kind: scalar})
		return
	}
	n := int32(1 + w.rng.IntN(16))
	w.setImm(isa.R3, 0)
	if w.rng.IntN(3) == 0 {
		first := w.memory(isa.R3, n)
		if w.overlaps(first, n, slot) && !w.careless() {
			w.setImm(isa.R3, 0)
		} else {
			w.initialised(first, n)
		}
	}
	w.frameAddress(isa.R1, at)
	w.setImm(isa.R2, int32(w.rng.IntN(4)))
	w.setImm(isa.R4, n)
	k, r := dynptrSlice, reg{kind: viewOrNull, id: w.newID(), size: n, m: d.m}
	if w.rng.IntN(2) == 0 && (d.m != ofPacket || w.writesPacket()) {
		k, r.kind = dynptrSliceRdwr, sliceOrNull
	}
	w.kcall(k, r)
	if w.rng.IntN(4) > 0 {
		w.checked(isa.R0, 1+w.rng.IntN(4))
	}
}
