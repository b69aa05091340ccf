package abi

import "strings"

// Section says what the name of an ELF section makes of the program in it:
// SEC("xdp"), SEC("kprobe/do_exit").
type Section struct {
	// Name is the section's name, or its part before the slash if a target may
	// follow.
	Name    string
	Program ProgramType
	// Attach is the attach type the program is loaded with, 0 if none is
	// given (which is also the number of AttachCgroupInetIngress).
	Attach AttachType
	Flags  SectionFlags
}

// SectionFlags are properties of sections.
type SectionFlags uint8

const (
	// SectionTarget may be followed by a slash and what to attach to.
	SectionTarget SectionFlags = 1 << iota
	// SectionSleepable loads the program as sleepable.
	SectionSleepable
	// SectionFrags loads an XDP program that understands packets in pieces.
	SectionFrags
)

// Sections returns the section names that libbpf 1.7 knows. The slice is
// shared: read it only.
func Sections() []Section { return sections[:] }

// SectionOf finds out what a section's name means, and the target behind the
// slash. A leading "?" (not loaded unless asked for) is skipped.
func SectionOf(name string) (s Section, target string, ok bool) {
	name = strings.TrimPrefix(name, "?")
	for _, s := range sections {
		if name == s.Name {
			return s, "", true
		}
		if s.Flags&SectionTarget == 0 {
			continue
		}
		if rest, found := strings.CutPrefix(name, s.Name); found && rest[0] == '/' {
			return s, rest[1:], true
		}
	}
	return Section{}, "", false
}
