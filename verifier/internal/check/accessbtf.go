package check

import (
	"github.com/cilium/ebpf/btf"
)

// accessBTF is an access to a structure of the kernel's, or of the program's
// own types (check_ptr_to_btf_access).
func (c *Checker) accessBTF(r *Reg, a access) error {
	e := c.types.at(r.Obj)
	if e.t == nil {
		return c.bug("R%d points to a type nobody knows", a.reg)
	}
	name, reg := e.t.TypeName(), int(a.reg)
	switch {
	case !c.opts.allowPtrLeaks():
		return c.rejectReg(reg, RuleKernelPointer, EPERM, "'struct %s' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", name)
	case !gplCompatible(c.prog.License) && e.kernel:
		return c.rejectReg(reg, RuleKernelPointer, EINVAL, "Cannot access kernel 'struct %s' from non-GPL compatible program", name)
	case a.off < 0:
		return c.rejectReg(reg, RuleKernelPointer, EACCES, "R%d is ptr_%s invalid negative access: off=%d", a.reg, name, a.off)
	case !r.IsConst() || r.Value() != 0:
		return c.rejectReg(reg, RuleKernelPointer, EACCES, "R%d is ptr_%s invalid variable offset: off=%d, var_off=%s", a.reg, name, a.off, tnumText(r.Bits))
	case r.Flags&User != 0:
		return c.rejectReg(reg, RuleKernelPointer, EACCES, "R%d is ptr_%s access user memory: off=%d", a.reg, name, a.off)
	case r.Flags&PerCPU != 0:
		return c.rejectReg(reg, RuleKernelPointer, EACCES, "R%d is ptr_%s access percpu memory: off=%d", a.reg, name, a.off)
	}
	ownAlloc := r.Flags&Alloc != 0
	if a.write && (!ownAlloc || r.Flags&Untrusted != 0) {
		if ownAlloc || !c.structWritable(e.t, a.off, a.size) {
			return c.rejectReg(reg, RuleReadOnly, EACCES, "only read is supported")
		}
		return nil
	}
	if ownAlloc {
		if f := c.types.recordOf(e.t).overlap(int64(a.off), int64(a.off+a.size)); f != nil {
			return c.rejectReg(reg, RuleSpecialField, EACCES, "direct access to %s is disallowed", f.kind)
		}
	}
	var flags Flags
	t, off := e.t, a.off
	for range 64 {
		w, err := c.walk(t, off, a.size, &flags, !ownAlloc)
		if err != nil {
			return err
		}
		if w.kind == walkStruct {
			t, off = w.t, 0
			continue
		}
		if a.write || a.value < 0 {
			return nil
		}
		dst := &c.cur.regs()[a.value]
		if w.kind == walkScalar || ownAlloc {
			c.setUnknown(dst)
			return nil
		}
		holder := *r
		*dst = pointerReg(BTFPtr, c.inheritTrust(&holder, w, flags|w.flags, e.t))
		dst.Obj = c.types.handle(w.t, e.kernel)
		if dst.maybeNull() {
			dst.ID = c.newID()
		}
		return nil
	}
	return c.bug("endless structure %s", name)
}

// inheritTrust is what may be believed of a pointer that was loaded from a
// structure, given how far that structure is trusted.
func (c *Checker) inheritTrust(holder *Reg, w walked, flags Flags, in btf.Type) Flags {
	const trust = Trusted | RCU
	switch {
	case holder.Flags&Untrusted != 0:
		return Untrusted
	case !holder.trusted() && holder.Flags&RCU == 0:
		return flags &^ trust
	}
	field := fieldKey{in.TypeName(), w.member}
	switch {
	case safeTrusted[field]:
		return flags | Trusted
	case safeTrustedOrNull[field]:
		return flags | Trusted | MaybeNull
	case !c.inRCU() || holder.maybeNull():
		return Untrusted
	case safeRCU[field]:
		return flags | RCU
	case safeRCUOrNull[field]:
		return (flags | RCU | MaybeNull) &^ Untrusted
	case flags&RCU != 0:
		return flags | MaybeNull
	case flags&(PerCPU|User) != 0:
		return flags
	}
	return flags &^ trust
}

type fieldKey struct{ structure, member string }

// Fields that are as good as the structure they are in (BTF_TYPE_SAFE_* of
// kernel/bpf/verifier.c, Linux 6.18).
var (
	safeRCU = map[fieldKey]bool{
		{"task_struct", "cpus_ptr"}: true, {"task_struct", "cgroups"}: true,
		{"task_struct", "real_parent"}: true, {"task_struct", "group_leader"}: true,
		{"cgroup", "kn"}: true, {"css_set", "dfl_cgrp"}: true, {"cgroup_subsys_state", "cgroup"}: true,
	}
	safeRCUOrNull = map[fieldKey]bool{
		{"mm_struct", "exe_file"}: true, {"sk_buff", "sk"}: true, {"request_sock", "sk"}: true,
	}
	safeTrusted = map[fieldKey]bool{
		{"bpf_iter_meta", "seq"}: true, {"bpf_iter__task", "meta"}: true, {"bpf_iter__task", "task"}: true,
		{"linux_binprm", "file"}: true, {"file", "f_inode"}: true, {"dentry", "d_inode"}: true,
	}
	safeTrustedOrNull = map[fieldKey]bool{
		{"socket", "sk"}: true, {"vm_area_struct", "vm_mm"}: true, {"vm_area_struct", "vm_file"}: true,
	}
)

// accessMapStruct is a load from the map itself: the kernel's structure of it
// (check_ptr_to_map_access).
func (c *Checker) accessMapStruct(r *Reg, a access) error {
	name := mapStructName(c.mapOf(r).Type)
	h := c.types.kernelStruct(name)
	switch {
	case h == 0:
		return c.rejectReg(int(a.reg), RuleKernelPointer, ENOTSUPP, "map_ptr access not supported without CONFIG_DEBUG_INFO_BTF")
	case !c.opts.allowPtrLeaks():
		return c.rejectReg(int(a.reg), RuleKernelPointer, EPERM, "'struct %s' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", name)
	case a.off < 0:
		return c.rejectReg(int(a.reg), RuleKernelPointer, EACCES, "R%d is %s invalid negative access: off=%d", a.reg, name, a.off)
	case a.write:
		return c.rejectReg(int(a.reg), RuleReadOnly, EACCES, "only read from %s is supported", name)
	}
	var flags Flags
	t, off := c.types.at(h).t, a.off
	for range 64 {
		w, err := c.walk(t, off, a.size, &flags, true)
		if err != nil {
			return err
		}
		if w.kind == walkStruct {
			t, off = w.t, 0
			continue
		}
		if a.value >= 0 {
			dst := &c.cur.regs()[a.value]
			c.setUnknown(dst)
			if w.kind == walkPtr {
				*dst = pointerReg(BTFPtr, flags|w.flags)
				dst.Obj = c.types.handle(w.t, true)
			}
		}
		return nil
	}
	return c.bug("endless structure %s", name)
}
