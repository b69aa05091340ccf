// Package abi is what Linux promises eBPF programs, as data: program types,
// attach types, map types, flags, verdicts, context layouts, helper prototypes
// and the section names of libbpf. Numbers and layouts are those of the UAPI of
// Linux 6.18; nothing here runs anything or asks the machine.
//
// All tables are constant after start and safe for concurrent reading. Slices
// that functions return are shared: read them, do not write them.
package abi

import "strconv"

// nameOf looks a number up in a table of UAPI names.
func nameOf(typ string, n uint32, names []string) string {
	if n < uint32(len(names)) && names[n] != "" {
		return names[n]
	}
	return typ + "(" + strconv.FormatUint(uint64(n), 10) + ")"
}
