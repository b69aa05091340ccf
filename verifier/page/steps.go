package page

import (
	"regexp"
	"strconv"
	"strings"
)

// maxStates is how many different states are kept of an instruction.
const maxStates = 6

// slotSteps is what the log tells of one instruction.
type slotSteps struct {
	visits int
	// states are those of the registers it touched, as it left them; each once.
	states []string
	more   bool        // there were others
	next   map[int]int // how often which instruction came after it
}

var (
	stepLine  = regexp.MustCompile(`^(\d+): \([0-9a-f]{2}\) (.*)$`)
	fromLine  = regexp.MustCompile(`^from (\d+) to (\d+)[ :]`)
	stateLine = regexp.MustCompile(`^(?:from \d+ to )?(\d+)(?: \([a-z ]+\))?: ([RfrcI].*)$`)
)

// readSteps reads a log of level 2. slots is how many instructions there are;
// lines about others are passed over.
func readSteps(log string, slots int) []slotSteps {
	out := make([]slotSteps, slots)
	last := -1 // the instruction of the line before, if the path goes on from there
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\n")
		if m := stepLine.FindStringSubmatch(line); m != nil {
			at := slotOf(m[1], slots)
			if at < 0 {
				continue
			}
			if last >= 0 {
				out[last].went(at)
			}
			last = at
			out[at].visits++
			if _, state, ok := strings.Cut(m[2], " ; "); ok {
				out[at].addState(state)
			}
			continue
		}
		if m := fromLine.FindStringSubmatch(line); m != nil {
			last = -1 // another path
			if from, to := slotOf(m[1], slots), slotOf(m[2], slots); from >= 0 && to >= 0 {
				out[from].went(to)
			}
		}
		// What an instruction left is sometimes said before the next one.
		if m := stateLine.FindStringSubmatch(line); m != nil && last >= 0 {
			out[last].addState(m[2])
		}
	}
	return out
}

func slotOf(s string, slots int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n >= slots {
		return -1
	}
	return n
}

func (s *slotSteps) went(to int) {
	if s.next == nil {
		s.next = make(map[int]int)
	}
	s.next[to]++
}

func (s *slotSteps) addState(text string) {
	text = strings.TrimSpace(text)
	for _, t := range s.states {
		if t == text {
			return
		}
	}
	if len(s.states) == maxStates {
		s.more = true
		return
	}
	s.states = append(s.states, text)
}
