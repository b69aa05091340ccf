package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFacts(t *testing.T) {
	for _, f := range facts() {
		if f.Name == "" || f.Value == "" {
			t.Errorf("a fact says nothing: %+v", f)
		}
		if f.Missing && (f.Gives == "" || f.Remedy == "") {
			t.Errorf("%s is missing and does not say what it would give or how to get it", f.Name)
		}
		if !f.Missing && (f.Gives != "" || f.Remedy != "") {
			t.Errorf("%s is there and has a remedy", f.Name)
		}
	}
}

func TestMounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mountinfo")
	text := "29 1 0:26 / /sys/fs/bpf\\040x rw,nosuid shared:9 - bpf bpf rw,mode=700\n" +
		"30 1 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n" +
		"broken line\n31 1 - x\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []mount{{"/sys/fs/bpf x", "bpf"}, {"/sys/fs/cgroup", "cgroup2"}}
	if diff := cmp.Diff(want, readMounts(path), cmp.AllowUnexported(mount{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCapabilities(t *testing.T) {
	rows := []struct {
		set, value string
		missing    string
	}{
		{"000001ffffffffff", "all that eBPF asks for", ""},
		{"0000000000000000", "none", "CAP_BPF, CAP_NET_ADMIN"},
		{"0000000000203000", "CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_SYS_ADMIN CAP_NET_RAW", "CAP_SYS_PTRACE"},
	}
	for _, row := range rows {
		f := capabilities(map[string]string{"CapEff": row.set})
		if f.Value != row.value || f.Missing != (row.missing != "") || !strings.Contains(f.Remedy, row.missing) {
			t.Errorf("%s: %+v", row.set, f)
		}
	}
}
