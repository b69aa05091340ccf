//go:build linux

package kernel

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// iterInfoSize is that of union bpf_iter_link_info, which is 4 bytes long in
// the kernels that know maps only; longer ones must be zero in the rest.
const iterInfoSize = 16

// cgroupIterDescendants is BPF_CGROUP_ITER_DESCENDANTS_PRE: the cgroup, then
// what is below it.
const cgroupIterDescendants = 2

// attachIter makes an iterator's link (Linux 5.8; narrowing by cgroup 6.1, by
// task 6.1).
func attachIter(p *Program, t engine.Iterator) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Tracing); err != nil {
		return nil, err
	}
	info := make([]byte, iterInfoSize)
	set := 0
	ne := binary.NativeEndian
	var held []func()
	defer func() {
		for _, f := range held {
			f()
		}
	}()
	if t.Map != nil {
		set++
		m, err := asMap(t.Map)
		if err != nil {
			return nil, fmt.Errorf("attach program %s: %w", p.info.Name, err)
		}
		m.mu.RLock()
		held = append(held, m.mu.RUnlock)
		if m.closed {
			return nil, m.closedError("iterate over")
		}
		ne.PutUint32(info, uint32(m.fd))
	}
	if t.CgroupPath != "" {
		set++
		fd, err := openCgroup(t.CgroupPath)
		if err != nil {
			return nil, attachError(p, t, err, "")
		}
		held = append(held, func() { unix.Close(fd) })
		ne.PutUint32(info, cgroupIterDescendants)
		ne.PutUint32(info[4:], uint32(fd))
	}
	if t.PID != 0 {
		set++
		if t.PID < 0 {
			return nil, fmt.Errorf("attach program %s: pid %d: %w", p.info.Name, t.PID, unix.EINVAL)
		}
		ne.PutUint32(info[4:], uint32(t.PID)) // the process; a single thread would go first
	}
	if set > 1 {
		return nil, fmt.Errorf("attach program %s: an iterator takes one of map, cgroup and process: %w", p.info.Name, unix.EINVAL)
	}
	attr := linkIter{linkHead: linkHead{attachType: uint32(ebpf.AttachTraceIter)}}
	if set > 0 {
		attr.info, attr.size = bytesPtr(info), iterInfoSize
	}
	fd, err := createLink(p, &attr, &attr.linkHead)
	runtime.KeepAlive(info)
	if err != nil {
		return nil, attachError(p, t, err, "iterators need Linux 5.8; those over a map's elements need the map, narrowing by cgroup or process needs Linux 6.1", capPerfmon, capBPF)
	}
	return &iterLink{newLink(t, fd, false)}, nil
}
