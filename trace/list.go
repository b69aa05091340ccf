package trace

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lang"
)

// List prints the probes a pattern matches, with their arguments if verbose;
// "struct x" prints a type.
func (m *Machine) List(w io.Writer, pattern string, verbose bool) error {
	for _, tag := range []string{"struct ", "union ", "enum "} {
		if name, ok := strings.CutPrefix(pattern, tag); ok {
			return m.listTypes(w, strings.TrimSpace(tag), name, verbose)
		}
	}
	if pattern == "*" && m.PID != 0 {
		if err := m.List(w, "uprobe:*:*", verbose); err != nil {
			return err
		}
		return m.List(w, "usdt:*:*", verbose)
	}
	if pattern == "*" {
		for _, p := range []string{"hardware:*", "software:*", "tracepoint:*:*", "rawtracepoint:*", "kprobe:*", "fentry:*", "iter:*", "interval:*", "profile:*"} {
			if err := m.List(w, p, verbose); err != nil {
				return err
			}
		}
		return nil
	}
	if !strings.Contains(pattern, ":") {
		if pattern == "uprobe" || pattern == "uretprobe" || pattern == "usdt" {
			pattern += ":*"
		} else if _, err := lang.ParseAttach(pattern + ":*"); err != nil || strings.HasPrefix(pattern, "*") {
			return m.search(w, pattern, verbose)
		}
		pattern += ":*"
	}
	if head, rest, _ := strings.Cut(pattern, ":"); rest == "*" && (head == "uprobe" || head == "uretprobe" || head == "usdt") {
		pattern += ":*"
	}
	list, err := lang.ParseAttach(pattern)
	if err != nil {
		return err
	}
	for _, a := range list {
		if err := m.ListAttach(w, a, verbose); err != nil {
			return err
		}
	}
	return nil
}

// search lists every probe whose name or last part matches.
func (m *Machine) search(w io.Writer, pattern string, verbose bool) error {
	for _, p := range []string{"hardware:*", "software:*", "tracepoint:*:*", "rawtracepoint:*", "kprobe:*", "fentry:*"} {
		var all strings.Builder
		if err := m.List(&all, p, verbose); err != nil {
			return err
		}
		for line := range strings.Lines(all.String()) {
			name := strings.TrimSpace(line)
			if lang.Glob(pattern, name) || lang.Glob(pattern, name[strings.LastIndexByte(name, ':')+1:]) {
				io.WriteString(w, line)
			}
		}
	}
	return nil
}

// ListAttach prints the places of one attach point.
func (m *Machine) ListAttach(w io.Writer, a lang.Attach, verbose bool) error {
	switch a.Provider {
	case "interval", "profile":
		for _, unit := range []string{"us", "ms", "s", "hz"} {
			if lang.Glob(a.Target, unit) || a.Target == "" {
				fmt.Fprintf(w, "%s:%s:\n", a.Provider, unit)
			}
		}
		return nil
	case "software", "hardware":
		a.Period = 0
	case "begin", "end", "self", "test", "bench", "watchpoint":
		fmt.Fprintln(w, a)
		return nil
	}
	found, err := m.Match(a)
	if err != nil {
		if a.Wild() {
			return nil // a pattern that matches nothing lists nothing
		}
		return err
	}
	for _, p := range found {
		fmt.Fprintln(w, p)
		if verbose {
			m.listArgs(w, p)
		}
	}
	return nil
}

// listArgs prints the arguments of a probe.
func (m *Machine) listArgs(w io.Writer, a lang.Attach) {
	switch a.Provider {
	case "tracepoint":
		fields, err := m.Tracepoint(a.Target, a.Func)
		if err != nil {
			return
		}
		for _, f := range fields {
			if strings.HasPrefix(f.Name, "common_") {
				continue
			}
			fmt.Fprintf(w, "    %s %s\n", f.Type, f.Name)
		}
	case "fentry", "fexit", "kprobe", "kretprobe":
		if p, err := m.FuncProto(a.Func); err == nil {
			listProto(w, p, 0)
			if a.Provider == "fexit" {
				fmt.Fprintf(w, "    %s retval\n", cName(p.Return))
			}
		}
	case "uprobe", "uretprobe":
		if p, err := m.UserFunc(a.Target, a.Func); err == nil && a.Func != "" {
			for _, prm := range p.Params {
				// As bpftrace writes types from DWARF.
				fmt.Fprintf(w, "    %s %s\n", strings.ReplaceAll(cName(prm.Type), " *", "*"), prm.Name)
			}
		}
	case "rawtracepoint":
		if p, err := m.FuncProto("btf_trace_" + a.Func); err == nil {
			listProto(w, p, 1)
		}
	case "iter":
		if t, err := m.typeByName("bpf_iter__" + a.Func); err == nil {
			for _, f := range t.Members {
				if f.Name != "meta" && f.Name != "" {
					fmt.Fprintf(w, "    %s %s\n", cName(f.Type), f.Name)
					continue
				}
				if u, ok := f.Type.(*btf.Union); ok && len(u.Members) == 1 && u.Members[0].Name != "meta" {
					fmt.Fprintf(w, "    %s %s\n", cName(u.Members[0].Type), u.Members[0].Name)
				}
			}
		}
	}
}

func listProto(w io.Writer, p *btf.FuncProto, skip int) {
	for i, prm := range p.Params {
		if i >= skip {
			fmt.Fprintf(w, "    %s %s\n", cName(prm.Type), prm.Name)
		}
	}
}

// cName is a type as C writes it.
func cName(t btf.Type) string { return cNameAt(t, 0) }

func cNameAt(t btf.Type, depth int) string {
	if depth > 32 {
		return "…"
	}
	switch t := t.(type) {
	case *btf.Pointer:
		return cNameAt(t.Target, depth+1) + " *"
	case *btf.Struct:
		return "struct " + t.Name
	case *btf.Union:
		return "union " + t.Name
	case *btf.Enum:
		return "enum " + t.Name
	case *btf.Const:
		return "const " + cNameAt(t.Type, depth+1)
	case *btf.Volatile:
		return "volatile " + cNameAt(t.Type, depth+1)
	case *btf.TypeTag:
		return cNameAt(t.Type, depth+1)
	case *btf.Array:
		return fmt.Sprintf("%s[%d]", cNameAt(t.Type, depth+1), t.Nelems)
	case *btf.FuncProto:
		return "(func)"
	case *btf.Void:
		return "void"
	case nil:
		return "void"
	}
	return t.TypeName()
}

func (m *Machine) typeByName(name string) (*btf.Struct, error) {
	spec, err := m.types()
	if err != nil {
		return nil, err
	}
	var st *btf.Struct
	err = spec.TypeByName(name, &st)
	return st, err
}

// listTypes prints types of the kernel by pattern.
func (m *Machine) listTypes(w io.Writer, tag, pattern string, verbose bool) error {
	spec, err := m.types()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	var found []btf.Type
	for t, err := range spec.All() {
		if err != nil {
			return err
		}
		ok := false
		switch t.(type) {
		case *btf.Struct:
			ok = tag == "struct"
		case *btf.Union:
			ok = tag == "union"
		case *btf.Enum:
			ok = tag == "enum"
		}
		if n := t.TypeName(); ok && n != "" && !seen[n] && lang.Glob(pattern, n) {
			seen[n] = true
			found = append(found, t)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].TypeName() < found[j].TypeName() })
	for _, t := range found {
		if !verbose {
			fmt.Fprintf(w, "%s %s\n", tag, t.TypeName())
			continue
		}
		fmt.Fprintf(w, "vmlinux: %s %s {\n", tag, t.TypeName())
		listMembers(w, t)
		fmt.Fprintln(w, "};")
	}
	return nil
}

func listMembers(w io.Writer, t btf.Type) {
	var members []btf.Member
	switch t := t.(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	case *btf.Enum:
		for _, v := range t.Values {
			fmt.Fprintf(w, "\t%s = %d,\n", v.Name, int64(v.Value))
		}
	}
	for _, f := range members {
		fmt.Fprintf(w, "\t%s %s;\n", cName(f.Type), f.Name)
	}
}

// Info prints what this machine allows, a "name: yes" a line. What the engine
// answers it has really tried.
func Info(ctx context.Context, eng engine.Engine, w io.Writer) error {
	m := Open()
	defer m.Close()
	yes := func(name string, ok bool) {
		word := "no"
		if ok {
			word = "yes"
		}
		fmt.Fprintf(w, "  %s: %s\n", name, word)
	}
	can := func(name string, f engine.Feature) { yes(name, eng.Supports(ctx, f) == nil) }
	helper := func(name string, h asm.BuiltinFunc) {
		can(name, engine.Feature{Helper: h, Program: ebpf.Kprobe})
	}
	_, types := m.types()
	fmt.Fprintln(w, "Kernel features:")
	yes("btf", types == nil)
	can("Loop support", engine.Feature{Other: engine.FeatureBoundedLoops})
	fmt.Fprintln(w, "Helpers:")
	helper("probe_read_kernel", asm.FnProbeReadKernel)
	helper("send_signal", asm.FnSendSignal)
	helper("get_func_ip", asm.FnGetFuncIp)
	helper("jiffies64", asm.FnJiffies64)
	helper("lookup_percpu_elem", asm.FnMapLookupPercpuElem)
	helper("get_ktime_ns", asm.FnKtimeGetTaiNs)
	can("dpath", engine.Feature{Attach: engine.KindIterator})
	fmt.Fprintln(w, "Probe types:")
	can("iter", engine.Feature{Attach: engine.KindIterator})
	can("kprobe", engine.Feature{Attach: engine.KindKprobe})
	can("uprobe", engine.Feature{Attach: engine.KindUprobe})
	can("uprobe_multi", engine.Feature{Attach: engine.KindUprobeMulti})
	can("kprobe_multi", engine.Feature{Attach: engine.KindKprobeMulti})
	can("fentry", engine.Feature{Attach: engine.KindTracing})
	fmt.Fprintln(w, "Not in skep trace:")
	for _, n := range []string{"kprobe_session", "skboutput", "dwunwind (DWARF stack unwinding)", "blazesym (advanced symbolization)"} {
		yes(n, false)
	}
	fmt.Fprintln(w, "In skep trace:")
	yes("bcc library path resolution", true)
	yes("libdw (DWARF support)", true)
	return nil
}
