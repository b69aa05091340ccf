package object

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// DefaultKernelVersion is the version programs are told off Linux: 6.18, whose
// semantics the embedded engine follows.
const DefaultKernelVersion = 6<<16 | 18<<8

const maxConfigSize = 16 << 20

// systemKconfig reads the running kernel's configuration where distributions
// put it. source names the file.
func systemKconfig() (config map[string]string, source string, err error) {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	paths := []string{"/boot/config-" + strings.TrimSpace(string(release)), "/proc/config.gz"}
	for _, p := range paths {
		f, e := os.Open(p)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		config, err = ParseKconfig(f)
		f.Close()
		if err != nil {
			return nil, p, fmt.Errorf("%s: %w", p, err)
		}
		return config, p, nil
	}
	return nil, "", err
}

// ParseKconfig reads a kernel configuration, plain or gzipped, of at most
// 16 MiB: the values of its CONFIG_ lines by name, as they stand there. The
// first of several lines of one name counts.
func ParseKconfig(r io.Reader) (map[string]string, error) {
	br := bufio.NewReader(r)
	var in io.Reader = br
	if magic, _ := br.Peek(2); string(magic) == "\x1f\x8b" {
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		defer zr.Close()
		in = zr
	}
	limited := &io.LimitedReader{R: in, N: maxConfigSize + 1}
	config := make(map[string]string)
	s := bufio.NewScanner(limited)
	for n := 1; s.Scan(); n++ {
		line := s.Text()
		if !strings.HasPrefix(line, "CONFIG_") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("read configuration: line %d: no value", n)
		}
		if _, dup := config[name]; !dup {
			config[name] = value
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("read configuration: more than %d bytes", maxConfigSize)
	}
	return config, nil
}

// virtualKconfig are the variables that are answered from the kernel's version.
func virtualKconfig() map[string]func(version uint32) uint32 {
	return map[string]func(uint32) uint32{
		"LINUX_KERNEL_VERSION":      func(v uint32) uint32 { return v },
		"LINUX_HAS_BPF_COOKIE":      func(v uint32) uint32 { return since(v, 5<<16|15<<8) },
		"LINUX_HAS_SYSCALL_WRAPPER": func(v uint32) uint32 { return hasSyscallWrapper(runtime.GOARCH, v) },
	}
}

// hasSyscallWrapper tells whether system calls take their arguments from struct
// pt_regs (ARCH_HAS_SYSCALL_WRAPPER), by the version that brought it to an
// architecture.
func hasSyscallWrapper(arch string, version uint32) uint32 {
	first := map[string]uint32{
		"amd64": 4<<16 | 17<<8, "s390x": 4<<16 | 17<<8, "arm64": 4<<16 | 19<<8,
		"ppc64": 6<<16 | 1<<8, "ppc64le": 6<<16 | 1<<8, "riscv64": 6<<16 | 6<<8,
	}
	if from, ok := first[arch]; ok {
		return since(version, from)
	}
	return 0
}

func since(version, first uint32) uint32 {
	if version >= first {
		return 1
	}
	return 0
}

// runningVersion is the running kernel's version as LINUX_VERSION_CODE counts.
func runningVersion() uint32 {
	// Ubuntu's release names its own build; the upstream version stands apart.
	if b, err := os.ReadFile("/proc/version_signature"); err == nil {
		if f := strings.Fields(string(b)); len(f) == 3 {
			if v, ok := parseVersion(f[2]); ok {
				return v
			}
		}
	}
	// Debian's release leaves out the patch level, which its build line has.
	if b, err := os.ReadFile("/proc/sys/kernel/version"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "Debian "); ok {
			if v, ok := parseVersion(rest); ok {
				return v
			}
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		if v, ok := parseVersion(string(b)); ok {
			return v
		}
	}
	return DefaultKernelVersion
}

// parseVersion reads "6.12.3-foo"; a patch level beyond 255 counts as 255.
func parseVersion(s string) (uint32, bool) {
	var part [3]uint64
	for i := range part {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		v, err := strconv.ParseUint(s[:n], 10, 16)
		if err != nil {
			if i < 2 {
				return 0, false
			}
			break // "6.12" alone is a version
		}
		part[i] = v
		s = strings.TrimPrefix(s[n:], ".")
	}
	if part[0] > 0xffff || part[1] > 255 {
		return 0, false
	}
	return uint32(part[0]<<16 | part[1]<<8 | min(part[2], 255)), true
}
