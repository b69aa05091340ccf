//go:build linux

package kernel

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// attachedPrograms are the ids of a cgroup's programs in their order.
func attachedPrograms(t *testing.T, dir string, at ebpf.AttachType) (ids []uint32) {
	t.Helper()
	fd, err := openCgroup(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	res, err := link.QueryPrograms(link.QueryOptions{Target: fd, Attach: at})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range res.Programs {
		ids = append(ids, uint32(p.ID))
	}
	return ids
}
