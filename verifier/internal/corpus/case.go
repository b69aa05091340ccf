package corpus

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Mode says with which privileges a program is loaded.
type Mode uint8

// Modes of test_loader.c.
const (
	Privileged   Mode = iota
	Unprivileged      // without CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF
)

func (m Mode) String() string {
	if m == Unprivileged {
		return "unprivileged"
	}
	return "privileged"
}

// Case is one program in one mode, and what is expected of it.
type Case struct {
	// Object is the file, Program the function's name in it.
	Object, Program string
	Section         string
	// Description is what the authors call the case; often empty.
	Description string
	Mode        Mode

	// Expected says whether there is an expectation; Explicit, whether the program
	// itself carries it as a tag.
	Expected, Explicit bool
	// Success is the expected verdict.
	Success bool
	// Messages are to be found in the log, in their order.
	Messages []Pattern
	// Xlated and Jited are to be found in the listing of the program as the kernel
	// rewrote and compiled it.
	Xlated, Jited []Pattern
	// Retval is what a test run returns; nil means the case is not run.
	Retval *int64

	// Flags of the load (BPF_F_...), LogLevel as bpf(2) counts.
	Flags, LogLevel uint32
	// Arch lists processors ("X86_64"); empty means all.
	Arch []string
	// BTFPath is a file of types to relocate against, "" the kernel's.
	BTFPath string
	// LoadMode is "jited", "no_jited" or "": how the program is to be loaded for a
	// test run.
	LoadMode string
	// Caps are kept in the unprivileged mode ("CAP_BPF").
	Caps []string
	// With are the auxiliary programs that are loaded beside it.
	With []string
}

// Name is "verifier_bounds/program" with "@unpriv" for the second mode.
func (c *Case) Name() string {
	name := ObjectName(c.Object) + "/" + c.Program
	if c.Mode == Unprivileged {
		name += "@unpriv"
	}
	return name
}

// Runs reports whether the case is meant for a processor ("X86_64").
func (c *Case) Runs(arch string) bool {
	for _, a := range c.Arch {
		if a == arch {
			return true
		}
	}
	return len(c.Arch) == 0
}

// ObjectName is a file's name without folder and suffix.
func ObjectName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".o")
	return strings.TrimSuffix(name, ".bpf")
}

// Verdict is what a judge says.
type Verdict struct {
	Accepted bool
	// Log in the kernel's format.
	Log string
	// Err is why it was not accepted.
	Err error
	// NotSupported says why there is no verdict; "" means there is one.
	NotSupported string
	Stats        Stats
}

// String is the verdict in a word or two.
func (v *Verdict) String() string {
	switch {
	case v.NotSupported != "":
		return "cannot say: " + v.NotSupported
	case v.Accepted:
		return "accepts"
	case v.Err != nil:
		return fmt.Sprintf("rejects: %v", v.Err)
	}
	return "rejects"
}

// Says reports the verdict, and whether there is one.
func (v *Verdict) Says() (accepted, ok bool) { return v.Accepted, v.NotSupported == "" }
