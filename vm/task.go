package vm

import (
	"fmt"

	"github.com/skepdev/skep/vm/internal/helpers"
	"github.com/skepdev/skep/vm/internal/interp"
)

// MaxTask bounds what [Machine.SetTask] places, in bytes.
const MaxTask = 128 << 10

// SetTask gives programs a current task to read: build returns the bytes of a
// struct task_struct, as the kernel types that the programs were relocated to
// lay it out, and behind it whatever it points to, for placement at the given
// address. Programs cannot write there. It is done once: later calls change
// nothing. Without it bpf_get_current_task gives an address that cannot be read.
func (m *Machine) SetTask(build func(at uint64) []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.task != nil {
		return nil
	}
	if m.closed {
		return fmt.Errorf("set the current task: machine %w", ErrClosed)
	}
	mem, err := m.memory.Map(MaxTask)
	if err != nil {
		return fmt.Errorf("set the current task: %w", err)
	}
	image := build(interp.AddressOf(mem))
	if len(image) > len(mem)-interp.TaskRegisters {
		_ = m.memory.Unmap(mem)
		return fmt.Errorf("set the current task: %d bytes; the limit is %d", len(image), MaxTask)
	}
	copy(mem, image)
	m.task = mem
	m.env.SetTask(mem)
	return nil
}

// HasTask says whether SetTask was done.
func (m *Machine) HasTask() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.task != nil
}

// CgroupID is the number of this process's cgroup as programs get it from
// bpf_get_current_cgroup_id.
func CgroupID() uint64 { return helpers.CgroupID() }
