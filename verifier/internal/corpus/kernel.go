package corpus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/isa"
)

// Kernel is the judge that asks the running kernel: it loads the program and lets
// it go again. Nothing is attached.
func Kernel(ctx context.Context, c *Case, spec *ebpf.CollectionSpec, prog string) Verdict {
	if err := ctx.Err(); err != nil {
		return Verdict{NotSupported: err.Error()}
	}
	if !c.Runs(Arch) {
		return Verdict{NotSupported: "for another processor"}
	}
	shrinkMaps(spec)
	if c.Mode == Unprivileged {
		if !keeps(c.Caps, "CAP_BPF") {
			dropTypes(spec)
		}
		v := Verdict{}
		if err := WithoutPrivileges(c.Caps, func() { v = kernelLoad(c, spec, prog) }); err != nil {
			return Verdict{NotSupported: err.Error()}
		}
		return v
	}
	return kernelLoad(c, spec, prog)
}

// Sizes at which a log starts; it grows when it must, at the price of verifying
// once more.
const (
	logSize     = 1 << 20
	logSizeFull = 16 << 20
)

func kernelLoad(c *Case, spec *ebpf.CollectionSpec, prog string) Verdict {
	if spec.Programs[prog].Type == ebpf.Extension {
		return Verdict{NotSupported: "an extension needs the program that it replaces a function of"}
	}
	if holdsGraphs(spec) {
		// The kernel compares their elements' types by identity, and cilium/ebpf
		// loads the types of maps apart from those of programs.
		return Verdict{NotSupported: "a map with lists or trees cannot be given the program's types here"}
	}
	if castsArena(spec.Programs[prog].Instructions) {
		return Verdict{NotSupported: "cilium/ebpf does not encode casts of arena pointers"}
	}
	opts := ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats, LogSizeStart: logSize}}
	if c.BTFPath != "" {
		types, err := btf.LoadSpec(c.BTFPath)
		if err != nil {
			return Verdict{NotSupported: "the types to relocate against: " + err.Error()}
		}
		opts.Programs.KernelTypes = types
	}
	if c.Expected {
		// Messages are looked for in the log that the case asks for.
		opts.Programs.LogLevel |= ebpf.LogLevel(c.LogLevel)
		if c.LogLevel&3 == 0 {
			opts.Programs.LogLevel |= ebpf.LogLevelBranch
		}
		if c.LogLevel&2 != 0 {
			opts.Programs.LogSizeStart = logSizeFull
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, opts)
	if err == nil {
		defer coll.Close()
		log := coll.Programs[prog].VerifierLog
		return Verdict{Accepted: true, Log: log, Stats: ParseStats(log)}
	}
	v := rejected(err)
	if c.Expected || v.NotSupported != "" {
		return v.unlessBuiltWithout(spec.Programs[prog].Type)
	}
	// Without a log it was quick; now that it matters, with one.
	opts.Programs.LogLevel |= ebpf.LogLevelBranch
	opts.Programs.LogSizeStart = logSizeFull
	again, err := ebpf.NewCollectionWithOptions(spec, opts)
	if err == nil {
		again.Close()
		return Verdict{NotSupported: "rejected once and then accepted"}
	}
	full := rejected(err)
	full.Stats.Time = v.Stats.Time
	return full.unlessBuiltWithout(spec.Programs[prog].Type)
}

// unlessBuiltWithout withdraws rejections that say how this kernel was built and
// not what is wrong with the program: helpers that need an option (CONFIG_BPF_KPROBE_OVERRIDE)
// or the leave of a security module.
func (v Verdict) unlessBuiltWithout(t ebpf.ProgramType) Verdict {
	switch t {
	case ebpf.Kprobe, ebpf.TracePoint, ebpf.RawTracepoint, ebpf.PerfEvent, ebpf.Tracing:
	default:
		return v // other types never have them
	}
	for _, h := range []string{"bpf_override_return#58", "bpf_probe_write_user#36"} {
		if strings.HasSuffix(LastWords(v.Log, 1), "cannot use helper "+h) {
			v.NotSupported = "this kernel is built without " + h
		}
	}
	return v
}

// castsArena reports moves between address spaces, whose offset field the library
// clears when it encodes them.
func castsArena(insns asm.Instructions) bool {
	return slices.ContainsFunc(insns, func(ins asm.Instruction) bool {
		return ins.OpCode == asm.Mov.Op(asm.RegSource) && ins.Offset == isa.OffAddrSpaceCast
	})
}

// holdsGraphs reports maps whose values have the roots of lists or trees.
func holdsGraphs(spec *ebpf.CollectionSpec) bool {
	contains := func(tag string) bool { return strings.HasPrefix(tag, "contains:") }
	for _, m := range spec.Maps {
		if ds, ok := m.Value.(*btf.Datasec); ok {
			for _, v := range ds.Vars {
				if v, ok := v.Type.(*btf.Var); ok && slices.ContainsFunc(v.Tags, contains) {
					return true
				}
			}
		}
		if st, ok := btf.As[*btf.Struct](m.Value); ok {
			for _, f := range st.Members {
				if slices.ContainsFunc(f.Tags, contains) {
					return true
				}
			}
		}
	}
	return false
}

// rejected sorts what a load failed of: the verifier, or something before it.
func rejected(err error) Verdict {
	if errors.Is(err, syscall.EPERM) && strings.Contains(err.Error(), "load program: ") && !simulated(err) {
		return Verdict{NotSupported: "this kernel does not load such programs: operation not permitted"}
	}
	var ve *ebpf.VerifierError
	if !errors.As(err, &ve) || strings.Contains(err.Error(), "load BTF: ") {
		return Verdict{NotSupported: brief(err)} // types are checked before the program
	}
	log := strings.Join(ve.Log, "\n")
	var errno syscall.Errno
	switch {
	case !errors.As(ve.Cause, &errno):
		// cilium/ebpf replaced the errno: a relocation or a kfunc without target.
		return Verdict{NotSupported: brief(ve.Cause), Log: log}
	case log == "" && errno == syscall.E2BIG:
		return Verdict{Err: errno}
	case log == "":
		return Verdict{NotSupported: fmt.Sprintf("refused before verification: %v", errno)}
	case errno == syscall.EFAULT && strings.Contains(log, "verifier bug"), errno == syscall.ENOMEM, errno == syscall.EAGAIN:
		return Verdict{NotSupported: fmt.Sprintf("the kernel failed: %v", errno), Log: log}
	}
	return Verdict{Err: errno, Log: log, Stats: ParseStats(log)}
}

// simulated says that the verifier came as far as the first instruction.
func simulated(err error) bool {
	var ve *ebpf.VerifierError
	return errors.As(err, &ve) && slices.ContainsFunc(ve.Log, func(l string) bool {
		for _, count := range []string{"func#", "processed 0 insns ", "verification time ", "stack depth "} {
			if strings.HasPrefix(l, count) {
				return false
			}
		}
		return l != ""
	})
}

// brief is an error in one line.
func brief(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}

// dropTypes takes type information out, which may not be loaded without privileges.
// The BPF library goes on without it, too.
func dropTypes(spec *ebpf.CollectionSpec) {
	for _, p := range spec.Programs {
		for i, ins := range p.Instructions {
			bare := asm.Instruction{OpCode: ins.OpCode, Dst: ins.Dst, Src: ins.Src, Offset: ins.Offset, Constant: ins.Constant}
			if s := ins.Symbol(); s != "" {
				bare = bare.WithSymbol(s)
			}
			if r := ins.Reference(); r != "" {
				bare = bare.WithReference(r)
			}
			p.Instructions[i] = bare
		}
	}
	for _, m := range spec.Maps {
		m.Key, m.Value = nil, nil
	}
}

// mostEntries of a hash map: no verifier looks at it, and tables made for millions
// of flows take memory and time.
const mostEntries = 1024

func shrinkMaps(spec *ebpf.CollectionSpec) {
	for _, m := range spec.Maps {
		switch m.Type {
		case ebpf.Hash, ebpf.PerCPUHash, ebpf.LRUHash, ebpf.LRUCPUHash, ebpf.LPMTrie, ebpf.StackTrace:
			if m.MaxEntries > mostEntries && len(m.Contents) <= mostEntries {
				m.MaxEntries = mostEntries
			}
		}
		if m.InnerMap != nil {
			shrinkMaps(&ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{"": m.InnerMap}})
		}
	}
}
