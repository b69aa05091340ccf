package tools

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

func number(v any) float64 {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return f
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

// show is a value as its column shows it.
func show(c Column, v any) string {
	switch c.Format {
	case "ms":
		return strconv.FormatFloat(number(v)/1e6, 'f', 3, 64)
	case "us":
		return strconv.FormatFloat(number(v)/1e3, 'f', 1, 64)
	case "kb":
		return strconv.FormatFloat(number(v)/1024, 'f', 0, 64)
	case "hex":
		return "0x" + strconv.FormatUint(uint64(number(v)), 16)
	case "signal":
		return signalName(int(number(v)))
	case "words":
		return words(v)
	case "state":
		return tcpState(int(number(v)))
	}
	return clean(fmt.Sprint(v))
}

// words puts a list's texts up to the last that is not empty in a line; those
// with spaces or signs in quotes.
func words(v any) string {
	list, _ := v.([]any)
	for len(list) > 0 && list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = clean(fmt.Sprint(w))
		if out[i] == "" || strings.ContainsAny(out[i], ` "'\\`) {
			out[i] = strconv.Quote(fmt.Sprint(w))
		}
	}
	return strings.Join(out, " ")
}

// clean keeps a text on its line: what was traced may hold anything.
func clean(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// indent puts a stack below its row.
func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString("    " + line + "\n")
		}
	}
	return b.String()
}

// signals of Linux on x86 and arm64 (signal(7)).
var signals = strings.Fields(`HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT
CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`)

func signalName(n int) string {
	const firstRealTime = 32
	switch {
	case n >= 1 && n <= len(signals):
		return "SIG" + signals[n-1]
	case n >= firstRealTime && n <= 64:
		return "SIGRT" + strconv.Itoa(n-firstRealTime)
	}
	return strconv.Itoa(n)
}

// states of TCP (include/net/tcp_states.h).
var states = strings.Fields("ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV")

func tcpState(n int) string {
	if n >= 1 && n <= len(states) {
		return states[n-1]
	}
	return strconv.Itoa(n)
}
