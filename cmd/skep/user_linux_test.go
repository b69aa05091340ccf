package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOrdinaryUser runs the commands that must work for anybody as a user
// without rights, capabilities and home.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user; the other tests run as an ordinary one")
	}
	dir := forEverybody(t)
	rows := []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"doctor"}, 0, []string{"\n  embedded engine      works\n", "\n  capabilities         none\n", "missing"}},
		{[]string{"run", "ports.bpf.o", "--program", "ports_xdp", "--pcap", "web.pcap", "--set", "blocked_port=23"}, 0, []string{"on the embedded engine", "XDP_DROP"}},
		{[]string{"run", "ports.bpf.o", "--program", "ports_xdp", "--pcap", "web.pcap", "--engine", "kernel"}, 1, []string{"skep: run: open kernel engine", "\n  --engine embedded needs no privilege"}},
		{[]string{"run", "ports.bpf.o", "--program", "ports_xdp", "--pcap", "web.pcap", "--compare"}, 1, []string{"--compare needs both engines"}},
		{[]string{"lab", "ping"}, 0, []string{"embedded world", "fd00:1::3"}},
		{[]string{"lab", "run", "--", "true"}, 1, []string{"run as root"}},
		{[]string{"lab", "exec", "e1", "--", "true"}, 1, []string{"no lab is up"}},
		{[]string{"demo", "--script", "200ms:drop,600ms:pass,1s:end", "--interval", "50ms"}, 0, []string{"engine: embedded", "result  good"}},
	}
	for _, row := range rows {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			cmd := exec.Command(filepath.Join(dir, "skep"), row.args...)
			cmd.Dir = dir
			cmd.Env = []string{"HOME=/nonexistent", "PATH=/usr/bin:/bin"}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if err := cmd.Run(); cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			for _, w := range row.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("no %q", w)
				}
			}
			if t.Failed() {
				t.Logf("it printed:\n%s", out.String())
			}
		})
	}
}

// forEverybody makes a folder that everybody can read, with skep (this test's
// executable, which is skep when called so) and the examples.
func forEverybody(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "skep-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	examples := filepath.Join("..", "..", "docs", "examples")
	for from, to := range map[string]string{
		self: "skep", filepath.Join(examples, "ports.bpf.o"): "ports.bpf.o", filepath.Join(examples, "web.pcap"): "web.pcap",
	} {
		if err := copyFile(filepath.Join(dir, to), from); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
