package corpus

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Stats are what the verifier counted, as the last lines of its log say.
type Stats struct {
	// Time is what verification took; zero if the log does not say.
	Time time.Duration `json:"time,omitempty"`
	// Insns is how many instructions were simulated.
	Insns       int `json:"insns,omitempty"`
	TotalStates int `json:"total_states,omitempty"`
	PeakStates  int `json:"peak_states,omitempty"`
	// Stack is what each function takes: "32+0+64".
	Stack string `json:"stack,omitempty"`
}

// ParseStats reads the statistics of a log in the kernel's format (print_verification_stats
// of Linux 6.18).
func ParseStats(log string) Stats {
	var s Stats
	tail := log[max(0, len(log)-1024):]
	if m := regexp.MustCompile(`verification time (\d+) usec`).FindStringSubmatch(tail); m != nil {
		s.Time = time.Duration(atoi(m[1])) * time.Microsecond
	}
	if m := regexp.MustCompile(`(?m)^stack depth (\d+(?:\+\d+)*)`).FindStringSubmatch(tail); m != nil {
		s.Stack = m[1]
	}
	processed := regexp.MustCompile(`processed (\d+) insns \(limit \d+\) max_states_per_insn \d+ total_states (\d+) peak_states (\d+)`)
	if m := processed.FindStringSubmatch(tail); m != nil {
		s.Insns, s.TotalStates, s.PeakStates = atoi(m[1]), atoi(m[2]), atoi(m[3])
	}
	return s
}

// atoi of digits; one that is too large counts as zero.
func atoi(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// LastWords are the last lines of a log that say what is wrong, without the
// statistics.
func LastWords(log string, n int) string {
	lines := strings.Split(strings.TrimRight(log, "\n"), "\n")
	for len(lines) > 0 && isStatistic(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func isStatistic(line string) bool {
	for _, p := range []string{"processed ", "verification time ", "stack depth ", "mark_read ", "max_states"} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return strings.TrimSpace(line) == ""
}
