package abi_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
)

func TestSectionOf(t *testing.T) {
	for _, c := range []struct {
		name, section, target string
		typ                   abi.ProgramType
		attach                abi.AttachType
		flags                 abi.SectionFlags
	}{
		{"xdp", "xdp", "", abi.ProgXDP, abi.AttachXDP, 0},
		{"xdp.frags/devmap", "xdp.frags/devmap", "", abi.ProgXDP, abi.AttachXDPDevMap, abi.SectionFrags},
		{"tc", "tc", "", abi.ProgSchedCLS, 0, 0},
		{"tcx/egress", "tcx/egress", "", abi.ProgSchedCLS, abi.AttachTCXEgress, 0},
		{"?kprobe/do_exit", "kprobe", "do_exit", abi.ProgKprobe, 0, abi.SectionTarget},
		{"kprobe.multi/tcp_*", "kprobe.multi", "tcp_*", abi.ProgKprobe, abi.AttachTraceKprobeMulti, abi.SectionTarget},
		{"uprobe.s//bin/sh:main", "uprobe.s", "/bin/sh:main", abi.ProgKprobe, 0, abi.SectionTarget | abi.SectionSleepable},
		{"fentry", "fentry", "", abi.ProgTracing, abi.AttachTraceFentry, abi.SectionTarget},
		{"lsm.s/bpf", "lsm.s", "bpf", abi.ProgLSM, abi.AttachLSMMAC, abi.SectionTarget | abi.SectionSleepable},
		{"cgroup/connect6", "cgroup/connect6", "", abi.ProgCgroupSockAddr, abi.AttachCgroupInet6Connect, 0},
	} {
		s, target, ok := abi.SectionOf(c.name)
		if !ok || s.Name != c.section || target != c.target || s.Program != c.typ || s.Attach != c.attach || s.Flags != c.flags {
			t.Errorf("%s: got %+v, %q, %v", c.name, s, target, ok)
		}
	}
	for _, name := range []string{"", "?", "maps", "xdp/eth0", "xdpx", "kprobex", "license", ".text"} {
		if s, _, ok := abi.SectionOf(name); ok {
			t.Errorf("%q is %+v", name, s)
		}
	}
}

// cilium/ebpf reads sections by a table of its own; what both know must mean
// the same.
func TestSectionsOfCilium(t *testing.T) {
	clang, err := exec.LookPath("clang-19")
	if err != nil {
		if clang, err = exec.LookPath("clang"); err != nil {
			t.Skip("needs clang")
		}
	}
	var src strings.Builder
	byName := map[string]abi.Section{}
	for i, s := range abi.Sections() {
		name := s.Name
		if s.Flags&abi.SectionTarget != 0 {
			name += "/x"
		}
		byName[fmt.Sprintf("f%d", i)] = s
		fmt.Fprintf(&src, "__attribute__((section(%q))) int f%d(void *c) { return 0; }\n", name, i)
	}
	dir := t.TempDir()
	c, o := filepath.Join(dir, "s.c"), filepath.Join(dir, "s.o")
	if err := os.WriteFile(c, []byte(src.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(clang, "-target", "bpf", "-O2", "-c", c, "-o", o).CombinedOutput(); err != nil {
		t.Skipf("needs a clang with the bpf target: %v\n%s", err, out)
	}
	spec, err := ebpf.LoadCollectionSpec(o)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for fn, s := range byName {
		p := spec.Programs[fn]
		if p == nil || p.Type == ebpf.UnspecifiedProgram {
			continue
		}
		compared++
		if uint32(p.Type) != uint32(s.Program) || uint32(p.AttachType) != uint32(s.Attach) {
			t.Errorf("%s is %v, %v here; %v, %v in cilium/ebpf", s.Name, s.Program, s.Attach, p.Type, p.AttachType)
		}
	}
	if compared < 80 {
		t.Errorf("only %d sections compared", compared)
	}
}
