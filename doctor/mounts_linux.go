package doctor

import (
	"strings"

	"golang.org/x/sys/unix"
)

// readStatus reads the "Name:\tvalue" lines of a /proc status file.
func readStatus(path string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(readFile(path)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// mount is a line of mountinfo (proc_pid_mountinfo(5)).
type mount struct{ path, fs string }

func readMounts(path string) []mount {
	var out []mount
	for line := range strings.Lines(readFile(path)) {
		before, after, ok := strings.Cut(line, " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(rest) < 1 {
			continue
		}
		out = append(out, mount{unescape(fields[4]), rest[0]})
	}
	return out
}

// unescape undoes the octal escapes of mountinfo (\040 for a space).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func mountsOf(mounts []mount, fs string) (paths []string) {
	for _, m := range mounts {
		if m.fs == fs {
			paths = append(paths, m.path)
		}
	}
	return paths
}

func cgroups(mounts []mount) Fact {
	f := Fact{Name: "cgroups"}
	v1, v2 := mountsOf(mounts, "cgroup"), mountsOf(mounts, "cgroup2")
	switch {
	case len(v2) > 0 && len(v1) > 0:
		f.Value = "version 2 at " + v2[0] + ", beside version 1"
	case len(v2) > 0:
		f.Value = "version 2 at " + v2[0]
	default:
		f.Value, f.Missing = "no version 2", true
		if len(v1) > 0 {
			f.Value = "version 1 only"
		}
		f.Gives = "programs on groups of processes"
		f.Remedy = "mount -t cgroup2 none /sys/fs/cgroup/unified"
	}
	return f
}

func bpffs(mounts []mount) Fact {
	f := Fact{Name: "bpf file system"}
	paths := mountsOf(mounts, "bpf")
	if len(paths) == 0 {
		f.Value, f.Missing = "not mounted", true
		f.Gives = "programs, maps and links that outlive the process (pins)"
		f.Remedy = "mount -t bpf bpf /sys/fs/bpf"
		return f
	}
	f.Value = strings.Join(paths, ", ")
	if unix.Access(paths[0], unix.W_OK) != nil {
		f.Missing = true
		f.Value += " (not writable)"
		f.Gives = "programs, maps and links that outlive the process (pins)"
		f.Remedy = "run as root, or mount one with uid= and mode= for this user"
	}
	return f
}

func tracefs(mounts []mount) Fact {
	f := Fact{Name: "tracing file system"}
	paths := mountsOf(mounts, "tracefs")
	if len(paths) == 0 {
		f.Value, f.Missing = "not mounted", true
		f.Gives = "names of tracepoints and kernel functions, bpf_printk of the kernel engine"
		f.Remedy = "mount -t tracefs tracefs /sys/kernel/tracing (skep does so for itself where it may)"
		return f
	}
	f.Value = paths[0]
	if unix.Access(paths[0], unix.R_OK|unix.X_OK) != nil {
		f.Missing = true
		f.Value += " (not readable)"
		f.Gives = "names of tracepoints and kernel functions"
		f.Remedy = "run as root, or give this user access to " + paths[0]
	}
	return f
}
