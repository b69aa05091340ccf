package embedded

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm"
)

// asksForTask says whether a program looks at the current task.
func asksForTask(code []isa.Instruction) bool {
	for _, in := range code {
		if in.IsHelperCall() {
			switch abi.HelperID(in.Imm) {
			case abi.FnGetCurrentTask, abi.FnGetCurrentTaskBtf, abi.FnTaskPtRegs:
				return true
			}
		}
	}
	return false
}

// provideTask gives programs this process as the current task, laid out by the
// kernel types that their relocations were resolved against: identity, parent,
// credentials, namespaces and cgroup. Everything else of struct task_struct is
// zero. Without types programs cannot find their way in it, and there is none.
func (l *loading) provideTask() error {
	if l.e.machine.HasTask() {
		return nil
	}
	var types *btf.Spec
	if l.types != nil {
		types = l.types[0]
	} else if t, err := l.e.kernelTypes(); err == nil {
		types = t
	}
	if types == nil {
		return nil
	}
	return l.e.machine.SetTask(func(at uint64) []byte { return taskImage(types, at) })
}

// image is memory under construction, of structures of the kernel.
type image struct {
	types *btf.Spec
	base  uint64
	mem   []byte
}

// structure is a structure in an image.
type structure struct {
	img *image
	typ *btf.Struct
	off uint32
}

// add places a zeroed structure; nil if the kernel has none of that name or
// there is no room. Fields of a nil object are not set.
func (i *image) add(name string) *structure {
	var s *btf.Struct
	if i.types.TypeByName(name, &s) != nil {
		return nil
	}
	off := (len(i.mem) + 63) &^ 63
	if off+int(s.Size) > vm.MaxTask/2 {
		return nil
	}
	i.mem = append(i.mem, make([]byte, off+int(s.Size)-len(i.mem))...)
	return &structure{i, s, uint32(off)}
}

// field finds a member, by names with dots between; unnamed members are looked
// through.
func (o *structure) field(path string) (off, size uint32, ok bool) {
	var t btf.Type = o.typ
	for _, name := range strings.Split(path, ".") {
		m, at := member(t, name)
		if m == nil {
			return 0, 0, false
		}
		off += at
		t = btf.UnderlyingType(m.Type)
	}
	n, err := btf.Sizeof(t)
	return o.off + off, uint32(n), err == nil
}

// member is the member of a structure or union by name, and its byte offset.
func member(t btf.Type, name string) (*btf.Member, uint32) {
	var list []btf.Member
	switch s := t.(type) {
	case *btf.Struct:
		list = s.Members
	case *btf.Union:
		list = s.Members
	}
	for i := range list {
		m := &list[i]
		if m.Name == name {
			return m, m.Offset.Bytes()
		}
		if m.Name == "" {
			if inner, off := member(btf.UnderlyingType(m.Type), name); inner != nil {
				return inner, off + m.Offset.Bytes()
			}
		}
	}
	return nil, 0
}

// set writes an integer; members that this kernel does not have are left out.
func (o *structure) set(path string, v uint64) {
	if o == nil {
		return
	}
	off, size, ok := o.field(path)
	if !ok || size > 8 {
		return
	}
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], v)
	at := b[:size]
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		at = b[8-size:]
	}
	copy(o.img.mem[off:], at)
}

// text writes a string that ends in a zero.
func (o *structure) text(path, s string) {
	if o == nil {
		return
	}
	if off, size, ok := o.field(path); ok && size > 0 {
		copy(o.img.mem[off:off+size-1], s)
	}
}

// point writes a pointer to another object.
func (o *structure) point(path string, to *structure) {
	if to != nil {
		o.set(path, to.address())
	}
}

func (o *structure) address() uint64 { return o.img.base + uint64(o.off) }

// taskImage is this process as the kernel would show it.
func taskImage(types *btf.Spec, at uint64) []byte {
	img := &image{types: types, base: at}
	task := img.add("task_struct")
	parent := img.add("task_struct")
	pid := uint64(os.Getpid())
	task.set("pid", pid)
	task.set("tgid", pid)
	task.text("comm", filepath.Base(os.Args[0]))
	task.point("group_leader", task)
	parent.set("pid", uint64(os.Getppid()))
	parent.set("tgid", uint64(os.Getppid()))
	parent.point("group_leader", parent)
	for _, name := range []string{"parent", "real_parent"} {
		task.point(name, parent)
		parent.point(name, parent)
	}
	cred := img.add("cred")
	for name, id := range map[string]int{
		"uid": os.Getuid(), "suid": os.Getuid(), "euid": os.Geteuid(), "fsuid": os.Geteuid(),
		"gid": os.Getgid(), "sgid": os.Getgid(), "egid": os.Getegid(), "fsgid": os.Getegid(),
	} {
		cred.set(name+".val", uint64(uint32(id)))
	}
	task.point("cred", cred)
	task.point("real_cred", cred)
	proxy := img.add("nsproxy")
	task.point("nsproxy", proxy)
	for _, n := range []struct{ field, typ, file string }{
		{"uts_ns", "uts_namespace", "uts"},
		{"ipc_ns", "ipc_namespace", "ipc"},
		{"mnt_ns", "mnt_namespace", "mnt"},
		{"pid_ns_for_children", "pid_namespace", "pid"},
		{"net_ns", "net", "net"},
		{"cgroup_ns", "cgroup_namespace", "cgroup"},
	} {
		ns := img.add(n.typ)
		ns.set("ns.inum", namespaceInode(n.file))
		proxy.point(n.field, ns)
	}
	set, group, node := img.add("css_set"), img.add("cgroup"), img.add("kernfs_node")
	task.point("cgroups", set)
	set.point("dfl_cgrp", group)
	group.point("kn", node)
	node.set("id", vm.CgroupID())
	return img.mem
}
