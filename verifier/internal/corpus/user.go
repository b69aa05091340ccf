package corpus

import (
	"fmt"
	"slices"
	"strings"
)

// User is one who has, of the capabilities that BPF asks for, these only.
type User struct{ Caps []string }

// ParseUser reads capabilities with commas between ("CAP_BPF,CAP_NET_ADMIN"), or
// "none".
func ParseUser(s string) (*User, error) {
	u := &User{}
	if s == "none" {
		return u, nil
	}
	u.Caps = strings.Split(s, ",")
	for _, c := range u.Caps {
		if !slices.Contains([]string{"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"}, c) {
			return nil, fmt.Errorf("corpus: capability %q: want CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, or none", c)
		}
	}
	return u, nil
}

// as is a case as the user loads it. What its author expects is of others.
func (u *User) as(c *Case) *Case {
	return &Case{
		Object: c.Object, Program: c.Program, Section: c.Section, Description: c.Description, Mode: Unprivileged,
		Flags: c.Flags, Arch: c.Arch, BTFPath: c.BTFPath, Caps: u.Caps, With: c.With,
	}
}

// keeps reports whether kept has a capability.
func keeps(kept []string, name string) bool { return slices.Contains(kept, name) }
