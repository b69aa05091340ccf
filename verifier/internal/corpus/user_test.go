package corpus

import (
	"context"
	"testing"
)

func TestParseUser(t *testing.T) {
	if u, err := ParseUser("none"); err != nil || len(u.Caps) != 0 {
		t.Errorf("none: %v, %v", u, err)
	}
	if u, err := ParseUser("CAP_BPF,CAP_PERFMON"); err != nil || len(u.Caps) != 2 || u.Caps[1] != "CAP_PERFMON" {
		t.Errorf("two: %v, %v", u, err)
	}
	for _, bad := range []string{"", "CAP_BPF,", "cap_bpf", "CAP_SYS_ADMIN"} {
		if _, err := ParseUser(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestUserLoadsOnce: whoever loads a corpus judges each program once, as that
// user, and nothing is expected.
func TestUserLoadsOnce(t *testing.T) {
	files := []string{"testdata/expect.bpf.o"}
	rep, err := Run(context.Background(), files, Options{User: &User{Caps: []string{"CAP_BPF"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Results) == 0 {
		t.Fatal("nothing was judged")
	}
	seen := make(map[string]bool)
	for _, res := range rep.Results {
		c := res.Case
		if seen[c.Program] || c.Mode != Unprivileged || c.Expected || len(c.Caps) != 1 {
			t.Errorf("%s: %+v", c.Name(), c)
		}
		seen[c.Program] = true
	}
}
