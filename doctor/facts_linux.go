package doctor

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// facts reads what the system says about itself and about this process. Every
// line is one small function, so that one more question is one more row.
func facts() []Fact {
	status := readStatus("/proc/self/status")
	mounts := readMounts("/proc/self/mountinfo")
	return []Fact{
		system(),
		user(),
		capabilities(status),
		userNamespace(),
		unprivileged(),
		kernelTypes(),
		cgroups(mounts),
		bpffs(mounts),
		tracefs(mounts),
		lockdown(),
		memlock(),
		jit(),
		seccomp(status),
		perfEvents(),
		ptrace(),
		namespaces(),
	}
}

func readFile(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func system() Fact {
	var u unix.Utsname
	release := "unknown"
	if unix.Uname(&u) == nil {
		release = unix.ByteSliceToString(u.Release[:])
	}
	return Fact{Name: "system", Value: fmt.Sprintf("Linux %s %s, %d CPUs", release, runtime.GOARCH, runtime.NumCPU())}
}

func user() Fact {
	name := "root"
	if uid := os.Geteuid(); uid != 0 {
		name = "user " + strconv.Itoa(uid)
	}
	if c := container(); c != "" {
		name += ", in " + c
	}
	return Fact{Name: "user", Value: name}
}

// container names the container runtime whose mark stands in the file system.
func container() string {
	for path, name := range map[string]string{"/.dockerenv": "a docker container", "/run/.containerenv": "a podman container"} {
		if _, err := os.Stat(path); err == nil {
			return name
		}
	}
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return "a Kubernetes pod"
	}
	return ""
}

// wanted are the capabilities that eBPF asks for, and what each one gives.
func wanted() []struct {
	bit         uint
	name, gives string
} {
	return []struct {
		bit         uint
		name, gives string
	}{
		{unix.CAP_BPF, "CAP_BPF", "loading programs and maps"},
		{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "network programs and labs"},
		{unix.CAP_PERFMON, "CAP_PERFMON", "tracing programs"},
		{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "network namespaces and everything else"},
		{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "looking into processes of other users"},
		{unix.CAP_NET_RAW, "CAP_NET_RAW", "raw sockets"},
	}
}

func capabilities(status map[string]string) Fact {
	f := Fact{Name: "capabilities"}
	set, err := strconv.ParseUint(status["CapEff"], 16, 64)
	if err != nil {
		f.Value = "unknown"
		return f
	}
	var have, gives, lack []string
	admin := set&(1<<unix.CAP_SYS_ADMIN) != 0
	for _, c := range wanted() {
		// CAP_SYS_ADMIN stands for the two that were split from it in 5.8.
		implied := admin && (c.bit == unix.CAP_BPF || c.bit == unix.CAP_PERFMON)
		if set&(1<<c.bit) != 0 || implied {
			have = append(have, c.name)
		} else {
			lack = append(lack, c.name)
			gives = append(gives, c.gives)
		}
	}
	switch {
	case len(have) == 0:
		f.Value = "none"
	case len(lack) == 0:
		f.Value = "all that eBPF asks for"
	default:
		f.Value = strings.Join(have, " ")
	}
	if len(lack) > 0 {
		f.Missing = true
		f.Gives = strings.Join(gives, ", ")
		f.Remedy = "run as root, or grant " + strings.Join(lack, ", ") + " (setcap, systemd AmbientCapabilities=, docker --cap-add)"
	}
	return f
}

func userNamespace() Fact {
	f := Fact{Name: "user namespace", Value: "the initial one"}
	fields := strings.Fields(readFile("/proc/self/uid_map"))
	switch {
	case len(fields) == 0:
		f.Value = "unknown"
	case fields[0] != "0" || fields[1] != "0" || fields[2] != "4294967295":
		f.Value, f.Missing = "one of its own", true
		f.Gives = "loading programs: Linux looks for the capabilities in the initial user namespace"
		f.Remedy = "run outside of the container or user namespace, or with a BPF token (Linux 6.9)"
	}
	return f
}

func unprivileged() Fact {
	f := Fact{Name: "unprivileged bpf"}
	switch v := readFile("/proc/sys/kernel/unprivileged_bpf_disabled"); v {
	case "0":
		f.Value = "allowed for socket filters and cgroup programs"
	case "1", "2":
		f.Value = "not allowed (kernel.unprivileged_bpf_disabled = " + v + ")"
	default:
		f.Value = "unknown"
	}
	return f
}

func kernelTypes() Fact {
	f := Fact{Name: "kernel types (BTF)"}
	st, err := os.Stat("/sys/kernel/btf/vmlinux")
	if err != nil {
		f.Value, f.Missing = "none", true
		f.Gives = "objects that adapt to this kernel (CO-RE), fentry, LSM, tp_btf"
		f.Remedy = "a kernel built with CONFIG_DEBUG_INFO_BTF=y; or give a BTF file with --btf"
		return f
	}
	f.Value = fmt.Sprintf("/sys/kernel/btf/vmlinux (%.1f MB)", float64(st.Size())/1e6)
	return f
}

func lockdown() Fact {
	f := Fact{Name: "lockdown", Value: "none"}
	text := readFile("/sys/kernel/security/lockdown")
	_, rest, ok := strings.Cut(text, "[")
	if mode, _, closed := strings.Cut(rest, "]"); ok && closed && mode != "none" {
		f.Value, f.Missing = mode, true
		f.Gives = "reading kernel memory from tracing programs"
		f.Remedy = "boot without lockdown= and, for integrity mode, without secure boot"
	} else if text == "" {
		f.Value = "none (no lockdown module)"
	}
	return f
}

func memlock() Fact {
	f := Fact{Name: "memlock limit"}
	var r unix.Rlimit
	switch {
	case unix.Getrlimit(unix.RLIMIT_MEMLOCK, &r) != nil:
		f.Value = "unknown"
	case r.Cur == unix.RLIM_INFINITY:
		f.Value = "unlimited"
	default:
		f.Value = fmt.Sprintf("%d KiB (counts for maps before Linux 5.11 only)", r.Cur/1024)
	}
	return f
}

func jit() Fact {
	f := Fact{Name: "jit"}
	v := readFile("/proc/sys/net/core/bpf_jit_enable")
	switch v {
	case "1", "2":
		f.Value = "on"
		if h := readFile("/proc/sys/net/core/bpf_jit_harden"); h == "1" || h == "2" {
			f.Value += ", hardened (bpf_jit_harden = " + h + ")"
		}
	case "0":
		f.Value, f.Missing = "off", true
		f.Gives = "programs several times faster"
		f.Remedy = "sysctl -w net.core.bpf_jit_enable=1"
	default:
		// Kernels built with CONFIG_BPF_JIT_ALWAYS_ON may show nothing to
		// others than root.
		f.Value = "unknown (not readable)"
	}
	return f
}

func seccomp(status map[string]string) Fact {
	f := Fact{Name: "seccomp", Value: "off"}
	switch status["Seccomp"] {
	case "":
		f.Value = "unknown"
	case "0":
	default:
		f.Value, f.Missing = "a filter is active", true
		f.Gives = "system calls that the filter may refuse, such as bpf(2) and unshare(2)"
		f.Remedy = "docker: --security-opt seccomp=unconfined or a profile that allows bpf"
	}
	return f
}

func perfEvents() Fact {
	f := Fact{Name: "perf events"}
	v := readFile("/proc/sys/kernel/perf_event_paranoid")
	n, err := strconv.Atoi(v)
	switch {
	case err != nil:
		f.Value, f.Missing = "none", true
		f.Gives = "profiling, perf event programs, probes on kernels before 5.15"
		f.Remedy = "a kernel built with CONFIG_PERF_EVENTS=y"
	case n > 1 && os.Geteuid() != 0:
		f.Value, f.Missing = "kernel.perf_event_paranoid = "+v, true
		f.Gives = "profiling as an ordinary user"
		f.Remedy = "sysctl -w kernel.perf_event_paranoid=1, or CAP_PERFMON"
	default:
		f.Value = "kernel.perf_event_paranoid = " + v
	}
	return f
}
