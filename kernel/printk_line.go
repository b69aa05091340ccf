package kernel

import (
	"strconv"
	"strings"
	"time"

	"github.com/skepdev/skep/engine"
)

// printkMark stands before the text of lines that programs print.
const printkMark = ": bpf_trace_printk: "

// parsePrintk reads one line of trace_pipe (Documentation/trace/ftrace.rst,
// Linux 6.18):
//
//	<task>-<pid>   [<cpu>] <flags> <seconds>.<micros>: bpf_trace_printk: <text>
//
// A task's name may hold anything, also spaces, brackets and dashes, so the
// line is read from the mark leftwards. ok is false for other lines.
func parsePrintk(s string) (line engine.PrintkLine, ok bool) {
	// The first mark is the one: neither the columns nor a task's 15 bytes
	// have room for it.
	at := strings.Index(s, printkMark)
	if at < 0 {
		return line, false
	}
	line.Text = strings.TrimSuffix(s[at+len(printkMark):], "\n")
	head := s[:at]

	head, stamp := cutField(head)
	if line.Time, ok = parseSeconds(stamp); !ok {
		return engine.PrintkLine{}, false
	}
	// Flags, then the CPU; the flags' column may be absent.
	var cpu string
	head, cpu = cutField(head)
	if !strings.HasPrefix(cpu, "[") {
		head, cpu = cutField(head)
	}
	cpu, bracket := strings.CutPrefix(cpu, "[")
	n, err := strconv.Atoi(strings.TrimSuffix(cpu, "]"))
	if err != nil || !bracket || n < 0 {
		return engine.PrintkLine{}, false
	}
	line.CPU = n
	// A thread group column "(  123)" appears with the record-tgid option.
	head = strings.TrimRight(head, " ")
	if strings.HasSuffix(head, ")") {
		if i := strings.LastIndexByte(head, '('); i >= 0 {
			head = head[:i]
		}
	}
	task, pid, found := cutLast(strings.TrimSpace(head), "-")
	line.PID, err = strconv.Atoi(pid)
	if !found || err != nil || line.PID < 0 {
		return engine.PrintkLine{}, false
	}
	line.Task = task
	return line, true
}

// cutField splits off the last word.
func cutField(s string) (rest, field string) {
	s = strings.TrimRight(s, " ")
	i := strings.LastIndexByte(s, ' ')
	return s[:max(i, 0)], s[i+1:]
}

// parseSeconds reads "123.456789".
func parseSeconds(s string) (time.Duration, bool) {
	sec, frac, ok := strings.Cut(s, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || !ok || n < 0 || n > int64(1<<63-1)/int64(time.Second)-1 || len(frac) == 0 || len(frac) > 9 {
		return 0, false
	}
	f, err := strconv.ParseUint(frac, 10, 64)
	if err != nil {
		return 0, false
	}
	for range 9 - len(frac) {
		f *= 10
	}
	return time.Duration(n)*time.Second + time.Duration(f), true
}
