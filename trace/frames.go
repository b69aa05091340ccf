package trace

import (
	"fmt"
	"strings"

	symbols "github.com/skepdev/skep/trace/symbol"
)

// framer is a UserSymbolizer that knows source lines and inlined functions.
type framer interface {
	Frames(pid int, addr uint64) []symbols.Frame
}

// framesOf prints the functions at an address, inlined ones first. A caller's
// address is that of return: its line is the one before.
func framesOf(out *strings.Builder, f framer, mode string, pid int, addr uint64, caller bool) bool {
	back := uint64(0)
	if caller && addr > 0 {
		back = 1
	}
	fs := f.Frames(pid, addr-back)
	if len(fs) == 0 || fs[len(fs)-1].Name == "" {
		return false
	}
	for _, at := range fs {
		name := at.Name
		if !at.Inlined {
			name = fmt.Sprintf("%s+%d", name, at.Offset+back)
		}
		switch {
		case mode == "perf" && at.Inlined:
			fmt.Fprintf(out, "\t%x %s (inlined)\n", addr, name)
			continue
		case mode == "perf":
			fmt.Fprintf(out, "\t%x %s (%s)\n", addr, name, at.Module)
			continue
		case at.Inlined:
			name = "[inlined] " + name
		}
		if at.File != "" {
			name = fmt.Sprintf("%s@%s:%d", name, at.File, at.Line)
		}
		fmt.Fprintf(out, "\t%s\n", name)
	}
	return true
}
