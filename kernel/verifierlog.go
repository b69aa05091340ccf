package kernel

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/skepdev/skep/engine"
)

// rejection is what a verifier log says about why it ends.
type rejection struct {
	reason      string
	instruction int // 8-byte slots; -1 if the log names none
	assembly    string
	source      engine.SourceLine
}

// The lines of a verifier log (kernel/bpf/log.c and verifier.c, Linux 6.1 to
// 6.18):
//
//	0: R1=ctx() R10=fp0                             the state, on a line of its own
//	; int x = *p; @ prog.c:12                       source; "@ file:line" since 6.9
//	3: (61) r0 = *(u32 *)(r1 +0)  ; R0_w=scalar()   instruction, then state
//	from 4 to 9: R0=0 …                             a branch taken up again
//	R1 invalid mem access 'scalar'                  the reason: a sentence
//	processed 12 insns (limit 1000000) …            statistics
type logPatterns struct {
	insn, source, noise, insnRef, taken *regexp.Regexp
}

func newLogPatterns() logPatterns {
	return logPatterns{
		insn:   regexp.MustCompile(`^(\d+): (?:\([0-9a-f]{2}\) )(.*)$`),
		source: regexp.MustCompile(`^; (.*)$`),
		noise: regexp.MustCompile(`^(?:processed \d+ insns|verification time \d|stack depth |` +
			`max_states_per_insn|\d+: (?:R\d|frame\d|safe)|from \d+ to \d+|` +
			`(?:last_idx|regs=|first_idx|mark_precise|parent |propagating |func#\d|caller:|callee:|returning from callee|to caller at)|` +
			`R\d+(?:_\w+)?=|-- BEGIN|-- END|Func#\d+ |Validating |btf_vmlinux|insns_|total_states|peak_states|mark_read|old state:|cur state:|` +
			`infinite loop detected at insn|live regs|hit scc|scc |stack use)`),
		// A reason found before anything was simulated names its place.
		insnRef: regexp.MustCompile(`\binsn (\d+)\b`),
		taken:   regexp.MustCompile(` \d+: R\d`),
	}
}

// maxLogLine bounds what is matched: reasons are sentences.
const maxLogLine = 4096

// readRejection finds in a verifier log the sentence that says why, and the
// instruction and source line it was at.
func readRejection(log []string) rejection {
	pat := newLogPatterns()
	r := rejection{instruction: -1}
	var reasons []string
	for i := len(log) - 1; i >= 0; i-- {
		line := clip(strings.TrimSpace(log[i]))
		if line == "" {
			continue
		}
		if m := pat.insn.FindStringSubmatch(line); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil {
				r.instruction, r.assembly = n, pat.instructionText(m[2])
				r.source = pat.sourceBefore(log[:i])
				break
			}
		}
		if len(reasons) < maxReasons && pat.isReason(line) {
			reasons = append(reasons, line)
		}
	}
	slices.Reverse(reasons)
	r.reason = strings.Join(reasons, ": ")
	r.refine(pat, log)
	return r
}

// maxReasons: a reason has a line or two, and a third that adds a hint.
const maxReasons = 3

// refine completes a reason that speaks of another place than the last
// instruction, or that is spread over two lines.
func (r *rejection) refine(pat logPatterns, log []string) {
	if r.reason == "" {
		// Loops end with a line that the states around it look like.
		for i := len(log) - 1; i >= 0; i-- {
			if l := clip(strings.TrimSpace(log[i])); strings.HasPrefix(l, "infinite loop detected") {
				r.reason = l
				break
			}
		}
	}
	if m := pat.insnRef.FindStringSubmatch(r.reason); m != nil && r.instruction < 0 {
		if n, err := strconv.Atoi(m[1]); err == nil {
			r.instruction = n
		}
	}
}

func clip(s string) string {
	if len(s) > maxLogLine {
		return s[:maxLogLine]
	}
	return s
}

func (p logPatterns) isReason(line string) bool {
	return !p.noise.MatchString(line) && !p.insn.MatchString(line) && !p.source.MatchString(line)
}

// instructionText is an instruction without the state that follows it: after a
// semicolon, or for a jump that was taken "4: R0=…".
func (p logPatterns) instructionText(s string) string {
	if i := strings.Index(s, " ; "); i >= 0 {
		s = s[:i]
	}
	if i := p.taken.FindStringIndex(s); i != nil {
		s = s[:i[0]]
	}
	return strings.TrimSpace(s)
}

// sourceBefore is the nearest source comment above an instruction. Line
// information names a statement once, at its first instruction.
func (p logPatterns) sourceBefore(log []string) engine.SourceLine {
	for i := len(log) - 1; i >= 0; i-- {
		if m := p.source.FindStringSubmatch(clip(strings.TrimSpace(log[i]))); m != nil {
			return parseSource(m[1])
		}
	}
	return engine.SourceLine{}
}

// parseSource reads "text @ file:line" (since Linux 6.9) or "text".
func parseSource(s string) engine.SourceLine {
	at := strings.LastIndex(s, " @ ")
	if at < 0 {
		return engine.SourceLine{Text: strings.TrimSpace(s)}
	}
	file, num, ok := cutLast(s[at+3:], ":")
	line, err := strconv.Atoi(strings.TrimSpace(num))
	if !ok || err != nil || line <= 0 {
		return engine.SourceLine{Text: strings.TrimSpace(s)}
	}
	return engine.SourceLine{File: file, Line: line, Text: strings.TrimSpace(s[:at])}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
