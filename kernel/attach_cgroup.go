//go:build linux

package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// attachCgroup attaches to a cgroup: a link (Linux 5.7), or an attachment in
// multi mode on older kernels.
func attachCgroup(p *Program, t engine.Cgroup) (engine.Link, error) {
	attach, err := cgroupAttachType(p, t)
	if err != nil {
		return nil, err
	}
	if replacesLink(t.Anchor) {
		return nil, errReplace(t)
	}
	dir, err := openCgroup(t.Path)
	if err != nil {
		return nil, attachError(p, t, err, "")
	}
	fd, err := orderedLink(p, uint32(dir), attach, t.Anchor)
	if err == nil {
		unix.Close(dir)
		return newLink(t, fd, false), nil
	}
	if isInvalid(err) && t.Anchor != (engine.Anchor{}) && !kernelVersion().atLeast(6, 16) {
		unix.Close(dir)
		return nil, notSupported("ordering at "+t.String(), "this kernel runs a cgroup's programs in the order they came", "Linux 6.16 brought it", err)
	}
	if isInvalid(err) && !hasLinks() {
		var l *directLink
		if l, err = attachCgroupDirect(p, t, dir, attach); err == nil {
			return l, nil
		}
	}
	unix.Close(dir)
	return nil, attachError(p, t, err, "the attach type must be the one the program was loaded for, and none may be attached there exclusively", capNetAdmin)
}

// attachCgroupDirect is how programs are attached without links.
func attachCgroupDirect(p *Program, t engine.Cgroup, dir int, attach ebpf.AttachType) (*directLink, error) {
	return attachDirect(p, t, dir, uint32(attach), cgroupMulti, true)
}

// hasLinks says whether the kernel knows BPF_LINK_CREATE, by asking for a link
// of nothing.
func hasLinks() bool {
	attr := linkPlain{linkHead: linkHead{program: ^uint32(0) >> 1}}
	_, err := bpfCall(cmdLinkCreate, &attr)
	return errors.Is(err, unix.EBADF)
}

func openCgroup(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open cgroup %s: %w", path, err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err == nil && st.Type != unix.CGROUP2_SUPER_MAGIC {
		unix.Close(fd)
		return -1, fmt.Errorf("open cgroup %s: it is not a directory of cgroup version 2: %w", path, unix.EINVAL)
	}
	return fd, nil
}

// cgroupAttachType is where in a cgroup the program goes: what the target says,
// what the program was loaded for, or the only place of its type.
func cgroupAttachType(p *Program, t engine.Cgroup) (ebpf.AttachType, error) {
	if err := wantType(p, t, ebpf.CGroupSKB, ebpf.CGroupSock, ebpf.CGroupSockAddr, ebpf.CGroupSockopt,
		ebpf.CGroupSysctl, ebpf.CGroupDevice, ebpf.SockOps, ebpf.LSM); err != nil {
		return 0, err
	}
	switch {
	case t.AttachType != 0:
		return t.AttachType, nil
	case p.info.AttachType != 0:
		return p.info.AttachType, nil
	}
	switch p.info.Type {
	case ebpf.SockOps:
		return ebpf.AttachCGroupSockOps, nil
	case ebpf.CGroupDevice:
		return ebpf.AttachCGroupDevice, nil
	case ebpf.CGroupSysctl:
		return ebpf.AttachCGroupSysctl, nil
	case ebpf.CGroupSock:
		return ebpf.AttachCGroupInetSockCreate, nil
	case ebpf.LSM:
		return ebpf.AttachLSMCgroup, nil
	case ebpf.CGroupSKB:
		return ebpf.AttachCGroupInetIngress, nil // which is 0, the type's own
	}
	return 0, fmt.Errorf("attach program %s to %s: the attach type is unknown: name it in the target: %w", p.info.Name, t, unix.EINVAL)
}
