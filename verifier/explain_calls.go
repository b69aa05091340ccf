package verifier

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
)

func explainHelper(s *story) {
	ins := s.instruction()
	name := helperName(ins.Imm)
	h := abi.HelperByID(abi.HelperID(ins.Imm))
	switch {
	case h != nil && strings.HasPrefix(s.Kernel, "invalid func"):
		since := h.ID.Since()
		s.Summary = fmt.Sprintf("The kernel that is judged for does not have %s: it came with Linux %d.%d.", name, since>>16, since>>8&0xff)
		s.Advice = "do without it on such kernels: if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_…)) around the call"
	case ins.Imm == object.PoisonedHelper:
		s.Summary = "The program needs a type or field that the kernel's types do not have (CO-RE), or a function."
		s.Advice = "ask first: if (bpf_core_field_exists(…)), bpf_core_type_exists, bpf_ksym_exists"
	case h == nil:
		s.Summary = fmt.Sprintf("There is no helper number %d.", ins.Imm)
		s.Advice = "use the numbers of the kernel's enum bpf_func_id"
	case strings.Contains(s.Kernel, "GPL"):
		s.Summary = name + " may be called by programs under a GPL-compatible license only."
		s.Advice = "char LICENSE[] SEC(\"license\") = \"GPL\"; (or \"Dual BSD/GPL\")"
	default:
		s.Summary = fmt.Sprintf("Programs of type %s may not call %s.", s.r.typ, name)
		var types []string
		for _, t := range h.Programs.Types() {
			types = append(types, t.String())
		}
		sort.Strings(types)
		if len(types) > 8 {
			types = append(types[:8], "…")
		}
		s.Advice = name + " is for: " + strings.Join(types, ", ")
	}
}

// argument names the argument that the rule is about.
func (s *story) argument() string {
	if s.reg() < 1 || s.reg() > 5 {
		return "An argument"
	}
	return [...]string{"The first", "The second", "The third", "The fourth", "The fifth"}[s.reg()-1] + " argument"
}

func explainArgument(s *story) {
	ins := s.instruction()
	o := s.operand()
	s.Summary = fmt.Sprintf("%s of %s is of the wrong kind.", s.argument(), callName(s, ins))
	s.Advice = "see the prototype: " + prototype(ins)
	released := s.trace.lastCall(releases)
	switch {
	case o == nil:
	case o.MaybeNull:
		s.Summary = fmt.Sprintf("%s of %s may be NULL.", s.argument(), callName(s, ins))
		s.Advice = fmt.Sprintf("test it first: if (!%s) return 0;", or(s.Variable, "ptr"))
	case o.Number && releases(ins) && released >= 0 && s.trace.origin(s.reg()) < released:
		s.Summary = fmt.Sprintf("%s is given back twice.", s.name())
		s.Known = s.name() + " is no pointer any more"
		s.Cause = fmt.Sprintf("it was released on %s already", s.lineOf(released))
		s.Advice = "release it once on every path: use else, or return after the first"
		s.Path = s.trace.since(released)
	}
}

func callName(s *story, ins isa.Instruction) string {
	switch {
	case ins.IsHelperCall():
		return helperName(ins.Imm)
	case ins.IsKfuncCall():
		return s.r.code.Kfuncs[ins.Imm].Name
	}
	return "the function"
}

// prototype is a helper's, in the words of its table.
func prototype(ins isa.Instruction) string {
	h := abi.HelperByID(abi.HelperID(ins.Imm))
	if !ins.IsHelperCall() || h == nil {
		return "the function's declaration"
	}
	var args []string
	for _, a := range h.Args {
		args = append(args, a.String())
	}
	return fmt.Sprintf("%s(%s)", h.ID, strings.Join(args, ", "))
}

func explainSize(s *story) {
	ins := s.instruction()
	if strings.Contains(s.Kernel, "zero-sized read") && ins.IsHelperCall() && (s.operand() == nil || !s.operand().Number) {
		// The key of a map that has none.
		s.Summary, s.Advice = mapTypeSummary, mapTypeAdvice
		s.Cause = fmt.Sprintf("the map has no keys, and %s takes one", callName(s, ins))
		return
	}
	s.Summary = fmt.Sprintf("The size given to %s is not bounded by the memory.", callName(s, ins))
	s.Advice = "bound it before the call: if (len > sizeof(buf)) len = sizeof(buf); with an unsigned len"
	o := s.operand()
	if o == nil || !o.Number {
		return
	}
	switch {
	case o.SMin < 0:
		s.Cause = s.name() + " may be negative, which counts as very large"
		s.Advice = "make it unsigned (__u32) and bound it: if (len > sizeof(buf)) len = sizeof(buf);"
	case o.UMin == 0 && strings.Contains(s.Kernel, "zero"):
		s.Cause = s.name() + " may be 0"
		s.Advice = "test it: if (len == 0 || len > sizeof(buf)) return 0;"
	default:
		s.Cause = fmt.Sprintf("%s may be as large as %d", s.name(), o.UMax)
	}
	s.lostBoundOf(s.trace.last(), s.reg())
}

func explainReference(s *story) {
	s.Summary = "Something that was acquired is not given back on this path."
	s.Advice = "release it on every path: bpf_sk_release, bpf_ringbuf_submit or _discard, or the kfunc's _release or _destroy"
	if refs := s.r.inner.Refs; len(refs) > 0 {
		at := refs[len(refs)-1]
		s.Cause = fmt.Sprintf("%s on %s acquired it", callName(s, s.r.code.Instructions[at]), s.lineOf(at))
		s.Path = s.trace.since(at)
	}
}

func explainLock(s *story) {
	s.Summary = "The rules for locks are broken: one at a time, nothing called while it is held, and released on every path."
	s.Advice = "take one lock, change the value, release the lock"
	ins := s.instruction()
	switch {
	case ins.Op == isa.Exit:
		s.Summary = "The program returns while it holds a lock."
		s.Advice = "unlock on every path before the return"
	case ins.IsCall() && strings.Contains(s.Kernel, "not allowed while holding"):
		s.Summary = callName(s, ins) + " is called while a lock is held."
		s.Advice = "call it before the lock is taken or after it is released"
	}
	if refs := s.r.inner.Refs; len(refs) > 0 {
		at := refs[len(refs)-1]
		s.Cause = "the lock was taken on " + s.lineOf(at)
		s.Path = s.trace.since(at)
	}
}

func explainReturn(s *story) {
	s.Summary = "The return value is outside of what this program may return."
	if i := strings.LastIndex(s.Kernel, "["); i >= 0 {
		s.Summary = "The return value must be " + rangeText(strings.TrimSpace(s.Kernel[i:])) + "."
	}
	if strings.Contains(s.Kernel, "callback return") {
		s.Summary = strings.Replace(s.Summary, "The return value", "The return value of the callback", 1)
	}
	s.Advice = "return one of the allowed constants; if the value is computed, bound it first"
}

// rangeText puts the kernel's [lowest, highest] into words.
func rangeText(text string) string {
	var from, to int64
	if n, _ := fmt.Sscanf(text, "[%d, %d]", &from, &to); n != 2 {
		return "in " + text
	}
	switch to {
	case from:
		return fmt.Sprint(from)
	case from + 1:
		return fmt.Sprintf("%d or %d", from, to)
	}
	return fmt.Sprintf("from %d to %d", from, to)
}

// explainLoop tells which comparisons the endless round consists of.
func explainLoop(s *story) {
	t := s.trace
	begin := t.last() - 1
	for begin >= 0 && t.run[begin] != t.run[t.last()] {
		begin--
	}
	if begin < 0 {
		return
	}
	var conditions []string
	for i := begin; i < t.last(); i++ {
		if ins := t.ins(i); ins.IsConditional() && ins.Op != isa.MayGoto {
			if c := t.holds(i, !t.follows(i)); !slices.Contains(conditions, c) {
				conditions = append(conditions, c)
			}
		}
	}
	const most = 3
	switch n := len(conditions); {
	case n == 0:
		s.Cause = "nothing in the round from " + s.lineOf(t.run[begin]) + " can end it"
	case n <= most:
		s.Cause = "the round from " + s.lineOf(t.run[begin]) + " is gone through while " + strings.Join(conditions, " and ") + ", and what is known of that is the same after it"
	}
}

func explainTooComplex(s *story) {
	if s.r.report == nil || s.r.report.Processed < s.r.report.Limit {
		return
	}
	hot := HotLines(s.r.code, s.r.report.Visits)
	if len(hot) == 0 {
		return
	}
	s.Cause = fmt.Sprintf("of %d instructions simulated, %d are of line %d (%s)",
		s.r.report.Processed, hot[0].Simulated, hot[0].Place.Line, strings.TrimSpace(hot[0].Place.Text))
	for i := s.trace.last() - 1; i >= 0; i-- {
		if s.trace.run[i] == s.r.Slot {
			s.Summary = "A loop runs for longer than the verifier follows."
			s.Advice = "use bpf_loop or bpf_for, whose body is verified once, or fewer rounds"
			return
		}
	}
}

func explainStackDepth(s *story) {
	if s.r.report == nil {
		return
	}
	var parts []string
	for _, f := range s.r.report.Funcs {
		if f.Stack > 0 {
			parts = append(parts, fmt.Sprintf("%s() %d", f.Name, f.Stack))
		}
	}
	slices.Sort(parts)
	if len(parts) > 0 {
		s.Cause = "bytes of stack by function: " + strings.Join(parts, ", ")
	}
}
