package trace

import (
	"strings"
	"testing"
)

func TestProcessFormats(t *testing.T) {
	for _, e := range processEvents() {
		text, err := processFormat("events/" + e[0] + "/" + e[1] + "/format")
		if err != nil {
			t.Fatal(err)
		}
		if f, err := ParseFormat(text); err != nil || len(f) < 5 {
			t.Errorf("%s:%s: %d fields, %v", e[0], e[1], len(f), err)
		}
	}
	m := Open()
	m.Processes = true
	f, err := m.Tracepoint("syscalls", "sys_enter_openat")
	if err != nil {
		t.Fatal(err)
	}
	if g := f[len(f)-3]; g.Name != "filename" || g.Offset != 24 || !strings.Contains(g.Type, "*") {
		t.Errorf("openat's file name: %+v", g)
	}
	for name := range callArgs() {
		if _, ok := m.Syscall(name); len(syscallNames) > 0 && !ok {
			t.Errorf("system call %s has arguments and no number", name)
		}
	}
}
