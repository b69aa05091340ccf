package lang

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/lang/syntax"
)

// Attach is an attach point, its parts taken apart. As a pattern Target, Func
// and Group may hold wildcards.
type Attach struct {
	// Provider is the full name: kprobe, tracepoint, begin, …
	Provider string
	// Target is the module (kprobe, fentry, rawtracepoint), binary (uprobe,
	// usdt), group (tracepoint), unit (interval, profile), event (software,
	// hardware), kind (iter, self).
	Target string
	// Group is the provider's name of a usdt probe.
	Group string
	// Func is the function, event or signal.
	Func string
	// Lang is a qualifier of the function's name ("cpp").
	Lang string
	// Offset from the function, or the address if Func is empty.
	Offset    uint64
	HasOffset bool
	// Period is the count of interval, profile, software and hardware.
	Period uint64
	// Line and Column of a source line in File.
	File         string
	Line, Column int
	// Mode and Length of a watchpoint at Offset.
	Mode   string
	Length uint64
	// Pin is where an iterator is pinned.
	Pin string
	// ProgID of a BPF program that is traced.
	ProgID uint64
}

// providers maps every name to the full one.
var providers = map[string]string{
	"begin": "begin", "BEGIN": "begin", "end": "end", "END": "end",
	"self": "self", "bench": "bench", "test": "test",
	"k": "kprobe", "kprobe": "kprobe", "kr": "kretprobe", "kretprobe": "kretprobe",
	"f": "fentry", "fentry": "fentry", "kfunc": "fentry", "fr": "fexit", "fexit": "fexit", "kretfunc": "fexit",
	"t": "tracepoint", "tracepoint": "tracepoint", "rt": "rawtracepoint", "rawtracepoint": "rawtracepoint",
	"u": "uprobe", "uprobe": "uprobe", "ur": "uretprobe", "uretprobe": "uretprobe", "U": "usdt", "usdt": "usdt",
	"p": "profile", "profile": "profile", "i": "interval", "interval": "interval",
	"s": "software", "software": "software", "h": "hardware", "hardware": "hardware",
	"w": "watchpoint", "watchpoint": "watchpoint", "aw": "asyncwatchpoint", "asyncwatchpoint": "asyncwatchpoint",
	"it": "iter", "iter": "iter",
}

// Providers lists the full names of probe types.
func Providers() []string {
	return []string{
		"begin", "end", "self", "bench", "test", "kprobe", "kretprobe", "fentry", "fexit", "tracepoint",
		"rawtracepoint", "uprobe", "uretprobe", "usdt", "profile", "interval", "software", "hardware", "watchpoint", "iter",
	}
}

// String is the attach point as the builtin probe names it.
func (a Attach) String() string {
	parts := []string{a.Provider}
	add := func(s ...string) { parts = append(parts, s...) }
	fn := a.Func
	if a.HasOffset {
		if fn == "" {
			fn = fmt.Sprintf("0x%x", a.Offset)
			if a.Provider == "kprobe" {
				fn = strconv.FormatUint(a.Offset, 10)
			}
		} else if a.Offset != 0 {
			fn += "+" + strconv.FormatUint(a.Offset, 10)
		}
	}
	if a.Lang != "" {
		fn = a.Lang + ":" + strconv.Quote(fn)
	}
	switch a.Provider {
	case "kprobe", "kretprobe", "rawtracepoint", "fentry", "fexit":
		if a.Target != "" {
			add(a.Target)
		}
		if a.ProgID != 0 {
			add(strconv.FormatUint(a.ProgID, 10))
		}
		add(fn)
	case "uprobe", "uretprobe":
		if a.File != "" {
			s := fmt.Sprintf("%s@%s:%d", a.Target, a.File, a.Line)
			if a.Column > 0 {
				s += fmt.Sprintf(":%d", a.Column)
			}
			add(s)
			break
		}
		add(a.Target, fn)
	case "usdt":
		add(a.Target)
		if a.Group != "" {
			add(a.Group)
		}
		add(a.Func)
	case "tracepoint":
		add(a.Target, a.Func)
	case "interval", "profile":
		if a.Target == "" {
			add(strconv.FormatUint(a.Period, 10))
		} else {
			add(a.Target, strconv.FormatUint(a.Period, 10))
		}
	case "software", "hardware":
		add(a.Target, "")
		if a.Period > 0 {
			parts[len(parts)-1] = strconv.FormatUint(a.Period, 10)
		}
	case "watchpoint", "asyncwatchpoint":
		add(fmt.Sprintf("0x%x", a.Offset), strconv.FormatUint(a.Length, 10), a.Mode)
	case "iter":
		add(a.Func)
		if a.Pin != "" {
			add(a.Pin)
		}
	case "self":
		add(a.Target, a.Func)
	case "bench", "test":
		if a.Func != "" {
			add(a.Func)
		}
	}
	return strings.Join(parts, ":")
}

// HasWildcard says whether s is a pattern.
func HasWildcard(s string) bool { return strings.ContainsAny(s, "*?[") }

// Wild says whether a means more than one place.
func (a Attach) Wild() bool {
	return HasWildcard(a.Target) || HasWildcard(a.Func) || HasWildcard(a.Group) || HasWildcard(a.Provider)
}

// splitAttach cuts at colons outside of quotes and drops the quotes.
func splitAttach(raw string) []string {
	var parts []string
	var b strings.Builder
	quoted := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted && i+1 < len(raw):
			i++
			b.WriteByte(raw[i])
		case c == ':' && !quoted:
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(parts, b.String())
}

// ParseAttach takes an attach point apart: several if its provider is a
// wildcard.
func ParseAttach(raw string) ([]Attach, error) {
	if name, rest, ok := strings.Cut(raw, "="); ok && !strings.ContainsAny(name, `:/"`) {
		raw = rest
	}
	parts := splitAttach(raw)
	if HasWildcard(parts[0]) {
		var out []Attach
		for _, p := range Providers() {
			if !Glob(parts[0], p) {
				continue
			}
			a, err := parseParts(p, parts[1:])
			if err == nil {
				out = append(out, a)
			}
		}
		if len(out) == 0 {
			return nil, badf("No probe type matched for %s", parts[0])
		}
		return out, nil
	}
	full, ok := providers[parts[0]]
	if !ok {
		return nil, badf("Invalid probe type: %s", parts[0])
	}
	a, err := parseParts(full, parts[1:])
	if err != nil {
		return nil, err
	}
	return []Attach{a}, nil
}

type attachParser func(a *Attach, p []string) error

var attachParsers map[string]attachParser = map[string]attachParser{
	"begin": attachNone, "end": attachNone,
	"self": attachSelf, "bench": attachNamed, "test": attachNamed,
	"kprobe": attachKernel, "kretprobe": attachKernel, "fentry": attachFentry, "fexit": attachFentry,
	"tracepoint": attachTracepoint, "rawtracepoint": attachRaw,
	"uprobe": attachUser, "uretprobe": attachUser, "usdt": attachUSDT,
	"profile": attachTimed, "interval": attachTimed, "software": attachCounted, "hardware": attachCounted,
	"watchpoint": attachWatch, "asyncwatchpoint": attachWatch, "iter": attachIter,
}

func parseParts(provider string, p []string) (Attach, error) {
	a := Attach{Provider: provider}
	err := attachParsers[provider](&a, p)
	return a, err
}

func wantParts(a *Attach, p []string, least, most int) error {
	if len(p) >= least && len(p) <= most {
		return nil
	}
	want := strconv.Itoa(least)
	if most != least {
		want = fmt.Sprintf("%d to %d", least, most)
	}
	return badf("%s probe type requires %s argument%s, found %d", a.Provider, want, plural(most), len(p))
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func attachNone(a *Attach, p []string) error { return wantParts(a, p, 0, 0) }

func attachNamed(a *Attach, p []string) error {
	if err := wantParts(a, p, 0, 1); err != nil {
		return err
	}
	if len(p) == 1 {
		a.Func = p[0]
	}
	return nil
}

func attachSelf(a *Attach, p []string) error {
	if err := wantParts(a, p, 2, 2); err != nil {
		return err
	}
	a.Target, a.Func = p[0], p[1]
	if a.Target != "signal" {
		return badf("self probe needs signal, found %s", a.Target)
	}
	if a.Func != "SIGUSR1" {
		return badf("%s is not a supported signal", a.Func)
	}
	return nil
}

// attachKernel: [module:]function[+offset], or an address.
func attachKernel(a *Attach, p []string) error {
	if err := wantParts(a, p, 1, 2); err != nil {
		return err
	}
	fn := p[len(p)-1]
	if len(p) == 2 {
		a.Target = p[0]
	}
	if v, ok := syntax.ParseInt(fn); ok && len(p) == 1 {
		a.Offset, a.HasOffset = v, true
		return nil
	}
	name, off, found := strings.Cut(fn, "+")
	a.Func = name
	if found {
		v, ok := syntax.ParseInt(off)
		if !ok {
			return badf("Invalid offset: %s", off)
		}
		if a.Provider == "kretprobe" {
			return badf("Offset not allowed for kretprobe")
		}
		a.Offset, a.HasOffset = v, true
	}
	if a.Func == "" {
		return badf("%s should be attached to a function", a.Provider)
	}
	return nil
}

// attachFentry: [module:]function, or bpf[:id]:program.
func attachFentry(a *Attach, p []string) error {
	if err := wantParts(a, p, 1, 3); err != nil {
		return err
	}
	a.Func = p[len(p)-1]
	if len(p) > 1 {
		a.Target = p[0]
	}
	if len(p) == 3 {
		if p[0] != "bpf" {
			return badf("the only target with three parts is bpf, found %s", p[0])
		}
		v, ok := syntax.ParseInt(p[1])
		if !ok {
			return badf("bpf program id must be a number")
		}
		a.ProgID = v
	}
	return nil
}

func attachTracepoint(a *Attach, p []string) error {
	if len(p) == 1 {
		p = []string{"*", p[0]}
	}
	if err := wantParts(a, p, 2, 2); err != nil {
		return err
	}
	a.Target, a.Func = p[0], p[1]
	if a.Target == "" || a.Func == "" {
		return badf("tracepoint probe must have a target")
	}
	return nil
}

func attachRaw(a *Attach, p []string) error {
	if err := wantParts(a, p, 1, 2); err != nil {
		return err
	}
	a.Func = p[len(p)-1]
	if len(p) == 2 {
		a.Target = p[0]
	}
	return nil
}

// attachUser: binary[:cpp]:function[+offset], binary:address, or
// binary@file:line[:column].
func attachUser(a *Attach, p []string) error {
	if len(p) >= 2 {
		if bin, file, ok := strings.Cut(p[0], "@"); ok {
			return attachLine(a, bin, file, p[1:])
		}
	}
	if len(p) == 1 {
		p = []string{"", p[0]}
	}
	if err := wantParts(a, p, 2, 3); err != nil {
		return err
	}
	a.Target = p[0]
	if len(p) == 3 {
		a.Lang = p[1]
	}
	fn := p[len(p)-1]
	if a.Target == "" {
		return badf("%s should have a target", a.Provider)
	}
	if v, ok := syntax.ParseInt(fn); ok && fn != "" {
		if a.Provider == "uretprobe" {
			return badf("uretprobes can not be attached at an address")
		}
		a.Offset, a.HasOffset = v, true
		return nil
	}
	name, off, found := strings.Cut(fn, "+")
	if found && a.Lang == "" {
		v, ok := syntax.ParseInt(off)
		if !ok {
			return badf("Invalid offset: %s", off)
		}
		if a.Provider == "uretprobe" {
			return badf("uretprobes can not be attached at function offset")
		}
		a.Offset, a.HasOffset = v, true
		fn = name
	}
	a.Func = fn
	if fn == "" {
		return badf("%s should be attached to a function and/or address", a.Provider)
	}
	return nil
}

func attachLine(a *Attach, bin, file string, p []string) error {
	a.Target, a.File = bin, file
	n, err := strconv.Atoi(p[0])
	if err != nil || n < 1 || len(p) > 2 {
		return badf("uprobe source location must be file:line[:column]")
	}
	a.Line = n
	if len(p) == 2 {
		if a.Column, err = strconv.Atoi(p[1]); err != nil || a.Column < 1 {
			return badf("uprobe source location must be file:line[:column]")
		}
	}
	return nil
}

func attachUSDT(a *Attach, p []string) error {
	if err := wantParts(a, p, 2, 3); err != nil {
		return err
	}
	a.Target, a.Func = p[0], p[len(p)-1]
	if len(p) == 3 {
		a.Group = p[1]
	}
	return nil
}

// attachTimed: unit:count, or a duration.
func attachTimed(a *Attach, p []string) error {
	if err := wantParts(a, p, 1, 2); err != nil {
		return err
	}
	if HasWildcard(p[0]) {
		a.Target = p[0]
		return nil
	}
	v, ok := syntax.ParseInt(p[len(p)-1])
	if !ok {
		return badf("Invalid rate of %s probe: %s", a.Provider, p[len(p)-1])
	}
	if v == 0 {
		return badf("%s probe must have a non-zero rate", a.Provider)
	}
	a.Period = v
	if len(p) == 2 {
		a.Target = p[0]
		switch a.Target {
		case "hz", "us", "ms", "s":
		default:
			return badf("%s probe: unit %s is not hz, us, ms or s", a.Provider, a.Target)
		}
	}
	return nil
}

func attachCounted(a *Attach, p []string) error {
	if err := wantParts(a, p, 1, 2); err != nil {
		return err
	}
	a.Target = p[0]
	if len(p) == 2 && p[1] != "" && !HasWildcard(p[1]) {
		v, ok := syntax.ParseInt(p[1])
		if !ok {
			return badf("Invalid count for %s probe: %s", a.Provider, p[1])
		}
		a.Period = v
	}
	return nil
}

func attachWatch(a *Attach, p []string) error {
	if err := wantParts(a, p, 3, 3); err != nil {
		return err
	}
	v, ok := syntax.ParseInt(p[0])
	if !ok {
		return badf("watchpoint: %s is not an address", p[0])
	}
	a.Offset = v
	if a.Length, ok = syntax.ParseInt(p[1]); !ok {
		return badf("watchpoint: %s is not a length", p[1])
	}
	a.Mode = p[2]
	if strings.Trim(a.Mode, "rwx") != "" || a.Mode == "" {
		return badf("watchpoint mode must be combination of (r,w,x), found %s", a.Mode)
	}
	return nil
}

func attachIter(a *Attach, p []string) error {
	if err := wantParts(a, p, 1, 3); err != nil {
		return err
	}
	a.Func = p[0]
	if len(p) > 1 {
		a.Pin = p[len(p)-1]
	}
	return nil
}

// Glob matches a name against a pattern with * and ?.
func Glob(pattern, name string) bool {
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case star >= 0:
			p = star + 1
			mark++
			n = mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// mistake is an error in the words of bpftrace.
type mistake string

func (m mistake) Error() string { return string(m) }

func badf(format string, a ...any) error { return mistake(fmt.Sprintf(format, a...)) }
