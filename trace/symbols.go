package trace

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/skepdev/skep/lang"
)

// eachKernelSymbol reads /proc/kallsyms until f says stop. Addresses are 0 for
// those who may not see them.
func eachKernelSymbol(f func(addr uint64, kind byte, name, module string) bool) error {
	file, err := os.Open("/proc/kallsyms")
	if err != nil {
		return err
	}
	defer file.Close()
	sc := bufio.NewScanner(file)
	for sc.Scan() {
		addr, rest, ok := strings.Cut(sc.Text(), " ")
		if !ok || len(rest) < 3 {
			continue
		}
		v, err := strconv.ParseUint(addr, 16, 64)
		if err != nil {
			continue
		}
		name, module, _ := strings.Cut(rest[2:], "\t")
		if !f(v, rest[0], name, strings.Trim(module, "[]")) {
			break
		}
	}
	return sc.Err()
}

func (s *Session) kernelSymbol(addr uint64) datum {
	name, off, _, ok := s.syms.Find(addr)
	if !ok {
		return symbol{fmt.Sprintf("0x%x", addr), addr}
	}
	if off > 0 {
		return symbol{fmt.Sprintf("%s+%d", name, off), addr}
	}
	return symbol{name, addr}
}

// UserSymbolizer names addresses of processes.
type UserSymbolizer interface {
	// Symbolize names the function at an address of a process, how far in it
	// is, and the file that holds it.
	Symbolize(pid int, addr uint64) (name string, offset uint64, file string, ok bool)
}

// observer is a UserSymbolizer that can look at a process before it is gone.
type observer interface{ Observe(pid int) }

// observe looks at the traced process, whose names may be asked for only when
// maps are printed, after its end.
func (s *Session) observe() {
	if o, ok := s.Users.(observer); ok && s.PID != 0 {
		o.Observe(s.PID)
	}
}

func (s *Session) userSymbol(addr uint64, pid int) datum {
	name, off, _, ok := s.symbolize(pid, addr)
	switch {
	case !ok:
		return fmt.Sprintf("0x%x", addr)
	case off > 0:
		return fmt.Sprintf("%s+%d", name, off)
	}
	return name
}

func (s *Session) symbolize(pid int, addr uint64) (string, uint64, string, bool) {
	if s.Users == nil {
		return "", 0, "", false
	}
	return s.Users.Symbolize(pid, addr)
}

// stack prints a stack as its mode says, a frame a line.
func (s *Session) stack(t *lang.Type, b []byte) datum {
	id := int64(ne().Uint64(b))
	if id < 0 {
		return ""
	}
	user := t.Kind == lang.KindUStack
	name := fmt.Sprintf("stacks_%d", t.Frames)
	if user && t.Mode == "build_id" {
		name = fmt.Sprintf("stacks_build_id_%d", t.Frames)
	}
	m := s.coll.Maps[name]
	key := make([]byte, 4)
	ne().PutUint32(key, uint32(id)) // the upper half holds its length, if that was asked for
	v := make([]byte, m.Info().ValueBytes)
	if err := m.Lookup(key, v, 0); err != nil {
		return ""
	}
	pid := 0
	if user {
		pid = int(ne().Uint32(b[8:]))
	}
	var out strings.Builder
	out.WriteByte('\n')
	if user && t.Mode == "build_id" {
		buildIDs(&out, v)
		return out.String()
	}
	detailed, _ := s.Users.(framer)
	if !user || t.Mode == "raw" || !s.Object.Config.ShowDebugInfo {
		detailed = nil
	}
	for i := 0; len(v) >= 8; i, v = i+1, v[8:] {
		addr := ne().Uint64(v)
		if addr == 0 {
			break
		}
		if detailed == nil || !framesOf(&out, detailed, t.Mode, pid, addr, i > 0) {
			s.frame(&out, t.Mode, user, pid, addr)
		}
	}
	return out.String()
}

func (s *Session) frame(out *strings.Builder, mode string, user bool, pid int, addr uint64) {
	if mode == "raw" {
		fmt.Fprintf(out, "%x\n", addr)
		return
	}
	var name, file string
	var off uint64
	var ok bool
	if user {
		name, off, file, ok = s.symbolize(pid, addr)
	} else {
		name, off, _, ok = s.syms.Find(addr)
	}
	out.WriteString("\t")
	text := fmt.Sprintf("%s+%d", name, off)
	if !ok {
		text = fmt.Sprintf("0x%x", addr)
	}
	switch {
	case mode == "perf":
		fmt.Fprintf(out, "%x %s", addr, text)
		if user {
			if file == "" {
				file = "[unknown]"
			}
			fmt.Fprintf(out, " (%s)", file)
		}
	default:
		out.WriteString(text)
	}
	out.WriteString("\n")
}

// buildIDs prints a stack of build ids and offsets: status, 20 bytes, offset.
func buildIDs(out *strings.Builder, v []byte) {
	const size, valid = 32, 1
	for ; len(v) >= size; v = v[size:] {
		switch ne().Uint32(v) {
		case 0:
			return
		case valid:
			fmt.Fprintf(out, "%x 0x%x\n", v[4:24], ne().Uint64(v[24:]))
		default:
			fmt.Fprintf(out, "0x%x\n", ne().Uint64(v[24:]))
		}
	}
}
